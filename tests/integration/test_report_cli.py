"""`arbit report` and `arbit export`: read-only, beside a daemon, one account at a time."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from arbit.cli import app
from arbit.domain.account import Flow
from arbit.domain.errors import UserError
from arbit.domain.records import Batch, Transfer
from arbit.ledger import flow, opening
from arbit.persistence.journal import SqliteJournal
from tests.unit.execution.world import World
from tests.unit.persistence.made import ACCOUNT, NOON_NS, OTHER, a_cycle, opened

D = Decimal
HOSTILE = '<script src="https://x"></script>'


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def refused(result: Result) -> str:
    assert isinstance(result.exception, UserError), result
    assert "\n" not in str(result.exception)
    return str(result.exception)


def hidden(folder: Path) -> list[Path]:
    return list(folder.glob(".*"))


async def traded(cycles: int) -> Batch:
    """What a journal keeps of so many cycles, and of money that came with a hostile word."""
    world = World()
    async with world.running():
        for _ in range(cycles):
            await world.trade()
    kept = world.journal
    came = Flow("L1", HOSTILE, D("0.5"), "[red]=cmd|' /C calc'!A0\x1b[31m", NOON_NS)
    return Batch(
        cycles=tuple(kept.cycles.values()),
        orders=tuple(kept.orders.values()),
        trades=tuple(kept.trades.values()),
        postings=(*kept.postings, *flow(came)),
        walks=tuple(kept.walks.values()),
        transfers=(Transfer(came.ref, came.kind),),
    )


@contextmanager
def written(folder: Path, batch: Batch, account: str = ACCOUNT) -> Iterator[SqliteJournal]:
    """The batch in a file that a daemon holds meanwhile."""
    with opened(folder, account) as journal:
        journal.write(batch)
        yield journal


async def test_a_report_tells_results_causes_and_balances_beside_a_daemon(tmp_path: Path) -> None:
    with written(tmp_path, await traded(3)) as journal:
        told = json.loads(run("report", "--json", "--data-dir", str(tmp_path)).output)
        drawn = run("report", "--data-dir", str(tmp_path)).output
        journal.write(Batch(postings=opening("XRP", D(1), NOON_NS)))  # it was not in the way
    assert told["account"] == ACCOUNT
    assert told["cycles"] == {"done": 3}
    (results,) = told["results"]
    losses = sum(D(amount) for amount in results["shortfall"].values())
    assert D(results["expected"]) - losses == D(results["brought"])
    planned = sum(D(amount) for amount in results["planned"].values())
    assert D(results["at_tops"]) - planned == D(results["expected"])
    for one in told["balances"]:
        parts = [D(one[name]) for name in ("opening", "fills", "fees", "rounding", "unexplained")]
        moved = [D(amount) for amount in one["transfers"].values()]
        assert sum(parts + moved) == D(one["closing"])
    assert "best prices promised" in drawn
    assert "\x1b" not in drawn


async def test_the_page_is_complete_in_itself_and_runs_nothing(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    with written(tmp_path, await traded(3)):
        for _ in range(2):  # our own page is replaced
            assert run("report", "--html", str(page), "--data-dir", str(tmp_path)).exit_code == 0
    text = page.read_text("utf-8")
    assert text.count("<svg") == 2
    assert "<script" not in text
    assert "&lt;script src=" in text
    assert re.findall(r"(?:src|href|url|@import)\s*[=(]", text.replace("&lt;script src=", "")) == []
    assert "default-src 'none'" in text
    assert page.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kind", ["csv", "koinly", "cointracking"])
async def test_an_export_is_written_whole_and_never_over_a_strangers_file(
    tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "out.csv"
    with written(tmp_path, await traded(2)):
        asked = ("export", "--format", kind, "--data-dir", str(tmp_path))
        assert run(*asked, "--out", str(out)).exit_code == 0
        assert run(*asked, "--out", str(out)).exit_code == 0
        assert run(*asked).stdout == out.read_text("utf-8")
        database = tmp_path / "arbit.db"
        before = database.read_bytes()
        assert "expected a new file" in refused(run(*asked, "--out", str(database)))
        assert database.read_bytes() == before
    rows = list(csv.reader(io.StringIO(out.read_text("utf-8"), newline="")))
    assert len({len(row) for row in rows}) == 1
    assert out.stat().st_mode & 0o077 == 0
    assert hidden(tmp_path) == []


def test_accounts_are_never_mixed(tmp_path: Path) -> None:
    with written(tmp_path, a_cycle(1)):
        pass
    with written(tmp_path, a_cycle(2), OTHER):
        pass
    folder = ("--data-dir", str(tmp_path))
    for command in ("report", "export"):
        said = refused(run(command, *folder))
        assert said == f"--account: expected one of {ACCOUNT}, {OTHER}"
        assert refused(run(command, "--account", "x", *folder)).startswith("--account x: expected")
    told = json.loads(run("report", "--json", "--account", OTHER, *folder).output)
    assert (told["account"], told["trades"]) == (OTHER, 1)
    assert told["not_explained_cycles"] == 1  # nobody kept what it was decided on
    rows = run("export", "--account", OTHER, *folder).stdout
    assert "t0002" in rows
    assert "t0001" not in rows


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("report", "--days", "x"), "--days x: expected a whole number from 0 to 36500"),
        (("export", "--year", "1"), "--year 1: expected a whole number from 2009 to 2100"),
        (("export", "--format", "xls"), "--format xls: expected one of csv, koinly, cointracking"),
        (("report",), "there is no database yet"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in refused(run(*arguments, "--data-dir", str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


async def test_days_leave_out_what_is_older(tmp_path: Path) -> None:
    with written(tmp_path, await traded(1)):
        told = json.loads(
            run("report", "--json", "--days", "1", "--data-dir", str(tmp_path)).output
        )
    assert (told["cycles"], told["trades"], told["results"]) == ({}, 0, [])
    assert all(one["opening"] == one["closing"] for one in told["balances"])
