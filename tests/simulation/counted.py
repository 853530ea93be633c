"""Whether metrics lie: every counter of the last life's page against the rows that were written.

What counts is the page's own samples, as Prometheus would have them.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from arbit.app.reports.explaining import explain_all
from arbit.app.store import DATABASE
from arbit.app.trade.readings import reading_of, trading_of
from arbit.domain.readings import ProcessReading
from arbit.persistence.reading import read_account
from arbit.telemetry.metrics import metrics

if TYPE_CHECKING:
    from tests.simulation.daemon import Life
    from tests.simulation.world import World

EVERY = 10  # seeds: of those every cycle is explained anew
REJECTS = "all of arbit_rejects_total"  # by what is done about them: no row says that
NEAR = 1e-6  # of sums: the page has floats

Counts = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the database had counted before a life began: of these no row says whose it is."""

    incidents: Counter[str] = field(default_factory=Counter)
    fills: int = 0


def kept(reader: sqlite3.Connection) -> Kept:
    """So far; before there are tables, nothing."""
    sql = "SELECT count(*) FROM sqlite_master WHERE name='incidents'"
    if not reader.execute(sql).fetchone()[0]:
        return Kept()
    rows = reader.execute("SELECT kind, count(*) FROM incidents GROUP BY kind")
    (fills,) = reader.execute("SELECT count(*) FROM fills").fetchone()
    return Kept(Counter(dict(rows.fetchall())), fills)


def miscounted(world: World) -> Iterator[str]:
    """In words, each series of the last life that does not say what its rows say."""
    life = world.life or world.last_life
    if life is None or life.recorder is None or not world.result.clean:
        return
    shown, wanted = page_of(life), _told(world)
    shown[REJECTS] = {"": sum(shown["arbit_rejects_total"].values())}
    trader: Any = life.trader
    if not trader.recovered and not world.plan.fatal and not _late(world):
        wanted |= _traded(world, trader)
    wanted |= _recorded(life)
    for name, rows in wanted.items():
        said = {label: value for label, value in shown[name].items() if value}
        by_rows = {label: float(value) for label, value in rows.items() if value}
        labels = {*said, *by_rows}
        if any(abs(said.get(one, 0.0) - by_rows.get(one, 0.0)) > NEAR for one in labels):
            yield f"{name}: {by_rows} kept, {said} shown"


def page_of(life: Life) -> dict[str, dict[str, float]]:
    """Every counter of a life's page by its own label, and what histograms have counted."""
    run: Any = life.desk_run
    trader: Any = life.trader
    recorder: Any = life.recorder
    reading = replace(reading_of(run, run.started_ns), trading=trading_of(trader, recorder))
    found: dict[str, dict[str, float]] = {}
    for metric in metrics([reading], ProcessReading()):
        for sample in metric.samples:
            own = [value for name, value in sample.labels.items() if name not in {"venue", "le"}]
            found.setdefault(sample.name, {})[",".join(own)] = sample.value
    return found


def _told(world: World) -> dict[str, Counts]:
    now = kept(world.watch.reader)
    return {
        "arbit_incidents_total": now.incidents - world.told_before.incidents,
        "arbit_fills_total": {"": now.fills - world.told_before.fills},
    }


def _late(world: World) -> int:
    """A late trade changes rows of what was counted as it had ended."""
    sql = "SELECT count(*) FROM incidents WHERE kind='late_fill'"
    return int(world.watch.reader.execute(sql).fetchone()[0])


def _traded(world: World, trader: Any) -> dict[str, Counts]:
    """What only this life began, by the ids of its cycles."""
    reader, epoch = world.watch.reader, f"{trader.setup.epoch}%"

    def by(sql: str) -> Counts:
        return dict(reader.execute(sql, (epoch,)).fetchall())

    ends = "SELECT state, count(*) FROM {} WHERE cycle_id LIKE ? {} GROUP BY state"
    orders = by(ends.format("orders", ""))
    profits = [
        float(profit)
        for (profit,) in reader.execute(
            "SELECT profit_ref FROM cycles WHERE cycle_id LIKE ? AND kind IS NULL "
            "AND profit_ref IS NOT NULL",
            (epoch,),
        )
    ]
    cycles = by(ends.format("cycles", "AND kind IS NULL"))
    found: dict[str, Counts] = {
        "arbit_orders_total": orders,
        REJECTS: {"": orders.get("rejected", 0)},
        "arbit_order_seconds_count": {"": sum(orders.values())},
        "arbit_cycles_total": cycles,
        "arbit_cycle_seconds_count": {"": sum(cycles.values())},
        "arbit_conversions_total": by(ends.format("cycles", "AND kind IS NOT NULL")),
        "arbit_gained_ref_total": {"": sum(one for one in profits if one > 0)},
        "arbit_lost_ref_total": {"": -sum(one for one in profits if one < 0)},
    }
    if world.result.seed % EVERY == 0 and not world.struck("journal_full", "journal_locked"):
        found["arbit_shortfall_bps_count"] = _explained(world, trader)
    return found


def _explained(world: World, trader: Any) -> Counts:
    told = explain_all(read_account(world.folder / DATABASE, str(trader.setup.account)))
    mine = sum(name.startswith(trader.setup.epoch) for name in told.cycles)
    return dict.fromkeys(trader.shortfalls.bps, mine)


class History:
    """What rows of history say of counters, taken in one by one."""

    def __init__(self) -> None:
        self.rows = 0
        self.changes = Counter[str]()
        self.refused = Counter[str]()

    def take(self, table: str, row: Mapping[str, Any]) -> None:
        """One more row."""
        self.rows += 1
        if table == "venue_status" and row["subject"] == "breaker":
            self.changes[row["status"]] += 1
        elif table == "venue_status" and row["subject"] == "refusals":
            self.refused[row["status"]] += int(row["detail"])


def _recorded(life: Life) -> dict[str, Counts]:
    """What history has, and in it of the breaker and of what our own gate refused."""
    told = life.history
    found: dict[str, Counts] = {"arbit_recorded_rows_total": {"": told.rows}}
    recorder: Any = life.recorder
    if not recorder.lost:
        found |= {
            "arbit_breaker_changes_total": told.changes,
            "arbit_refusals_total": told.refused,
        }
    return found
