"""`arbit doctor` looks at disks, folders, databases and switches; what is named mends it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from arbit.app.doctor import run
from tests.integration.cli_desk import Desk
from tests.integration.disks import fill, read_only, small_disk
from tests.integration.doctor_desk import data_of, database_of, examined, found, is_well, mend

DUMPS = Path(__file__).parents[1] / "data" / "schema"
MIB = 1 << 20
Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _quick(monkeypatch: Patch) -> None:
    """The self-test has tests of its own: here it is not waited for."""
    monkeypatch.setattr(run, "known_answers", lambda _: [])


def test_a_disk_that_is_mounted_read_only(desk: Desk) -> None:
    data = data_of(desk)
    with read_only(data):
        _, findings = examined(desk)
    bad = {(one["check"], one["subject"]): one for one in findings if one["verdict"] == "fail"}
    told = bad["disk", "write"]
    assert "Read-only" in told["seen"]
    assert told["fix"].startswith("mount it for writing, or set ARBIT_DATA_DIR")
    assert is_well(desk, "disk")


def test_a_disk_that_is_full(desk: Desk, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as ballast:
        fill(ballast)
        _, findings = examined(desk, ARBIT_DATA_DIR=str(ballast.parent))
        bad = [one for one in findings if one["check"] == "disk" and one["verdict"] == "fail"]
        assert {one["subject"] for one in bad} == {"write", "space"}
        assert all("the disk is full: free some space" in one["fix"] for one in bad)


def test_a_schema_of_long_ago(desk: Desk) -> None:
    data = data_of(desk)
    with closing(sqlite3.connect(data / "arbit.db")) as connection:
        connection.executescript((DUMPS / "0001.sql").read_text("utf-8"))
    told = found(desk, "database")
    assert (told["verdict"], told["fix"]) == ("fail", "arbit db upgrade")
    mend(desk, told["fix"])
    assert is_well(desk, "database")


def test_a_schema_that_is_newer(desk: Desk) -> None:
    made = database_of(desk)
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("UPDATE alembic_version SET version_num='9999'")
        connection.commit()
    told = found(desk, "database")
    assert "newer than this program's" in told["seen"]
    assert told["fix"].startswith("run the version that wrote it, or restore a backup")


def test_a_database_that_is_damaged(desk: Desk) -> None:
    made = database_of(desk)
    with made.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 8_000)
    told = found(desk, "database")
    assert told["verdict"] == "fail"
    assert told["fix"].startswith("restore a backup")


def test_a_kill_switch_that_is_on(desk: Desk) -> None:
    data = data_of(desk)
    (data / "KILL").touch()
    told = found(desk, "switches")
    assert (told["verdict"], told["fix"]) == ("warn", "arbit unkill")
    mend(desk, told["fix"])
    assert is_well(desk, "switches")


def test_a_venue_of_its_own_that_is_killed(desk: Desk) -> None:
    data = data_of(desk)
    (data / "KILL.kraken").touch()
    assert found(desk, "switches")["fix"] == "arbit unkill kraken"


def test_a_kill_switch_of_the_settings(desk: Desk) -> None:
    told = found(desk, "switches", ARBIT_RISK__KILL_SWITCH="true")
    assert told["fix"] == "unset ARBIT_RISK__KILL_SWITCH"


def test_a_venue_that_is_paused(desk: Desk) -> None:
    data = data_of(desk)
    (data / "pause.sandbox").touch()
    told = found(desk, "switches")
    assert told["fix"] == "arbit resume sandbox"
    mend(desk, told["fix"])
    assert is_well(desk, "switches")


def test_a_breaker_that_has_halted(desk: Desk) -> None:
    made = database_of(desk)
    note = '{"state": "halted", "detail": "drift: 1 BTC"}'
    with closing(sqlite3.connect(made)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
        values = {"account": "sandbox:sandbox:1", "token": 1, "started_ns": 1, "version": "0"}
        row = [values.get(name, "live" if name == "command" else 0) for name in columns]
        marks = ",".join("?" * len(columns))
        connection.execute(f"INSERT INTO runs VALUES ({marks})", row)  # noqa: S608  marks alone
        connection.execute(
            "INSERT INTO flags (account, name, value, at_ns) VALUES (?, 'breaker', ?, 1)",
            ("sandbox:sandbox:1", note),
        )
        connection.commit()
    told = found(desk, "trading")
    assert told["verdict"] == "fail"
    assert "drift: 1 BTC" in told["seen"]
    assert told["fix"].endswith("arbit resume sandbox")


def test_a_log_beyond_its_bound(desk: Desk) -> None:
    data = data_of(desk)
    (data / "logs").mkdir(mode=0o700)
    (data / "logs" / "arbit.log").write_bytes(b"x" * MIB)
    told = found(desk, "log", ARBIT_LOG__FILES="2", ARBIT_LOG__FILE_KIB="16")
    assert told["verdict"] == "fail"
    assert "1024 KiB of at most 32 KiB" in told["seen"]
    assert told["fix"].startswith(f"delete the oldest files in {data / 'logs'}")
    assert is_well(desk, "log")


def test_secrets_that_others_may_read(desk: Desk) -> None:
    env = desk.work / ".env"
    env.write_text("ARBIT_ALERTS__WEBHOOK_URL=https://example.com/hook\n")
    env.chmod(0o644)
    told = found(desk, "secrets")
    assert (told["verdict"], told["fix"]) == ("fail", "chmod 600 .env")
    mend(desk, told["fix"])
    assert is_well(desk, "secrets")


@pytest.mark.parametrize(("mode", "verdict"), [(0o777, "fail"), (0o755, "warn")])
def test_a_data_folder_that_is_open_to_others(desk: Desk, mode: int, verdict: str) -> None:
    data = data_of(desk)
    data.chmod(mode)
    _, findings = examined(desk)
    (told,) = [one for one in findings if one["check"] == "data folder"]
    assert (told["verdict"], told["fix"]) == (verdict, f"chmod 700 {data}")
    mend(desk, told["fix"])
    assert is_well(desk, "data folder")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give away"
)
def test_a_data_folder_of_somebody_else(desk: Desk) -> None:
    data = data_of(desk)
    os.chown(data, 12_345, -1)
    _, findings = examined(desk)
    (told,) = [one for one in findings if one["check"] == "data folder"]
    assert told["verdict"] == "fail"
    mend(desk, told["fix"].removeprefix("sudo "))
    assert is_well(desk, "data folder")


def test_a_data_folder_that_is_a_file(desk: Desk) -> None:
    (desk.work / "var").touch()
    _, findings = examined(desk)
    told = next(one for one in findings if one["check"] == "data folder")
    assert told["verdict"] == "fail"
    assert "set ARBIT_DATA_DIR to a folder" in told["fix"]


def test_a_lock_folder_that_is_a_file(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "locks").touch()
    told = found(desk, "lock folder", ARBIT_LOCK_DIR=str(tmp_path / "locks"))
    assert "set ARBIT_LOCK_DIR to a folder" in told["fix"]


def test_a_path_that_is_too_long_for_a_door(desk: Desk) -> None:
    told = found(desk, "door", ARBIT_DATA_DIR="d" * 120)
    assert told["verdict"] == "warn"
    assert "shorter path" in told["fix"]


def test_a_door_in_a_long_folder_that_is_there(desk: Desk) -> None:
    folder = desk.work / ("d" * 120)
    folder.mkdir(mode=0o700)
    told = found(desk, "door", ARBIT_DATA_DIR=folder.name)
    assert "at most" in told["seen"]
    assert list(folder.iterdir()) == []


def test_a_database_without_a_copy(desk: Desk) -> None:
    database_of(desk)
    told = found(desk, "backup")
    assert (told["verdict"], told["fix"]) == ("warn", "arbit db backup")
    mend(desk, told["fix"])
    assert is_well(desk, "backup")
