"""Reads the best gap that history holds of each path of a venue, beside a daemon that writes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from arbit.persistence.migrate import is_there, refuse_old
from arbit.persistence.reading import opened

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
