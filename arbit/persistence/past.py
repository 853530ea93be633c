"""Reads what the last run of each account left: from the journal, and from history's file."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from arbit.domain.past import LastSeen, PastRun
from arbit.persistence.migrate import refuse_old
from arbit.persistence.reading import opened

MOST = 8  # accounts
INCIDENTS = 3
LEAVING = "draining: "  # what every run is at its end
# Their runs leave nothing: what was left is of the run before.
DRY_RUN = "dry run"  # what the question of one for the account's fees is named
ONLY_ASK = ("keys:check", "doctor", "plan", DRY_RUN)


def last_runs(path: Path, history: Path | None) -> list[PastRun]:
    """The last run of each account that traded or meant to, the newest first.

    UserError for a file that cannot be read.

    `history` is None where it is kept elsewhere.
    """
    refuse_old(path)
    with opened(path) as journal:
        sql = (
            "SELECT account, command, version, started_ns, ended_ns, ended_how FROM runs AS one "
            "WHERE token=(SELECT max(token) FROM runs WHERE account=one.account "
            "AND command NOT IN (?, ?, ?, ?)) ORDER BY started_ns DESC LIMIT ?"
        )
        found = [_run_of(journal, row) for row in journal.execute(sql, (*ONLY_ASK, MOST))]
    if history is None or not history.exists():
        return found
    refuse_old(history)
    with opened(history) as told:
        return [replace(run, seen=_seen(told, run)) for run in found]


def _run_of(journal: sqlite3.Connection, row: sqlite3.Row) -> PastRun:
    account, since_ns = row["account"], row["started_ns"]
    ends: list[dict[str, int]] = []
    for kind in ("kind IS NULL", "kind IS NOT NULL"):
        sql = (
            "SELECT state, count(*) AS n FROM cycles WHERE account=? AND started_ns>=? "  # noqa: S608  words of ours
            f"AND ended_ns>0 AND {kind} GROUP BY state ORDER BY state"
        )
        told = journal.execute(sql, (account, since_ns))
        ends.append({one["state"]: one["n"] for one in told})
    open_sql = "SELECT count(*) FROM cycles WHERE account=? AND ended_ns=0"
    orders_sql = "SELECT count(*) FROM orders WHERE account=? AND sent_ns>=?"
    flag_sql = "SELECT value FROM flags WHERE account=? AND name='breaker'"
    flag = journal.execute(flag_sql, (account,)).fetchone()
    incidents = journal.execute(
        "SELECT at_ns, kind, detail FROM incidents WHERE account=? AND at_ns>=? "
        "ORDER BY n DESC LIMIT ?",
        (account, since_ns, INCIDENTS),
    )
    return PastRun(
        account=account,
        command=row["command"],
        version=row["version"],
        started_ns=since_ns,
        ended_ns=row["ended_ns"],
        how=row["ended_how"],
        cycles=ends[0],
        conversions=ends[1],
        orders=journal.execute(orders_sql, (account, since_ns)).fetchone()[0],
        open_cycles=journal.execute(open_sql, (account,)).fetchone()[0],
        breaker="" if flag is None else flag["value"],
        incidents=tuple((one["at_ns"], one["kind"], one["detail"]) for one in incidents),
    )


def _seen(history: sqlite3.Connection, run: PastRun) -> LastSeen:
    state = history.execute(
        "SELECT status, detail, at_ns FROM venue_status WHERE account=? AND subject='health' "
        "AND at_ns>=? AND detail NOT LIKE ? ORDER BY n DESC LIMIT 1",
        (run.account, run.started_ns, f"{LEAVING}%"),
    ).fetchone()
    gap = history.execute(
        "SELECT path, best_bps, at_ns FROM opportunities WHERE account=? AND at_ns>=? "
        "ORDER BY best_bps DESC, n LIMIT 1",
        (run.account, run.started_ns),
    ).fetchone()
    seen = LastSeen()
    if state is not None:
        seen = replace(seen, state=state["status"], detail=state["detail"], state_ns=state["at_ns"])
    if gap is None:
        return seen
    hurdle = history.execute(
        "SELECT hurdle_bps FROM triangles WHERE account=? AND at_ns>=? AND path=? "
        "ORDER BY n DESC LIMIT 1",
        (run.account, run.started_ns, gap["path"]),
    ).fetchone()
    return replace(
        seen,
        path=gap["path"],
        edge_bps=gap["best_bps"],
        edge_ns=gap["at_ns"],
        hurdle_bps=None if hurdle is None else hurdle["hurdle_bps"],
    )
