"""An account is held against every daemon of this user, whatever its data folder."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from arbit.app.store import held_account, nonces_of, open_journal
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.domain.account import AccountId, Mode
from arbit.domain.errors import UserError
from arbit.persistence.journal import SqliteJournal

LIVE = AccountId.of_key("kraken", Mode.LIVE, "one-key")
SANDBOX = AccountId.of_key("sandbox", Mode.SANDBOX, "one-key")


def held(
    tmp_path: Path, data: str, account: AccountId = LIVE, **settings: Any
) -> AbstractContextManager[object]:
    """What a daemon with this data folder takes."""
    usual = {"data_dir": tmp_path / data, "lock_dir": tmp_path / "home" / "locks"}
    made = Settings.model_validate(usual | settings)
    return held_account(made, made.venue(account.venue), account, SystemClock())


def at(address: str) -> dict[str, Any]:
    return {"venues": {"sandbox": {"rest_url": address, "ws_url": "ws://127.0.0.1:1"}}}


def test_two_data_folders_cannot_trade_one_account_and_the_holder_is_named(tmp_path: Path) -> None:
    with held(tmp_path, "one"):
        with pytest.raises(UserError) as refusal, held(tmp_path, "two"):
            pass
        said = str(refusal.value)
    assert f"account {LIVE} is traded by process {os.getpid()} (since " in said
    assert f" UTC) in {tmp_path / 'one'} already: only one daemon may" in said
    assert "\n" not in said
    with held(tmp_path, "two"):
        pass


def test_the_lock_is_its_owners_alone_and_names_no_key(tmp_path: Path) -> None:
    with held(tmp_path, "one"):
        folder = tmp_path / "home" / "locks"
        (lock,) = folder.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert lock.stat().st_mode & 0o777 == 0o600
        assert "one-key" not in lock.name + lock.read_text()


def test_what_is_no_other_daemons_keeps_nobody_out(tmp_path: Path) -> None:
    other = AccountId.of_key("kraken", Mode.LIVE, "other-key")
    paper = AccountId("kraken", Mode.PAPER)
    with held(tmp_path, "one"), held(tmp_path, "two", other):
        with held(tmp_path, "one", paper), held(tmp_path, "two", paper):
            pass
        with held(tmp_path, "one", SANDBOX), held(tmp_path, "two", SANDBOX):
            pass  # each has an exchange of its own, kept in its data folder
        first, second = at("http://127.0.0.1:1"), at("http://127.0.0.1:2")
        with (
            held(tmp_path, "one", SANDBOX, **first),
            held(tmp_path, "two", SANDBOX, **second),
            pytest.raises(UserError, match="only one daemon"),
        ):
            held(tmp_path, "three", SANDBOX, **first).__enter__()


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.unit.app.test_store import held\n"
        "with held(Path(sys.argv[1]), 'one'): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"process {other.pid} "):
            held(tmp_path, "two").__enter__()
        other.kill()
        other.wait(20)
        with held(tmp_path, "two"):
            pass


def test_locks_that_cannot_be_kept_refuse_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file") as refusal:
        held(tmp_path, "one", lock_dir=tmp_path / "file").__enter__()
    assert "\n" not in str(refusal.value)

    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(UserError, match=r"ARBIT_LOCK_DIR=.*no home folder"):
        held(tmp_path, "one", lock_dir="~/locks").__enter__()


@pytest.mark.parametrize("passing", [True, False])
def test_who_asks_a_sandbox_that_keeps_its_account_goes_on_where_its_nonces_are(
    tmp_path: Path, *, passing: bool
) -> None:
    # What may trade leaves them ahead of the clock: the clock's own would be refused after it.
    made = Settings.model_validate({"data_dir": tmp_path / "one", "lock_dir": tmp_path / "locks"})
    clock = SystemClock()
    with open_journal(made.data_dir, SANDBOX, clock):
        pass
    venue = made.venue("sandbox")
    with nonces_of(made, venue, SANDBOX, clock, "convert", passing=passing) as journal:
        assert isinstance(journal, SqliteJournal) is not passing
