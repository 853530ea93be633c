"""Our own count of the venue's counters never says yes where the venue would say no."""

from __future__ import annotations

import random

import pytest

from arbit.config import RateTier
from arbit.sandbox.limits import TIERS as VENUE_TIERS
from arbit.sandbox.limits import Counters
from arbit.sandbox.limits import cancel_cost as venue_cancel_cost
from arbit.venues.kraken.budgets import EngineBudget, RequestBudget, cancel_cost

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
