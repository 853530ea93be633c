"""`arbit db`: what each command says, and the code it leaves with."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from arbit import __version__
from arbit.cli.db import app
from arbit.cli.exits import Code
from arbit.domain.errors import UserError
from arbit.persistence.migrate import latest
from tests.integration.test_migrations import restored
from tests.unit.persistence.made import ACCOUNT, a_cycle, opened


def db(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data-dir", str(folder)])


def refused(result: Result) -> str:
    """What `arbit.cli.main` prints before it leaves with code 2."""
    assert isinstance(result.exception, UserError), result
    assert "\n" not in str(result.exception)
    return str(result.exception)


def test_upgrade_makes_a_file_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "var"
    assert db(folder, "upgrade").output == f"{folder / 'arbit.db'}: nothing -> 0008\n"
    assert db(folder, "upgrade").output == f"{folder / 'arbit.db'}: at 0008 already\n"
    assert db(folder, "current").output == f"{folder / 'arbit.db'}: 0008 (this version: 0008)\n"


def test_upgrade_says_from_where_to_where(tmp_path: Path) -> None:
    path = restored(tmp_path, "0001")
    assert db(tmp_path, "current").output == f"{path}: 0001 (this version: 0008)\n"
    assert "`arbit db upgrade` comes first" in refused(db(tmp_path, "check"))
    assert db(tmp_path, "upgrade").output == f"{path}: 0001 -> 0008\n"
    assert db(tmp_path, "backup").output == f"{path}.backup-0002-0008\n"
    assert Path(f"{path}.backup-0001-0001").exists()


@pytest.mark.parametrize("command", ["current", "check", "backup"])
def test_where_there_is_no_file_none_is_made(tmp_path: Path, command: str) -> None:
    assert "there is no database yet" in refused(db(tmp_path, command))
    assert list(tmp_path.iterdir()) == []


def test_check_prints_wallets_and_leaves_in_peace(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write(a_cycle(1))
        result = db(tmp_path, "check")  # beside a daemon that has it open
    assert result.exit_code == 0
    assert f"{ACCOUNT} BTC 0.00100000" in result.output.splitlines()
    began = f"{ACCOUNT} run 1 (test, {__version__}) from 2024-10-04 12:00:00 UTC: no end yet"
    assert began in result.output.splitlines()
    assert result.output.endswith("0 findings in 1 cycles, 1 fills, 8 ledger, 1 orders, 1 runs\n")


def test_check_names_what_disagrees_and_leaves_with_three(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write(a_cycle(1))
    with closing(sqlite3.connect(tmp_path / "arbit.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM ledger WHERE n=1")
    result = db(tmp_path, "check")
    assert result.exit_code == Code.REFUSED
    wrong = [line for line in result.output.splitlines() if line.startswith("WRONG ")]
    assert wrong == [f"WRONG ledger of {ACCOUNT}: BTC is off by -0.00100000"]
    told = db(tmp_path, "check", "--json")
    assert told.exit_code == Code.REFUSED
    assert json.loads(told.output)["findings"] == [wrong[0].removeprefix("WRONG ")]


def test_a_backup_taken_beside_a_daemon_holds_what_was_committed(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.write(a_cycle(1))
        result = db(tmp_path, "backup")
        journal.write(a_cycle(2))
    (tmp_path / "other").mkdir()
    Path(result.output.strip()).rename(tmp_path / "other" / "arbit.db")
    with opened(tmp_path / "other") as journal:
        assert [one.cycle_id for one in journal.recall().cycles] == ["c0001"]


def test_programs_are_told_the_same_as_one_object(tmp_path: Path) -> None:
    made = json.loads(db(tmp_path, "upgrade", "--json").output)
    assert made == {"path": str(tmp_path / "arbit.db"), "found": "", "latest": latest()}
    assert json.loads(db(tmp_path, "current", "--json").output) == made | {"found": latest()}
    backup = json.loads(db(tmp_path, "backup", "--json").output)
    assert Path(backup["path"]).is_file()
