"""Which counters of the page the database knows, too: where, and of the others why not.

`tests/simulation/counted.py` recomputes what is kept from the rows, after each seed's last life.
"""

from __future__ import annotations

from collections.abc import Mapping

_FEED = "of messages, of which no row is kept: they are many"
_ALERTS = "of receivers; what an alert is about has a row of its own"

KEPT: Mapping[str, str] = {
    "arbit_orders_total": "`orders` by `state`",
    "arbit_fills_total": "`fills`",
    "arbit_rejects_total": "`orders` that were `rejected`, all codes together: a row has the "
    "venue's own words in `reason`, not what was made of them",
    "arbit_refusals_total": "history's `venue_status` of subject `refusals`: by `status` (the "
    "code) the sum of `detail`, a row a code with each snapshot of the cadence and at the end",
    "arbit_cycles_total": "`cycles` without a `kind`, by `state`",
    "arbit_conversions_total": "`cycles` with a `kind`, by `state`",
    "arbit_incidents_total": "`incidents` by `kind`; those told before there is an account, or of "
    "history itself, have none",
    "arbit_breaker_changes_total": "history's `venue_status` of subject `breaker`, by `status`",
    "arbit_gained_ref_total": "`cycles`: the sum of `profit_ref` above zero",
    "arbit_lost_ref_total": "`cycles`: the sum of `profit_ref` below zero",
    "arbit_recorded_rows_total": "the rows of history",
}
ELSEWHERE: Mapping[str, str] = {
    "arbit_evaluations_total": "of looks that came to nothing: history has what came of them",
    "arbit_refused_evaluations_total": "of looks that came to nothing",
    "arbit_episodes_total": "of gaps from the first look on; history's `opportunities` are those "
    "that are over",
    "arbit_frames_total": _FEED,
    "arbit_received_bytes_total": _FEED,
    "arbit_books_verified_total": _FEED,
    "arbit_checksum_failures_total": _FEED,
    "arbit_bad_frames_total": _FEED,
    "arbit_resyncs_total": _FEED,
    "arbit_reconnects_total": "history's `venue_status` has each `feed-<n>` that connected",
    "arbit_rest_fallbacks_total": "history's `venue_status` has each `stream` that was `stale`",
    "arbit_rest_books_total": _FEED,
    "arbit_confirmations_total": _FEED,
    "arbit_divergences_total": _FEED,
    "arbit_feed_refusals_total": _FEED,
    "arbit_alerts_sent_total": _ALERTS,
    "arbit_alerts_dropped_total": _ALERTS,
    "arbit_alerts_failed_total": _ALERTS,
    "arbit_alerts_merged_total": _ALERTS,
    "arbit_dead_man_pings_total": _ALERTS,
    "arbit_lost_events_total": "of what a row could not be made of",
    "arbit_dropped_listeners_total": "of witnesses, the recorder among them",
    "arbit_recorder_lost_rows_total": "of rows that are not there; an incident tells it",
    "arbit_recorder_failures_total": "of the database itself; an incident tells it",
}
