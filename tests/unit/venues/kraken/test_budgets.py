"""Our own count of the venue's counters never says yes where the venue would say no."""

from __future__ import annotations

import random

import pytest

from arbit.config import RateTier
from arbit.sandbox.limits import TIERS as VENUE_TIERS
from arbit.sandbox.limits import Counters
from arbit.sandbox.limits import cancel_cost as venue_cancel_cost
from arbit.venues.kraken.budgets import EngineBudget, Level, RequestBudget, cancel_cost

SECOND = 1_000_000_000
START_NS = 10 * SECOND


@pytest.mark.parametrize("tier", list(RateTier))
def test_the_request_counter_is_never_over_the_venues(tier: RateTier) -> None:
    venue_tier = VENUE_TIERS[tier.value]
    for seed in range(30):
        rng = random.Random(seed)
        ours = RequestBudget(tier)
        venue = Counters(venue_tier.rest_max, venue_tier.rest_per_s)
        now_ns = START_NS
        for _ in range(400):
            now_ns += int(rng.expovariate(1) * SECOND)
            cost = rng.choice((0, 1, 2))
            if ours.may(cost, now_ns, reserved=rng.random() < 0.5):
                ours.spend(cost, now_ns)
                # What we count as spent may reach the venue a little later.
                assert venue.take("key", cost, now_ns + rng.randrange(SECOND))


class Shelf:
    """A level store in memory, which counts what is written."""

    def __init__(self) -> None:
        self.level: Level | None = None
        self.saves = 0

    def load(self) -> Level | None:
        return self.level

    def save(self, level: Level) -> None:
        self.level, self.saves = level, self.saves + 1


@pytest.mark.parametrize("tier", list(RateTier))
def test_however_often_a_run_ends_its_next_is_never_over_the_venues_counter(
    tier: RateTier,
) -> None:
    venue_tier = VENUE_TIERS[tier.value]
    for seed in range(60):
        rng, shelf = random.Random(seed), Shelf()
        venue = Counters(venue_tier.rest_max, venue_tier.rest_per_s)
        wall_ns, spent = 1_764_000_000 * SECOND, 0
        for _ in range(12):  # runs, each of a process whose own clock begins anew
            boot_ns = wall_ns - rng.randrange(SECOND, 1_000 * SECOND)
            clock = [wall_ns]
            ours = RequestBudget(tier)
            ours.keep_in(shelf, lambda clock=clock: clock[0], wall_ns - boot_ns)  # type: ignore[misc]  # bound now
            for _ in range(rng.randrange(40)):
                wall_ns += int(rng.expovariate(5) * SECOND)
                clock[0], now_ns = wall_ns, wall_ns - boot_ns
                cost = rng.choice((0, 1, 2))
                if ours.may(cost, now_ns, reserved=True):
                    ours.spend(cost, now_ns)
                    spent += cost
                    assert venue.take("key", cost, wall_ns), seed
            if rng.random() < 0.3:
                ours.close(wall_ns - boot_ns)
            wall_ns += rng.randrange(3 * SECOND)
        assert shelf.saves <= spent // 2 + 24  # a write for some of it, not for each


def test_a_clean_end_leaves_no_more_than_was_spent_and_a_rest_empties_it() -> None:
    shelf, wall = Shelf(), [1_764_000_000 * SECOND]
    first = RequestBudget(RateTier.STARTER)
    first.keep_in(shelf, lambda: wall[0], START_NS)
    assert first.level(START_NS) == 0.0
    first.spend(6, START_NS)
    first.close(START_NS)
    for later_s, left in ((0, 6.0), (3, 6.0 - 3 * 0.33), (60, 0.0)):
        again = RequestBudget(RateTier.STARTER)
        wall[0] = 1_764_000_000 * SECOND + later_s * SECOND
        again.keep_in(shelf, lambda: wall[0], START_NS)
        assert again.level(START_NS) == pytest.approx(left, abs=0.01)


