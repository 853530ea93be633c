"""`arbit live` as a user runs it: on the sandbox, dry, killed, twice, and told to stop."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from arbit.cli import main
from tests.checker import compare
from tests.integration.cli_desk import within
from tests.integration.live_desk import rows

QUICK = ("--venue", "sandbox", "--profile", "volatile", "--fee-bps", "1")


def environment(folder: Path, **extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARBIT")}
    return kept | {"ARBIT_DATA_DIR": str(folder / "var")} | extra


def arbit(folder: Path, *options: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "arbit", *options],
        cwd=folder,
        env=environment(folder, **extra),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def here(folder: Path, *options: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """The same, in this process."""
    return within(folder, environment(folder, **extra), *options)


def report_of(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert run.returncode == 0, run.stdout + run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def files(folder: Path) -> tuple[Path, Path]:
    return folder / "var" / "sandbox" / "events.ndjson", folder / "var" / "arbit.db"


def test_cycles_complete_twice_in_one_folder_and_every_digit_agrees(tmp_path: Path) -> None:
    five = ("live", *QUICK, "--cycles", "5", "--json")
    first = report_of(arbit(tmp_path, *five))
    assert compare(*files(tmp_path)) == []
    second = report_of(arbit(tmp_path, *five, "--seed", "2"))

    assert compare(*files(tmp_path)) == []
    assert sum(first["cycles"].values()) >= 5
    assert sum(second["cycles"].values()) >= 5
    assert second["ended"] == "cycles are done"
    checked = arbit(tmp_path, "db", "check", "--json")
    assert checked.returncode == 0, checked.stdout
    (account,) = json.loads(checked.stdout)["wallets"]
    assert json.loads(checked.stdout)["wallets"][account] == second["balances"]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with a run in it, and its report."""
    folder = tmp_path_factory.mktemp("real")
    return folder, report_of(here(folder, "live", *QUICK, "--cycles", "2", "--json"))


