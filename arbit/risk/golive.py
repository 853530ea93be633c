"""The go-live gate: whether dry runs have shown that real orders may be expected to earn.

Pure: evidence and the terms of a start go in, a verdict with its reasons comes out. Whatever is
missing, old, of other terms or cannot be read refuses (decision 0021).
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal

from arbit.domain.money import EXACT, ZERO
from arbit.domain.shadow import HOUR_NS, Evidence, ShadowHour, ShadowSetup

LEAST_HOURS = 24
LEAST_EPISODES = 30
LEAST_ACTIVE = 6  # hours that had an episode: of fewer nobody can tell luck from an edge
MOST_DAYS = 7
BACK_NS = 300_000_000_000  # so far a clock may be set right without a word
RESAMPLES = 2_000
ONE_IN = 10  # the bound is the lowest tenth
SEED = 21
UNIT = Decimal("1e-12")
MAX_LEFT_OUT = 8
TOLD_SYMBOLS = 3
SET_BACK = (
    "the clock was set back: what is kept is of a later time than now, so that nobody can say how "
    "old it is"
)


@dataclass(frozen=True, slots=True)
class Terms:
    """With what real orders would be sent. `key` is the fingerprint of the account's API key.

    `fees` are the account's own taker fees by symbol; None where nobody has asked for them.
    `measured_ms` is the least that an order's round trip is known to take now; 0 when it is not.
    """

    key: str
    version: str
    terms: str
    latency_ms: int
    notional: Decimal
    fees: Mapping[str, Decimal] | None = None
    measured_ms: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence shows. Amounts are in reference units.

    `missing` is why real orders are refused, empty when they are not; `left_out` what was kept and
    does not count. `mean` and `bound` are of one episode: what it earned net, and the lower 90 %
    bound of that; None without any. `age_s`: since the newest hour that counts began; what was
    watched in it may be younger.
    """

    missing: tuple[str, ...]
    watched_s: float = 0.0
    episodes: int = 0
    active_hours: int = 0
    net: Decimal = ZERO
    mean: Decimal | None = None
    bound: Decimal | None = None
    age_s: float | None = None
    left_out: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the evidence suffices for real orders."""
        return not self.missing


@dataclass(slots=True)
class _Sums:
    """What counts, hour by hour."""

    watched_ns: int = 0
    hours: dict[int, Decimal] = field(default_factory=dict)  # net, of each hour that is kept
    active: set[int] = field(default_factory=set)
    episodes: int = 0
    net: Decimal = ZERO
    unseen: Decimal = ZERO  # the loss that has not come yet, zero or below
    newest_ns: int = 0


def judge(evidence: Evidence, terms: Terms, now_ns: int) -> Verdict:
    """Whether real orders may be sent on these terms at wall time `now_ns`."""
    if evidence.problem or (broken := _broken(evidence)):
        why = evidence.problem or broken
        return Verdict((f"what is kept of dry runs cannot be trusted: {why}",))
    newest_ns = max((one.hour_ns for one in evidence.hours), default=0)
    if max(newest_ns, evidence.latest_ns) > now_ns + BACK_NS:
        return Verdict((SET_BACK,))
    if not evidence.hours:
        return Verdict(("no dry run of this account is kept in this data folder",))
    counted, left_out = _sorted_out(evidence, terms, now_ns)
    sums = _sums(counted, evidence.setups)
    bound = _bound(sums) if sums.episodes else None
    return Verdict(
        missing=tuple(_missing(sums, bound)),
        watched_s=sums.watched_ns / 1e9,
        episodes=sums.episodes,
        active_hours=len(sums.active),
        net=sums.net,
        mean=EXACT.divide(sums.net, Decimal(sums.episodes)) if sums.episodes else None,
        bound=bound,
        age_s=max(0, now_ns - sums.newest_ns) / 1e9 if counted else None,
        left_out=left_out,
    )


def why_not(setup: ShadowSetup, terms: Terms) -> str:
    """Why evidence of this setup does not count for these terms, in words; empty when it does."""
    latency_ms = max(terms.latency_ms, terms.measured_ms)
    if setup.key and setup.key != terms.key:
        return "made with the key of another account"
    if setup.version != terms.version:
        return f"made by arbit {setup.version}, this is {terms.version}"
    if setup.terms != terms.terms:
        return "made with other settings of what is traded, or other addresses"
    if setup.latency_ms < latency_ms:
        measured = "were measured" if terms.measured_ms > terms.latency_ms else "are set"
        return f"made with a latency of {setup.latency_ms} ms, {latency_ms} ms {measured} now"
    if setup.notional < terms.notional:
        return f"made with cycles of {setup.notional:f} at most, now {terms.notional:f} are allowed"
    dearer = _dearer(setup, terms.fees or {})
    if dearer:
        more = f" and {len(dearer) - TOLD_SYMBOLS} more" if len(dearer) > TOLD_SYMBOLS else ""
        return f"made with lower fees than are paid now: {', '.join(dearer[:TOLD_SYMBOLS])}{more}"
    return ""


def _dearer(setup: ShadowSetup, fees: Mapping[str, Decimal]) -> list[str]:
    """Markets whose fee is more than the dry run reckoned with; one that it had not is no matter.

    A dry run that had none of the markets that are traded now has shown nothing of them.
    """
    shared = sorted(setup.fees.keys() & fees.keys())
    if fees and not shared:
        return ["no market of then is traded now"]
    return [symbol for symbol in shared if setup.fees[symbol] < fees[symbol]]


def _broken(evidence: Evidence) -> str:
    """What no dry run of ours writes; empty without any."""
    seen: set[tuple[str, int]] = set()
    for one in evidence.hours:
        if one.setup not in evidence.setups:
            return "an hour is of no known setup"
        if (one.setup, one.hour_ns) in seen or one.hour_ns % HOUR_NS:
            return "an hour is there twice, or begins at another time"
        seen.add((one.setup, one.hour_ns))
        if not 0 <= one.watched_ns <= HOUR_NS or one.episodes < 0:
            return "a count that cannot be"
        amounts = (one.net, one.worst, one.stake)
        if not all(amount.is_finite() for amount in amounts) or one.worst > 0 or one.stake < 0:
            return "an amount that cannot be"
        if not one.episodes and not _only_costs(one):
            return "an amount that cannot be"
    return ""


def _only_costs(one: ShadowHour) -> bool:
    """Whether an hour without an episode has earned nothing: rebalances alone cost something."""
    return not one.stake and one.net <= one.worst and bool(one.net) == bool(one.worst)


def _sorted_out(
    evidence: Evidence, terms: Terms, now_ns: int
) -> tuple[list[ShadowHour], tuple[str, ...]]:
    """The hours that count, and in words those that do not."""
    reasons = {name: why_not(setup, terms) for name, setup in evidence.setups.items()}
    oldest_ns = now_ns - MOST_DAYS * 24 * HOUR_NS
    counted, left_out = list[ShadowHour](), dict[str, tuple[int, int]]()
    for one in evidence.hours:
        why = f"older than {MOST_DAYS} days" if one.hour_ns < oldest_ns else reasons[one.setup]
        if not why:
            counted.append(one)
            continue
        watched_ns, episodes = left_out.get(why, (0, 0))
        left_out[why] = watched_ns + one.watched_ns, episodes + one.episodes
    told = sorted(left_out.items(), key=lambda item: (-item[1][0], item[0]))[:MAX_LEFT_OUT]
    return counted, tuple(
        f"{watched_ns / HOUR_NS:.1f} h with {episodes} episodes: {why}"
        for why, (watched_ns, episodes) in told
    )


def _sums(counted: Sequence[ShadowHour], setups: Mapping[str, ShadowSetup]) -> _Sums:
    sums = _Sums()
    stake, fee, by_hour = ZERO, ZERO, dict[int, int]()
    for one in counted:
        by_hour[one.hour_ns] = min(HOUR_NS, by_hour.get(one.hour_ns, 0) + one.watched_ns)
        sums.hours[one.hour_ns] = EXACT.add(sums.hours.get(one.hour_ns, ZERO), one.net)
        sums.episodes += one.episodes
        sums.net = EXACT.add(sums.net, one.net)
        if one.episodes:
            sums.active.add(one.hour_ns)
        sums.unseen = min(sums.unseen, one.worst)
        sums.newest_ns = max(sums.newest_ns, one.hour_ns)
        stake = max(stake, one.stake)
        fee = max([fee, *setups[one.setup].fees.values()])
    sums.watched_ns = sum(by_hour.values())
    going_back = EXACT.minus(EXACT.multiply(stake, 2 * fee))
    sums.unseen = min([sums.unseen, going_back, *sums.hours.values()])
    return sums


def _missing(sums: _Sums, bound: Decimal | None) -> Iterator[str]:
    hours = sums.watched_ns / HOUR_NS
    if sums.watched_ns < LEAST_HOURS * HOUR_NS:
        yield f"{hours:.1f} h were watched, {LEAST_HOURS} h are needed"
    if sums.episodes < LEAST_EPISODES:
        yield (
            f"{sums.episodes} episodes survived our latency and were traded on paper, "
            f"{LEAST_EPISODES} are needed"
        )
    if len(sums.active) < LEAST_ACTIVE:
        yield f"they came in {len(sums.active)} different hours, {LEAST_ACTIVE} are needed"
    if bound is None or bound <= 0:
        told = "there is none" if bound is None else f"it is {bound:.4f}"
        yield f"the lower 90 % bound of net profit is to be above zero, {told}"


def _bound(sums: _Sums) -> Decimal:
    """The lower 90 % bound of what an episode earns, rounded down.

    Whole hours are drawn anew, those without an episode too, and one more: of the loss that has not
    come yet. Their order is no matter, and what earns less never draws a higher bound.
    """
    blocks = sorted(_units(net) for net in [*sums.hours.values(), sums.unseen])
    drawn = _draws(len(blocks))
    totals = sorted(sum(map(blocks.__getitem__, one)) for one in drawn)
    lowest = totals[len(totals) // ONE_IN]
    return EXACT.divide(EXACT.multiply(Decimal(lowest), UNIT), Decimal(sums.episodes))


def _units(amount: Decimal) -> int:
    return int(EXACT.divide(amount, UNIT).to_integral_value(ROUND_FLOOR))


@functools.lru_cache(maxsize=2)
def _draws(blocks: int) -> tuple[list[int], ...]:
    """Which of so many blocks are drawn, for each resample: always the same ones."""
    chance = random.Random(SEED)
    return tuple(chance.choices(range(blocks), k=blocks) for _ in range(RESAMPLES))
