"""What the ccxt feed, its REST questions and their limits are told. Times carry their unit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CcxtSettings:
    """One venue through ccxt. An empty URL means the exchange's own.

    `watchdog_ms` without any message on a socket drops it where the exchange has a heartbeat
    (Kraken: one a second); an exchange without one is given longer. `watch_timeout_ms` bounds each
    single wait for a book (Kraken's snapshot is asked for again after it). `first_book_ms` without
    a first book counts as a refused subscription, because ccxt never reports one. `rest_burst`
    questions may leave at once, then `rest_calls_per_s`; `rest_queue` is how many may wait.
    """

    venue: str
    exchange_id: str = "kraken"
    rest_url: str = ""
    ws_url: str = ""
    depth: int = 25
    max_book_age_ms: int = 3_000
    watchdog_ms: int = 2_500
    watch_timeout_ms: int = 1_500
    first_book_ms: int = 8_000
    backoff_cap_ms: int = 15_000
    connects_per_10min: int = 110
    rest_calls_per_s: float = 1.0
    rest_burst: int = 3
    rest_queue: int = 32
    rest_timeout_ms: int = 8_000
    rest_tries: int = 3
