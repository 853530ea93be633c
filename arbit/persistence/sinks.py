"""Where history goes: a SQLite file of its own, or a PostgreSQL server for several daemons."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from arbit.domain.errors import UserError
from arbit.persistence.migrate import upgrade
from arbit.persistence.tables import metadata

Rows = Sequence[tuple[str, Mapping[str, Any]]]
POSTGRES = "postgresql"
CONNECT_S = 10


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
        except (SQLAlchemyError, OSError) as error:
            raise HistoryFailed(" ".join(str(error).split())[:300]) from None

    async def close(self) -> None:
        """Let go of every connection."""
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


async def open_sink(history_url: str | None, path: Path) -> SqlSink:
    """The sink of the settings: a PostgreSQL server by URL, else the file at `path`.

    UserError, in one line without the password, when the server or the file cannot be used.
    """
    if history_url is None:
        upgrade(path)
        return SqlSink(create_async_engine(f"sqlite+aiosqlite:///{path}"))
    url = _postgres(history_url)
    engine = create_async_engine(url, connect_args={"timeout": CONNECT_S})
    try:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        await engine.dispose()
        said = " ".join(str(error).split())[:200]
        raise UserError(f"ARBIT_HISTORY_URL={url.render_as_string()}: {said}") from None
    return SqlSink(engine)


def _postgres(history_url: str) -> URL:
    try:
        url = make_url(history_url)
    except ArgumentError:
        raise UserError("ARBIT_HISTORY_URL: expected postgresql://user@host/database") from None
    if url.get_backend_name() != POSTGRES:
        raise UserError(
            f"ARBIT_HISTORY_URL={url.render_as_string()}: expected postgresql://user@host/database"
        )
    if importlib.util.find_spec("asyncpg") is None:
        raise UserError("ARBIT_HISTORY_URL: PostgreSQL needs `pip install arbit[postgres]`")
    return url.set(drivername="postgresql+asyncpg")
