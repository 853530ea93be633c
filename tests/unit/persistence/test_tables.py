from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Float, Integer, Table, Text, create_engine, insert, select
from sqlalchemy.pool import NullPool

from arbit.persistence.migrate import upgrade
from arbit.persistence.tables import metadata
from arbit.persistence.types import Money

TABLES = metadata.sorted_tables
AMOUNT = Decimal("-123456789012345678901234567890.0000000010")


def sample(table: Table) -> dict[str, object]:
    """A value for each column, the hardest of its kind."""
    values: dict[str, object] = {}
    for number, column in enumerate(table.columns):
        kind = column.type
        if isinstance(kind, Money):
            values[column.name] = AMOUNT
        elif isinstance(kind, Float):
            values[column.name] = 0.1
        elif isinstance(kind, Integer | BigInteger):
            values[column.name] = 2**62 + number
        else:
            assert isinstance(kind, Text), column
            values[column.name] = f"é'{number}"
    return values


def test_every_table_that_the_design_names_is_there() -> None:
    assert {table.name for table in TABLES} == {
        "triangles",
        "cycles",
        "orders",
        "fills",
        "ledger",
        "fee_pending",
        "fee_posted",
        "incidents",
        "opportunities",
        "inventory_snapshots",
        "wallet_snapshots",
        "venue_status",
        "runs",
        "flags",
        "leases",
        "learned",
        "shadow_hours",
        "shadow_setups",
        "transfers",
        "walks",
    }


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_row_carries_its_account(table: Table) -> None:
    column = table.columns["account"]
    assert isinstance(column.type, Text)
    assert not column.nullable


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_row_is_read_as_it_was_written(table: Table, tmp_path: Path) -> None:
    path = tmp_path / "arbit.db"
    upgrade(path)
    row = sample(table)
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(insert(table).values(row))
    with engine.connect() as connection:
        found = connection.execute(select(table)).mappings().one()
    assert dict(found) == row
    with closing(sqlite3.connect(path)) as plain:
        for column in table.columns:
            if isinstance(column.type, Money):
                sql = (
                    f"SELECT typeof({column.name}) FROM {table.name}"  # noqa: S608  names are ours
                )
                assert plain.execute(sql).fetchone() == (
                    "text",
                ), f"{table.name}.{column.name} is not exact"


def test_the_migrations_make_just_what_the_tables_say(tmp_path: Path) -> None:
    path = tmp_path / "arbit.db"
    upgrade(path)
    with closing(sqlite3.connect(path)) as plain:
        names = {
            row[0] for row in plain.execute("SELECT name FROM sqlite_master WHERE type='table'")
        }
        assert names - {"alembic_version"} == {table.name for table in TABLES}
        for table in TABLES:
            made = {
                row[1]: (row[2], bool(row[3]), bool(row[5]))
                for row in plain.execute(f"PRAGMA table_info({table.name})")
            }
            said = {
                column.name: (
                    str(column.type.compile(create_engine("sqlite://").dialect)),
                    not column.nullable,
                    column.primary_key,
                )
                for column in table.columns
            }
            assert made == said, table.name
            indexes = {
                row[1] for row in plain.execute(f"PRAGMA index_list({table.name})") if row[3] == "c"
            }
            assert indexes == {index.name for index in table.indexes}, table.name


def test_the_paper_says_of_every_table_which_door_writes_it() -> None:
    text = (Path(__file__).parents[3] / "docs" / "persistence.md").read_text("utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| (journal|recorder) \|", text, re.MULTILINE))
    assert set(told) == {table.name for table in TABLES}
    assert set(told.values()) == {"journal", "recorder"}
