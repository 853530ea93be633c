"""One writer an account, however two processes meet, and whatever became of the one before."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import arbit
from arbit.app.store import open_journal
from arbit.clock import SystemClock
from arbit.domain.account import AccountId, Mode
from arbit.domain.errors import UserError
from arbit.domain.records import JournalFailed, RunEnd
from arbit.persistence.check import check
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.lease import Lease
from arbit.persistence.locks import is_held
from arbit.persistence.migrate import upgrade
from tests.unit.persistence.made import ACCOUNT, NOON_NS, OTHER, a_cycle, opened

REPO = Path(__file__).parents[2]
ROUNDS = 20
RACED = AccountId("kraken", Mode.LIVE, "0123456789ab")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the racers are forked")
def test_of_two_daemons_that_start_at_once_exactly_one_trades(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.integration.journal_racers", str(tmp_path), str(ROUNDS)],
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    rounds = json.loads(run.stdout)
    assert len(rounds) == ROUNDS
    tokens = []
    for one in rounds:
        won = [said for said in one["said"] if said.startswith("won ")]
        refused = [said for said in one["said"] if said.startswith("refused: ")]
        assert (len(won), len(refused)) == (1, 1), one
        assert "account kraken:live:0123456789ab is traded by" in refused[0]
        tokens.append(int(won[0].removeprefix("won ")))
    assert tokens == list(range(1, ROUNDS + 1))  # each start fences every one before it
    with opened(tmp_path) as journal:
        kept = {one.cycle_id for one in journal.recall().cycles}
    assert kept == {f"c{number:04d}" for number in range(ROUNDS)}  # the killed ones' too
    assert check(tmp_path / "arbit.db").findings == []


def test_the_refusal_names_the_process_and_since_when(tmp_path: Path) -> None:
    with opened(tmp_path):
        with pytest.raises(UserError) as refusal, opened(tmp_path):
            pass
        text = str(refusal.value)
    assert re.search(rf"{ACCOUNT} .*process {os.getpid()} \(since 2024-10-04 12:00:00 UTC\)", text)
    assert "\n" not in text
    with opened(tmp_path) as journal:
        journal.write(a_cycle(1))


def test_whoever_lost_the_account_writes_nothing_more(tmp_path: Path) -> None:
    """A lock can be lost without a death: a file system that forgets, a folder that was copied."""
    path = tmp_path / "arbit.db"
    with opened(tmp_path) as old:
        old.write(a_cycle(1))
        (lock,) = tmp_path.glob("*.lock")
        lock.unlink()
        with Lease(tmp_path, path, ACCOUNT, NOON_NS) as lease:
            new = SqliteJournal(path, ACCOUNT, lease.token)
            with pytest.raises(JournalFailed, match="another daemon took over"):
                old.write(a_cycle(2))
            new.write(a_cycle(3))
            with pytest.raises(JournalFailed, match="another daemon took over"):
                old.write(a_cycle(4))
            assert {one.cycle_id for one in new.recall().cycles} == {"c0001", "c0003"}
            new.close()


def test_accounts_do_not_keep_each_other_out(tmp_path: Path) -> None:
    with opened(tmp_path, ACCOUNT), opened(tmp_path, OTHER):
        assert [is_held(lock) for lock in sorted(tmp_path.glob("*.lock"))] == [True, True]
    assert [is_held(lock) for lock in sorted(tmp_path.glob("*.lock"))] == [False, False]


def test_the_folder_and_its_files_are_their_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "var"
    with opened(folder) as journal:
        journal.write(a_cycle(1))
        files = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert set(files) >= {"arbit.db", "arbit.db-wal", "kraken-live-0123456789ab.lock"}
    assert set(files.values()) == {0o600}


def runs(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "arbit.db")) as connection:
        sql = "SELECT token, version, command, started_ns, ended_ns, ended_how FROM runs"
        return connection.execute(sql + " ORDER BY account, token").fetchall()


@pytest.mark.parametrize("how", list(RunEnd))
def test_each_run_has_a_row_that_says_how_it_ended(tmp_path: Path, how: RunEnd) -> None:
    with open_journal(tmp_path, RACED, SystemClock()) as journal:
        ((token, version, command, began_ns, ended_ns, said),) = runs(tmp_path)
        assert (token, version, command, ended_ns, said) == (1, arbit.__version__, "live", 0, "")
        assert "no end yet" in check(tmp_path / "arbit.db").runs[str(RACED)]
        journal.ending = how
    ((_, _, _, still_ns, ended_ns, said),) = runs(tmp_path)
    assert said == how.value
    assert still_ns == began_ns
    assert isinstance(began_ns, int)
    assert isinstance(ended_ns, int)
    assert ended_ns >= began_ns
    assert re.fullmatch(
        rf"run 1 \(live, {arbit.__version__}\) from .* UTC to .* UTC: {how.value}",
        check(tmp_path / "arbit.db").runs[str(RACED)],
    )


def test_a_run_that_breaks_off_and_one_that_is_killed_say_so(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        open_journal(tmp_path, RACED, SystemClock()),
    ):
        raise ZeroDivisionError
    with opened(tmp_path, str(RACED)):
        pass  # gone without a word, as far as its row can tell
    with opened(tmp_path, OTHER):
        assert [row[-1] for row in runs(tmp_path)] == ["broken", "", ""], "another account's"
        with opened(tmp_path, str(RACED)):
            assert [row[-1] for row in runs(tmp_path)] == ["broken", "hard", "", ""]


def test_the_row_of_a_run_that_lost_its_account_is_no_longer_its_own(tmp_path: Path) -> None:
    path = tmp_path / "arbit.db"
    with opened(tmp_path) as old:
        (lock,) = tmp_path.glob("*.lock")
        lock.unlink()
        with Lease(tmp_path, path, ACCOUNT, NOON_NS):
            old.ending = RunEnd.CLEAN
            with pytest.raises(JournalFailed, match="another daemon took over"):
                old.end_run(NOON_NS)
    assert [row[-1] for row in runs(tmp_path)] == ["hard", ""]


def test_a_lease_that_cannot_be_written_down_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "arbit.db"
    path.touch()  # no schema: no table of leases
    with pytest.raises(UserError, match="leases"), Lease(tmp_path, path, ACCOUNT, NOON_NS):
        pass
    path.unlink()
    upgrade(path)
    with Lease(tmp_path, path, ACCOUNT, NOON_NS) as lease:
        assert lease.token == 1