@pytest.fixture
def traded(real: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(real[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_checker_sees_a_fill_that_was_changed(traded: Path) -> None:
    log, database = files(traded)
    assert compare(log, database) == []
    lines = log.read_text().splitlines()
    spot = next(i for i, line in enumerate(lines) if '"kind":"fill"' in line)
    record = json.loads(lines[spot])
    record["qty"] = record["qty"] + "1"
    record["moves"][0][1] += "1"
    lines[spot] = json.dumps(record, separators=(",", ":"))
    log.write_text("\n".join(lines) + "\n")
    assert any("balance of" in one for one in compare(log, database))
    assert any(one.startswith("fill ") for one in compare(log, database))


def test_the_checker_sees_a_rounding_that_is_not_booked_or_booked_twice(traded: Path) -> None:
    log, database = files(traded)
    assert compare(log, database) == []
    with closing(sqlite3.connect(database)) as connection:
        kept = connection.execute("SELECT count(*) FROM ledger WHERE kind='rounding'").fetchone()
        assert kept[0] > 0, "trades state more than balances keep"
        line = "account, ref, kind, book, asset, amount, at_ns"
        for change in (
            f"INSERT INTO ledger ({line}) SELECT {line} FROM ledger WHERE kind='rounding'",  # noqa: S608  our own names
            "DELETE FROM ledger WHERE kind='rounding'",
        ):
            connection.execute(change)
            connection.commit()
            found = compare(log, database)
            assert any(one.startswith("rounding of ") for one in found), change
            assert any(one.startswith("balance of ") for one in found), change


def test_limits_fees_and_the_honest_sentence_come_before_anything_else(tmp_path: Path) -> None:
    run = here(tmp_path, "live", *QUICK, "--secs", "1")
    assert run.returncode == 0, run.stderr
    lines = [line for line in run.stdout.splitlines() if not re.match(r"\d{4}-\d\d-", line)]
    assert lines[0].startswith("sandbox: SANDBOX")
    assert "SYNTHETIC MARKET" in lines[1]
    sentence = next(i for i, line in enumerate(lines) if line.startswith("at your fees"))
    assert "taker fee 1 bps (account) on 16 markets" in "\n".join(lines[:sentence])
    assert "per cycle: 1000 USD" in "\n".join(lines[:sentence])
    warning = "the key works from any address: an allow-list would be safer"
    assert lines[sentence + 1] == f"warning: {warning}"
    assert warning in run.stderr, "and in the log, where nobody watches a screen"


def test_at_the_ladders_fees_nothing_is_traded(tmp_path: Path) -> None:
    report = report_of(
        here(tmp_path, "live", "--venue", "sandbox", "--profile", "calm", "--secs", "4", "--json")
    )
    assert report["orders"] == 0
    assert report["cycles"] == {}
    assert report["warnings"] == ["the key works from any address: an allow-list would be safer"]


def test_a_dry_run_needs_no_key_and_keeps_its_own_account(
    traded: Path, real: tuple[Path, dict[str, Any]]
) -> None:
    before = files(traded)[0].read_bytes()
    dry = report_of(
        here(
            traded,
            *("live", *QUICK, "--dry-run", "--cycles", "2", "--json"),
            ARBIT_VENUES__SANDBOX__API_KEY="",
        )
    )

    assert dry["account"] == "sandbox:paper"
    assert dry["warnings"] == []
    assert real[1]["account"] != dry["account"]
    assert files(traded)[0].read_bytes() == before, "the exchange was not even asked"
    assert compare(*files(traded)) == []


def test_dry_run_by_environment_wins_over_everything(tmp_path: Path) -> None:
    report = report_of(
        here(
            tmp_path,
            *("live", *QUICK, "--i-accept-real-orders", "--secs", "1", "--json"),
            ARBIT_DRY_RUN="1",
        )
    )
    assert report["mode"] == "paper"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--venue", "kraken", "--i-accept-real-orders"), "ARBIT_VENUES__KRAKEN__API_KEY"),
        (("--venue", "binance", "--i-accept-real-orders"), "--venue binance"),
        (("--policy", "sideways"), "--policy=sideways: expected sequential or parallel"),
        (("--cycles", "0"), "--cycles 0"),
        (("--order-transport", "pigeon"), "--order-transport=pigeon: expected ws or rest"),
        (("--max-notional", "-1"), "--max-notional=-1"),
        (("--override-shadow-run",), "--override-shadow-run: expected with --max-notional"),
        (("--override-shadow-run", "--max-notional", "0"), "--max-notional=0"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    said: str,
) -> None:
    for name in [name for name in os.environ if name.startswith("ARBIT")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["arbit", "live", *options])
    with pytest.raises(SystemExit) as left:
        main()
    error = capsys.readouterr().err
    assert left.value.code == 2, error
    assert error.startswith(f"arbit: {said}")
    assert error.count("\n") == 1
    assert not (tmp_path / "var").exists()


def test_a_key_that_may_withdraw_is_refused_by_safety(tmp_path: Path) -> None:
    secret = base64.b64encode(
        b"sandbox withdraw secret, made up and public, sixty-four bytes long!!"
    ).decode()
    run = here(
        tmp_path,
        *("live", *QUICK, "--secs", "1"),
        ARBIT_VENUES__SANDBOX__API_KEY="sandbox-withdraw-key",
        ARBIT_VENUES__SANDBOX__API_SECRET=secret,
    )
    assert run.returncode == 3, run.stdout + run.stderr
    assert "may withdraw" in run.stderr
    assert secret not in run.stdout + run.stderr


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "arbit", "live", *QUICK],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "cycle_ended" in line:
            break
    yield process
    process.kill()
    process.wait(10)
    process.stdout.close()


def test_sigterm_begins_nothing_new_and_leaves_everything_settled(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 0, out
    assert "left open: 0" in out
    time.sleep(0.5)  # the exchange ends with its parent
    assert compare(*files(tmp_path)) == []


def test_a_second_daemon_on_the_account_says_who_has_it_and_leaves(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    second = arbit(tmp_path, "live", *QUICK, "--secs", "1")
    assert second.returncode == 2, second.stdout
    assert f"process {running.pid}" in second.stderr
    assert "only one daemon" in second.stderr


def test_kill_stops_a_running_daemon_and_after_the_unkill_a_resume_lets_it_go_on(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert arbit(tmp_path, "kill").returncode == 0
    killed_ns = time.time_ns()
    time.sleep(1.5)
    assert came_and_left_since(tmp_path, killed_ns) == []
    assert arbit(tmp_path, "unkill").returncode == 0
    time.sleep(0.5)
    assert came_and_left_since(tmp_path, killed_ns) == [], "an unkill alone begins nothing"
    assert arbit(tmp_path, "resume", "sandbox").returncode == 0
    deadline = time.monotonic() + 60
    while not came_and_left_since(tmp_path, killed_ns):
        assert time.monotonic() < deadline, "it never traded again"
        time.sleep(0.05)


def came_and_left_since(folder: Path, since_ns: int) -> list[str]:
    """Orders that the exchange was asked for, and that left the daemon after a wall time."""
    log, database = files(folder)
    sent = dict(rows(database, "SELECT client_id, sent_ns FROM orders"))
    whole = log.read_text().rpartition("\n")[0].split("\n")
    came = [str(json.loads(one)["cl_ord_id"]) for one in whole if '"add_order"' in one]
    return [one for one in came if sent.get(one, since_ns + 1) > since_ns]
