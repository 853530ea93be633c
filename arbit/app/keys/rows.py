"""The rows that `arbit keys:check` shows of a key: what was looked at, found, and made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from arbit.app.keys.report import Found, KeyCheck, text_of
from arbit.domain.account import ClockOffset, KeyFacts
from arbit.domain.money import BPS, EXACT
from arbit.venues.clockoffset import off_clock
from arbit.venues.kraken.account_fees import Tier
from arbit.venues.kraken.keyfacts import NEEDED, PERMISSIONS, SOON_NS

NS = 1_000_000_000
NOT_TOLD = "the venue does not say"


def key_there(account: object) -> KeyCheck:
    """That a key is set, and which account it opens: a fingerprint stands for the key."""
    return KeyCheck("API key", f"set, account {account}", Found.GOOD)


def kraken_rows(facts: KeyFacts, wall_ns: int) -> Iterator[KeyCheck]:
    """Of what Kraken tells of a key, vouched words read for what they stand for."""
    yield _may("may withdraw", allowed=facts.withdraw, wanted=False)
    for name, words in NEEDED:
        yield _may(f"may {words}", allowed=getattr(facts, name), wanted=True)
    more = [one for one in facts.named if not PERMISSIONS.get(one)]
    yield KeyCheck(
        "may do more",
        ", ".join(more) or "no",
        Found.NOTED if more else Found.GOOD,
    )
    window = facts.nonce_window
    yield KeyCheck(
        "nonce window",
        NOT_TOLD if window is None else f"{window}",
        Found.GOOD if window == 0 else Found.BAD,
    )
    count = len(facts.ip_allowlist)
    yield KeyCheck(
        "addresses it works from",
        f"{count} of an allow-list" if count else "any",
        Found.GOOD if count else Found.NOTED,
    )
    yield _expiry(facts.expires_ns, wall_ns)


def clock_row(offset: ClockOffset) -> KeyCheck:
    """How far the venue's clock is from ours."""
    return KeyCheck(
        "clock",
        f"the venue's is {offset.offset_ns / 1e6:+.0f} ms against ours, give or take "
        f"{offset.uncertainty_ns / 1e6:.0f} ms",
        Found.BAD if off_clock(offset) else Found.GOOD,
    )


def tier_row(fees: Mapping[str, Decimal], tier: Tier | None) -> KeyCheck:
    """The dearest fee of the watched markets, and where that stands on the venue's ladder."""
    if not fees:
        return KeyCheck("fee tier", NOT_TOLD, Found.UNTOLD)
    words = f"{_bps(max(fees.values()))} bps at most"
    if tier is not None and tier.from_volume is not None:
        words += f", from {_short(tier.from_volume)} of 30-day volume"
    if tier is not None and tier.next_volume is not None and tier.next_fee is not None:
        words += f"; {_bps(tier.next_fee)} bps from {_short(tier.next_volume)}"
    return KeyCheck("fee tier", words, Found.GOOD)


def _may(what: str, /, *, allowed: bool | None, wanted: bool) -> KeyCheck:
    if allowed is None:
        return KeyCheck(what, NOT_TOLD, Found.UNTOLD)
    return KeyCheck(
        what, "yes" if allowed else "no", Found.GOOD if allowed is wanted else Found.BAD
    )


def _expiry(expires_ns: int | None, wall_ns: int) -> KeyCheck:
    if not expires_ns:
        return KeyCheck("expires", "never", Found.GOOD)
    day = datetime.fromtimestamp(expires_ns // NS, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if expires_ns <= wall_ns:
        return KeyCheck("expires", f"{day}, which is over", Found.BAD)
    return KeyCheck("expires", day, Found.NOTED if expires_ns - wall_ns < SOON_NS else Found.GOOD)


def _bps(rate: Decimal) -> str:
    return _short(EXACT.multiply(rate, BPS))


def _short(amount: Decimal) -> str:
    return text_of(amount.normalize())
