"""What a report reckoned with, in words."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from arbit.config import SPEAKS_ALPACA, Feed, VenueSettings
from arbit.domain.fees import Fee
from arbit.domain.money import plain


def fee_words(fees: Mapping[str, Fee]) -> list[str]:
    """Which taker fees were reckoned with, and who said so."""
    by_fee: dict[tuple[Decimal, str], int] = {}
    for fee in fees.values():
        key = (fee.bps.normalize(), fee.source.value)
        by_fee[key] = by_fee.get(key, 0) + 1
    shown = sorted(by_fee.items(), key=lambda item: -item[1])[:4]
    return [
        f"taker fee {plain(bps)} bps ({source}) on {count} markets"
        for (bps, source), count in shown
    ]


def polling_words(venue: VenueSettings, books: int) -> list[str]:
    """Whether polling can keep this many books young enough, before anybody wonders.

    Alpaca tells all of them in one answer.
    """
    books = 1 if venue.name in SPEAKS_ALPACA else books
    age_ms = books / venue.rest_calls_per_s * 1_000
    if venue.effective_feed is not Feed.REST or age_ms <= venue.max_book_age_ms:
        return []
    believed_s = venue.max_book_age_ms / 1_000
    said = (
        f"{books} moving books polled at {venue.rest_calls_per_s:g} calls/s are up to "
        f"{age_ms / 1_000:.0f} s old, and only {believed_s:g} s are believed: name fewer --symbols"
    )
    return [said]
