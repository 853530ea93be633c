"""Reads the best gap that history holds of each path of a venue, beside a daemon that writes it.

History is a file beside us or a PostgreSQL server.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from arbit.persistence.migrate import is_there, refuse_old
from arbit.persistence.reading import opened
from arbit.persistence.sinks import history_schema, reading_server
from arbit.persistence.tables import metadata

MOST = 20_000  # paths: more than any venue has
# Of a group with one MAX, SQLite takes the bare columns from the row that has it.
_BESTS = """
SELECT path, MAX(best_bps) AS best_bps, COUNT(*) AS gaps, at_ns FROM opportunities
WHERE substr(account, 1, ?) = ? AND stage <> 'raw' GROUP BY path LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class BestGap:
    """The widest gap seen on a directed path (bps, gross), when (UTC), and of how many."""

    path: str
    best_bps: float
    gaps: int
    at_ns: int


def best_gaps(path: Path, venue: str) -> list[BestGap]:
    """Of every account of this venue, on believable books alone. Empty where there is no file.

    UserError when it cannot be read.
    """
    if not is_there(path):
        return []
    refuse_old(path)
    prefix = f"{venue}:"
    with opened(path) as history:
        rows = history.execute(_BESTS, (len(prefix), prefix, MOST))
        return [BestGap(row["path"], row["best_bps"], row["gaps"], row["at_ns"]) for row in rows]


async def served_best_gaps(history_url: str, venue: str) -> list[BestGap]:
    """As `best_gaps`, from a PostgreSQL server that history is kept on.

    UserError when it cannot be asked, or is another version's.
    """
    if not await history_schema(history_url):
        return []
    kept = metadata.tables["opportunities"].c
    place = func.row_number().over(partition_by=kept.path, order_by=(kept.best_bps.desc(), kept.n))
    ranked = (
        select(
            kept.path, kept.best_bps, func.count().over(partition_by=kept.path), kept.at_ns, place
        )
        .where(kept.account.startswith(f"{venue}:", autoescape=True), kept.stage != "raw")
        .subquery()
    )
    *told, placed = ranked.c
    widest = select(*told).where(placed == 1).order_by(ranked.c.path).limit(MOST)
    async with reading_server(history_url) as connection:
        return [BestGap(*row) for row in (await connection.execute(widest)).all()]
