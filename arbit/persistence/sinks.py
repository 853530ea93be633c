"""Where history goes: a SQLite file of its own, or a PostgreSQL server for several daemons."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from arbit.domain.errors import UserError
from arbit.persistence.journal import connect
from arbit.persistence.migrate import latest, upgrade
from arbit.persistence.tables import metadata

Rows = Sequence[tuple[str, Mapping[str, Any]]]
POSTGRES = "postgresql"
CONNECT_S = 10
COMMAND_S = 10  # a server that says nothing more has failed
CLOSE_S = 5
BUSY_MS = 5_000
SCHEMA_LOCK = 0x61726269  # any number, the same for every daemon: one makes the tables at a time
OPTIONS = frozenset({"ssl"})  # what may follow the "?" of an address


class HistoryFailed(Exception):
    """A batch could not be written; nothing of it is kept."""


class Sink(Protocol):
    """Takes batches of (table, row). One batch is one transaction."""

    async def write(self, rows: Rows) -> None:
        """Keep the batch, or raise HistoryFailed and keep nothing of it."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...


class SqlSink:
    """History in a database, asynchronously."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def write(self, rows: Rows) -> None:
        """Keep the batch, or raise HistoryFailed and keep nothing of it."""
        by_table: dict[str, list[Mapping[str, Any]]] = {}
        for table, row in rows:
            by_table.setdefault(table, []).append(row)
        try:
            async with self._engine.begin() as connection:
                for table, found in by_table.items():
                    await connection.execute(metadata.tables[table].insert(), list(found))
        except (SQLAlchemyError, OSError, ValueError) as error:
            raise HistoryFailed(_said(error)) from None

    async def close(self) -> None:
        """Let go of every connection; of one that does not answer, without its goodbye."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._engine.dispose()


class ListSink:
    """History in memory: for simulated time. `fails` is the text of a failure to show, if any."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Mapping[str, Any]]] = []
        self.batches: list[int] = []
        self.fails = ""

    async def write(self, rows: Rows) -> None:
        """Keep the batch, or raise HistoryFailed and keep nothing of it."""
        if self.fails:
            raise HistoryFailed(self.fails)
        self.rows += rows
        self.batches.append(len(rows))

    async def close(self) -> None:
        """Nothing is held."""


async def open_sink(history_url: str | None, path: Path, ours: Path | None = None) -> SqlSink:
    """The sink of the settings: a PostgreSQL server by URL, else the file at `path`.

    `ours` is the lock that we hold ourselves: it is not in the way of the file's upgrade.
    UserError, in one line without the password, when the server or the file cannot be used.
    """
    return _file_sink(path, ours) if history_url is None else await _server_sink(history_url)


def _file_sink(path: Path, ours: Path | None) -> SqlSink:
    upgrade(path, ours)
    try:
        # WAL is a property of the file: whoever reads it does not keep the recorder waiting.
        with contextlib.closing(connect(path, busy_ms=BUSY_MS)):
            pass
    except sqlite3.Error as error:
        raise UserError(f"{path}: {error}") from None
    return SqlSink(create_async_engine(URL.create("sqlite+aiosqlite", database=str(path))))


async def _server_sink(history_url: str) -> SqlSink:
    url = _postgres(history_url)
    limits = {"timeout": CONNECT_S, "command_timeout": COMMAND_S}
    engine = create_async_engine(url, connect_args=limits)
    try:
        async with engine.begin() as connection:
            found = await connection.run_sync(_schema)
    except (SQLAlchemyError, OSError, ValueError) as error:
        await engine.dispose()
        raise UserError(f"ARBIT_HISTORY_URL={_shown(url)}: {_said(error)}") from None
    if found != latest():
        await engine.dispose()
        raise UserError(_foreign(url, found))
    return SqlSink(engine)


async def history_schema(history_url: str) -> str:
    """Which schema a server has, empty without one. Nothing is made. UserError as in `open_sink`.

    A schema that is not this program's is a UserError, too.
    """
    async with reading_server(history_url) as connection:
        there = await connection.execute(text("SELECT to_regclass('alembic_version')"))
        if there.scalar() is None:
            return ""
        row = await connection.execute(text("SELECT version_num FROM alembic_version"))
        found = str(row.scalar() or "")
    if found not in {"", latest()}:
        raise UserError(_foreign(_postgres(history_url), found))
    return found


@contextlib.asynccontextmanager
async def reading_server(history_url: str) -> AsyncIterator[AsyncConnection]:
    """A connection to the server that cannot write. UserError for all that fails of it."""
    url = _postgres(history_url)
    limits = {"timeout": CONNECT_S, "command_timeout": COMMAND_S}
    engine = create_async_engine(
        url, connect_args=limits, execution_options={"postgresql_readonly": True}
    )
    try:
        async with engine.connect() as connection:
            yield connection
    except (SQLAlchemyError, OSError, ValueError) as error:
        raise UserError(f"ARBIT_HISTORY_URL={_shown(url)}: {_said(error)}") from None
    finally:
        await engine.dispose()


def _foreign(url: URL, found: str) -> str:
    return (
        f"ARBIT_HISTORY_URL={_shown(url)}: its schema is {found!r}, this program's is "
        f"{latest()!r}: use another database, or the version that made it"
    )


def _schema(connection: Connection) -> str:
    """Make what is missing, and say which revision is there: the same row as in a file."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": SCHEMA_LOCK})
    row = "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) PRIMARY KEY)"
    connection.execute(text(row))
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is None:
        metadata.create_all(connection)
        found = latest()
        said = text("INSERT INTO alembic_version (version_num) VALUES (:n)")
        connection.execute(said, {"n": found})
    return str(found)


def _postgres(history_url: str) -> URL:
    expected = "expected postgresql://user@host/database"
    try:
        url = make_url(history_url)
    except (ArgumentError, ValueError):  # the latter: a port that is no number
        raise UserError(f"ARBIT_HISTORY_URL: {expected}") from None
    if url.get_backend_name() != POSTGRES:
        raise UserError(f"ARBIT_HISTORY_URL={_shown(url)}: {expected}")
    unknown = sorted(set(url.query) - OPTIONS)
    if unknown:
        raise UserError(
            f"ARBIT_HISTORY_URL={_shown(url)}: {expected}, with ?ssl=require where wanted; "
            f"{', '.join(unknown)} is no option here"
        )
    if importlib.util.find_spec("asyncpg") is None:
        raise UserError("ARBIT_HISTORY_URL: PostgreSQL needs `pip install arbit[postgres]`")
    return url.set(drivername="postgresql+asyncpg")


def _shown(url: URL) -> str:
    """Without its password, and without its options: people put passwords there as well."""
    return url.set(query={}).render_as_string(hide_password=True)


def _said(error: Exception) -> str:
    """The driver's own words in one line, without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:200] or type(cause).__name__
