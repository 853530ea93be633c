"""Every series of /metrics. The page is made from these tables, and so is `docs/metrics.md`."""

from __future__ import annotations

from collections.abc import Sequence

from arbit.domain.attribution import Cause
from arbit.domain.book import Disbelief
from arbit.domain.order import Remedy
from arbit.domain.readings import ProcessReading, TradingReading, VenueReading
from arbit.domain.refusal import RefusalCode
from arbit.telemetry.series import (
    BREAKERS,
    ENDS,
    HEALTHS,
    INCIDENTS,
    INFO,
    MS,
    ORDER_ENDS,
    PINGS,
    SOURCES,
    STAGES,
    Kind,
    Label,
    Scope,
    Series,
    closed,
    counted,
    feed_total,
    held,
    known,
    lasting,
    now,
    one_hot,
    one_value,
    process,
    receivers,
    total,
)

_END = Label("end", "how it ended", ENDS)
_CAUSE = Label("cause", "why less came", tuple(cause.value for cause in Cause))

PROCESS: Sequence[Series[ProcessReading]] = (
    Series(
        "arbit_build_info",
        Kind.GAUGE,
        Scope.PROCESS,
        "1, with what was built and configured as labels.",
        lambda one: [(tuple(one.info.get(name, "") for name in INFO), 1.0)],
        tuple(Label(name, meaning) for name, meaning in INFO.items()),
    ),
    process("lost_events", Kind.COUNTER, "Events no witness heard.", lambda one: one.lost_events),
    process(
        "dropped_listeners",
        Kind.COUNTER,
        "Witnesses that raised.",
        lambda one: one.dropped_witnesses,
    ),
    Series(
        "arbit_loop_lag_seconds",
        Kind.HISTOGRAM,
        Scope.PROCESS,
        "How late a timer of the loop fires, looked at ten times a second.",
        lambda one: one_value(one.late_ms),
        scale=MS,
    ),
    receivers("alerts_sent", "Alerts that a receiver took.", lambda alerts: alerts.sent),
    receivers(
        "alerts_dropped",
        "Alerts not sent: doubles, more than the rate allows, or no room.",
        lambda alerts: alerts.dropped,
    ),
    receivers(
        "alerts_failed",
        "Attempts that a receiver did not answer as it should.",
        lambda alerts: alerts.failed,
    ),
    receivers(
        "alerts_undelivered",
        "Critical alerts that a receiver has not taken: they wait, or were given up.",
        lambda alerts: alerts.undelivered,
        Kind.GAUGE,
    ),
    process(
        "alerts_merged",
        Kind.COUNTER,
        "Alerts told with another of their kind instead of alone.",
        lambda one: one.alerts.merged,
    ),
    Series(
        "arbit_dead_man_pings",
        Kind.COUNTER,
        Scope.PROCESS,
        "Pings of the dead man's switch, by how they ended.",
        lambda one: closed(one.alerts.pings, PINGS),
        (Label("end", "withheld: nothing had been decided for too long", PINGS),),
    ),
)

VENUE: Sequence[Series[VenueReading]] = (
    feed_total("frames", "Messages received.", lambda counts: counts.frames),
    feed_total("received_bytes", "Bytes received.", lambda counts: counts.bytes),
    feed_total("books_verified", "Book messages proved by their checksum.", lambda c: c.verified),
    feed_total(
        "checksum_failures", "Books that were not the venue's.", lambda counts: counts.failed
    ),
    feed_total("bad_frames", "Messages that could not be understood.", lambda c: c.bad_frames),
    feed_total("resyncs", "Single symbols subscribed anew.", lambda counts: counts.resyncs),
    feed_total("reconnects", "Sockets dialled again.", lambda counts: counts.reconnects),
    feed_total("rest_fallbacks", "Times REST took over for a stream.", lambda c: c.rest_fallbacks),
    feed_total(
        "rest_books", "Books that REST delivered in a stream's place.", lambda c: c.rest_books
    ),
    feed_total("confirmations", "Quiet books found equal at the venue.", lambda c: c.confirmations),
    feed_total("divergences", "Quiet books found different there.", lambda c: c.divergences),
    feed_total(
        "feed_refusals", "Requests for market data the venue refused.", lambda c: c.refusals
    ),
    Series(
        "arbit_evaluations",
        Kind.COUNTER,
        Scope.VENUE,
        "Triangles evaluated.",
        lambda reading: closed(reading.evaluations, SOURCES),
        (Label("source", "how the books reached us", SOURCES),),
    ),
    Series(
        "arbit_refused_evaluations",
        Kind.COUNTER,
        Scope.VENUE,
        "Evaluations not believed, by first reason.",
        lambda reading: closed(reading.refused, (reason.value for reason in Disbelief)),
        (Label("reason", "why not", tuple(reason.value for reason in Disbelief)),),
    ),
    Series(
        "arbit_episodes",
        Kind.COUNTER,
        Scope.VENUE,
        "Episodes that came at least as far as this stage.",
        lambda reading: closed(reading.episodes, STAGES),
        (Label("stage", "how far it came", STAGES),),
    ),
    Series(
        "arbit_feed_state",
        Kind.GAUGE,
        Scope.VENUE,
        "1 for the state each connection is in.",
        lambda reading: (((name, state), 1.0) for name, state in reading.feed_states.items()),
        (Label("connection", "its number"), Label("state", "a word of the feed")),
    ),
    Series(
        "arbit_decision_seconds",
        Kind.HISTOGRAM,
        Scope.VENUE,
        "From a frame's receipt to the end of the turn that decided about it.",
        lambda reading: one_value(reading.decisions_ms),
        scale=MS,
    ),
    Series(
        "arbit_last_decision_age_seconds",
        Kind.GAUGE,
        Scope.VENUE,
        "How long ago the last turn that decided ended; not there before the first one.",
        lambda reading: one_value(reading.decided_ago_s),
    ),
    Series(
        "arbit_believed_books",
        Kind.GAUGE,
        Scope.VENUE,
        "Books that may be believed now.",
        lambda reading: one_value(float(reading.believed_books)),
    ),
    Series(
        "arbit_watched_books",
        Kind.GAUGE,
        Scope.VENUE,
        "Books that are watched.",
        lambda reading: one_value(float(reading.watched_books)),
    ),
    Series(
        "arbit_health",
        Kind.GAUGE,
        Scope.VENUE,
        "1 for the state the venue's run is in, as `arbit status` tells it.",
        lambda reading: one_hot(reading.health, HEALTHS),
        (Label("state", "one of them at a time", HEALTHS),),
    ),
)

