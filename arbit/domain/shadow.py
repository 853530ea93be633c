"""What a dry run leaves as evidence: with what it traded on paper, and what each hour brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from arbit.domain.money import EXACT, ZERO

HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class ShadowSetup:
    """With what a dry run traded on paper. `name` is a fingerprint of all the rest.

    `key` is the fingerprint of the API key that was set, empty without one. `terms` is one of the
    settings that decide what is traded, and of the addresses its books came from; `version` is the
    program's. `notional` is the most that a cycle started with (reference units), `fees` are the
    taker fees as fractions by symbol.
    """

    name: str
    key: str
    version: str
    terms: str
    latency_ms: int
    notional: Decimal
    fees: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class ShadowHour:
    """What one hour of the wall clock (UTC, from `hour_ns`) brought with one setup.

    `watched_ns` counts time in which books were believed and the daemon decided. `episodes` are the
    gaps that survived our latency and were traded on paper, `stake` the most that one of them
    started with, `net` what they earned together, less what rebalances cost, `worst` what the worst
    of all lost (zero or below): all in reference units.
    """

    setup: str
    hour_ns: int
    watched_ns: int = 0
    episodes: int = 0
    net: Decimal = ZERO
    worst: Decimal = ZERO
    stake: Decimal = ZERO

    def plus(self, net: Decimal, stake: Decimal) -> ShadowHour:
        """With one more episode."""
        return ShadowHour(
            self.setup,
            self.hour_ns,
            self.watched_ns,
            self.episodes + 1,
            EXACT.add(self.net, net),
            min(self.worst, net),
            max(self.stake, stake),
        )

    def less(self, lost: Decimal) -> ShadowHour:
        """With what a rebalance has `lost` (zero or below), which is no episode."""
        net, worst = EXACT.add(self.net, lost), min(self.worst, lost)
        return replace(self, net=net, worst=worst)

    def watched(self, more_ns: int) -> ShadowHour:
        """With more time watched: never more than there is in an hour."""
        return replace(self, watched_ns=min(HOUR_NS, self.watched_ns + more_ns))


@dataclass(frozen=True, slots=True)
class ShadowBatch:
    """What a dry run keeps in one commit. Hours replace their own rows.

    Those that begin before `since_ns` or after `until_ns` are forgotten; with 0 none is.
    """

    setup: ShadowSetup
    hours: tuple[ShadowHour, ...]
    since_ns: int = 0
    until_ns: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is kept of an account's dry runs.

    `latest_ns` is the latest wall time that the last runs of the account are known to have seen.
    `problem` says that some of it cannot be read: then all of it is worth nothing.
    """

    setups: Mapping[str, ShadowSetup] = field(default_factory=dict)
    hours: tuple[ShadowHour, ...] = ()
    latest_ns: int = 0
    problem: str = ""
