"""What the instruments of a run show at a moment, for the page of metrics and for whoever asks."""

from __future__ import annotations

from arbit.app.trade.trader import Trader
from arbit.app.watch.venue import MS, VenueRun
from arbit.domain.readings import RecorderReading, TradingReading, VenueReading
from arbit.fitness.episodes import Stage
from arbit.persistence.recorder import Recorder

NS = 1e9


def reading_of(run: VenueRun, now_ns: int) -> VenueReading:
    """What one venue's instruments show at monotonic `now_ns`."""
    desk = run.desk
    tally = desk.scanner.tally
    beat_ns, max_age_ns = desk.standstill.beat_ns, desk.setup.venue.max_book_age_ms * MS
    return VenueReading(
        venue=desk.setup.venue.name,
        counts=run.feed.counts,
        evaluations={"ws": tally.from_ws, "rest": tally.from_rest},
        refused={reason.value: count for reason, count in tally.refused.items()},
        episodes={stage.name.lower(): desk.episodes.reached[stage] for stage in Stage},
        # The first word alone: the counts behind it would make a new label set every second.
        feed_states={name: words.split()[0] for name, words in run.feed.states().items()},
        staleness_ms=dict(zip(desk.cache.symbols, tally.staleness_ms, strict=True)),
        decisions_ms=run.decisions_ms,
        decided_ago_s=run.decided_ago_s(now_ns),
        turned_ago_s=max(0.0, (now_ns - beat_ns) / NS) if beat_ns else None,
        believed_books=desk.cache.believed(now_ns, max_age_ns),
        watched_books=len(desk.cache.symbols),
        ended=run.ended_ns is not None,
    )


def trading_of(trader: Trader, recorder: Recorder, size_bytes: int = 0) -> TradingReading:
    """Running totals of one account's trading, and of how its history is kept.

    `size_bytes` is what history takes on this disk.
    """
    engine, tally = trader.engine, trader.engine.settling.tally
    return TradingReading(
        orders=engine.order_ends,
        refusals=engine.refusals,
        cycles=engine.ends,
        conversions=engine.conversions,
        incidents=engine.settling.incidents,
        breaker=trader.breaker.state().value,
        killed=trader.kill.on(),
        started=trader.started,
        holdings=trader.holdings(),
        fills=tally.fills,
        rejects=tally.rejects,
        trips=trader.breaker.changes,
        gained_ref=float(tally.gained_ref),
        lost_ref=float(tally.lost_ref),
        to_wire_ms=tally.to_wire_ms,
        order_ms=tally.order_ms,
        cycle_ms=tally.cycle_ms,
        shortfall_bps=trader.shortfalls.bps,
        recorder=_recorded(recorder, size_bytes),
    )


def _recorded(recorder: Recorder, size_bytes: int) -> RecorderReading:
    return RecorderReading(
        rows=recorder.written,
        lost=recorder.lost,
        queued=recorder.queued,
        failures=recorder.failures,
        lag_s=recorder.lag_s,
        bytes=size_bytes,
    )