TRADING: Sequence[Series[TradingReading]] = (
    counted(
        "orders",
        "Orders that are over, by how they ended.",
        Label("state", "its last state", ORDER_ENDS),
        lambda one: one.orders,
    ),
    total("fills", "Trades of our orders that are booked.", lambda one: one.fills),
    counted(
        "rejects",
        "Orders that the venue refused, by what that asks for.",
        Label("code", "what is done about it", tuple(remedy.value for remedy in Remedy)),
        lambda one: one.rejects,
    ),
    counted(
        "refusals",
        "What our own risk gate refused, by rule.",
        Label("code", "the rule", tuple(code.value for code in RefusalCode)),
        lambda one: one.refusals,
    ),
    counted("cycles", "Cycles that are over, by how they ended.", _END, lambda one: one.cycles),
    counted(
        "conversions",
        "Conversions that are over, by how they ended.",
        _END,
        lambda one: one.conversions,
    ),
    counted(
        "incidents",
        "What an operator should know of.",
        Label("kind", "what it is about", INCIDENTS),
        lambda one: one.incidents,
    ),
    counted(
        "breaker_changes",
        "Changes of the breaker, by the state it went to.",
        Label("state", "where to", BREAKERS),
        lambda one: one.trips,
    ),
    Series(
        "arbit_breaker_state",
        Kind.GAUGE,
        Scope.TRADING,
        "1 for the state the breaker is in.",
        lambda one: one_hot(one.breaker, BREAKERS),
        (Label("state", "one of them at a time", BREAKERS),),
    ),
    now("kill_switch", "1 while nothing may be sent.", lambda one: float(one.killed)),
    total("gained_ref", "What cycles brought, in the reference currency.", lambda o: o.gained_ref),
    total("lost_ref", "What cycles cost, in the reference currency.", lambda one: one.lost_ref),
    now(
        "pnl_ref",
        "Gained less lost since the start, in the reference currency.",
        lambda one: one.gained_ref - one.lost_ref,
    ),
    lasting("to_wire_seconds", "From a decision to its orders' bytes.", lambda o: o.to_wire_ms),
    lasting("order_seconds", "From an order's bytes to its known end.", lambda one: one.order_ms),
    lasting("cycle_seconds", "From a cycle's start to its end.", lambda one: one.cycle_ms),
    Series(
        "arbit_shortfall_bps",
        Kind.HISTOGRAM,
        Scope.TRADING,
        "How many bps of its stake a cycle brought less than expected (below zero: more).",
        lambda one: known(one.shortfall_bps, (cause.value for cause in Cause)),
        (_CAUSE,),
    ),
    held("inventory", "owned", "What is owned of an asset, in its units."),
    held("exposure", "exposure", "How far trading may have moved an asset at worst, in its units."),
    held("inventory_reserve", "reserve", "What of an asset is never spent, in its units."),
    held("inventory_target", "target", "What is wanted of an asset, in its units."),
    held(
        "inventory_cap",
        "cap",
        "The most of an asset that trading may make us own, in its units.",
    ),
    total("recorded_rows", "Rows of history written.", lambda one: one.recorder.rows),
    total("recorder_lost_rows", "Rows of history not kept.", lambda one: one.recorder.lost),
    total("recorder_failures", "Batches that failed.", lambda one: one.recorder.failures),
    now("recorder_queued_rows", "Rows that wait.", lambda one: float(one.recorder.queued)),
    now("recorder_lag_seconds", "Age of the oldest row that waits.", lambda o: o.recorder.lag_s),
    now("recorder_bytes", "Size of the history's file.", lambda one: float(one.recorder.bytes)),
)

STALENESS: Sequence[tuple[str, str, float]] = (
    (
        "market_data_staleness_ms",
        "Now minus the last confirmation of the oldest leg, at each evaluation, in milliseconds.",
        1.0,
    ),
    (
        "orderbook_staleness_seconds",
        "Now minus the last confirmation of the oldest leg, at each evaluation, in seconds.",
        MS,
    ),
)