def test_a_clock_set_back_empties_nothing() -> None:
    shelf, wall = Shelf(), [1_764_000_000 * SECOND]
    first = RequestBudget(RateTier.STARTER)
    first.keep_in(shelf, lambda: wall[0], START_NS)
    first.spend(9, START_NS)
    wall[0] -= 3_600 * SECOND
    again = RequestBudget(RateTier.STARTER)
    again.keep_in(shelf, lambda: wall[0], START_NS)
    assert again.level(START_NS) >= 9


def test_orders_of_an_earlier_run_still_count_for_their_pair() -> None:
    wall_ns = 1_764_000_000 * SECOND
    sent = [("BTC/USD", wall_ns - number * SECOND // 2) for number in range(80)]
    engine, venue = EngineBudget(RateTier.STARTER), Counters(60, 1.0)
    for symbol, at_ns in reversed(sent):
        assert venue.take(symbol, 1, at_ns)
    engine.recall(sent, wall_ns, START_NS)
    left = 0
    while engine.may("BTC/USD", 1, START_NS, reserved=True):
        engine.spend("BTC/USD", 1, START_NS)
        assert venue.take("BTC/USD", 1, wall_ns)
        left += 1
    assert 15 < left < 60
    assert engine.may("ETH/USD", 30, START_NS)
    engine.told("ETH/USD", 55.0, START_NS)
    assert not engine.may("ETH/USD", 5, START_NS, reserved=True)


def test_the_last_third_is_kept_for_what_must_not_wait() -> None:
    budget = RequestBudget(RateTier.STARTER)
    sent = 0
    while budget.may(1, START_NS):
        budget.spend(1, START_NS)
        sent += 1
    assert sent == 9
    assert budget.may(4, START_NS, reserved=True)
    assert not budget.may(6, START_NS, reserved=True)


def test_the_wait_it_names_is_long_enough_and_no_longer_than_that() -> None:
    budget = RequestBudget(RateTier.STARTER)
    budget.spend(9, START_NS)
    wait_ns = budget.wait_ns(2, START_NS)
    assert wait_ns > 0
    assert not budget.may(2, START_NS + wait_ns - SECOND // 10)
    assert budget.may(2, START_NS + wait_ns)
    assert budget.wait_ns(2, START_NS + wait_ns) == 0


def test_when_the_venue_says_it_is_full_it_is_full() -> None:
    budget = RequestBudget(RateTier.STARTER)
    budget.fill(START_NS)
    assert not budget.may(1, START_NS, reserved=True)
    engine = EngineBudget(RateTier.STARTER)
    engine.fill("BTC/USD", START_NS)
    assert not engine.may("BTC/USD", 1, START_NS, reserved=True)
    assert engine.may("ETH/USD", 1, START_NS)


@pytest.mark.parametrize("tier", list(RateTier))
def test_the_engines_counter_of_a_pair_is_never_over_the_venues(tier: RateTier) -> None:
    venue_tier = VENUE_TIERS[tier.value]
    rng = random.Random(tier.value)
    ours, now_ns = EngineBudget(tier), START_NS
    venue = Counters(venue_tier.engine_max, venue_tier.engine_per_s)
    for _ in range(3_000):
        now_ns += int(rng.expovariate(4) * SECOND)
        symbol = rng.choice(("BTC/USD", "ETH/USD"))
        cost = rng.choice((1, 1, 1, cancel_cost(rng.uniform(0, 400))))
        if ours.may(symbol, cost, now_ns, reserved=cost > 1):
            ours.spend(symbol, cost, now_ns)
            assert venue.take(symbol, cost, now_ns)


def test_a_cancel_costs_what_the_venue_charges_for_an_order_of_its_age() -> None:
    for tenths in range(4_000):
        assert cancel_cost(tenths / 10) == venue_cancel_cost(tenths * SECOND // 10)
