"""The budget of requests: exact in any minute, with a third that only the urgent may use."""

from __future__ import annotations

from arbit.venues.alpaca.rate import HEADROOM, MINUTE_NS, SECOND_NS, Budget

START_NS = 5 * SECOND_NS


def spend(budget: Budget, count: int, now_ns: int = START_NS) -> None:
    for _ in range(count):
        budget.spend(now_ns)


def test_no_minute_holds_more_than_the_limit_however_it_is_laid() -> None:
    budget, sent, now_ns = Budget(20), [], START_NS
    while now_ns < START_NS + 5 * MINUTE_NS:
        if budget.may(now_ns, reserved=True):
            budget.spend(now_ns)
            sent.append(now_ns)
        now_ns += 700_000_000
    windows = [sum(at <= one < at + MINUTE_NS for one in sent) for at in sent]
    assert max(windows) == 20 - HEADROOM


def test_the_last_third_is_kept_for_what_must_not_wait() -> None:
    budget = Budget(200)
    open_to_all = 0
    while budget.may(START_NS):
        budget.spend(START_NS)
        open_to_all += 1
    assert open_to_all == 132
    urgent = 0
    while budget.may(START_NS, reserved=True):
        budget.spend(START_NS)
        urgent += 1
    assert urgent == 66


def test_the_wait_is_as_long_as_it_takes_and_no_longer() -> None:
    budget = Budget(5)
    budget.spend(START_NS)
    budget.spend(START_NS + SECOND_NS)
    now_ns = START_NS + 2 * SECOND_NS
    assert budget.wait_ns(now_ns) == MINUTE_NS - 2 * SECOND_NS
    assert not budget.may(START_NS + MINUTE_NS - 1)
    assert budget.may(START_NS + MINUTE_NS)
    assert budget.may(now_ns, reserved=True)


def test_a_venue_that_counts_more_than_we_do_is_believed_and_one_that_counts_less_is_not() -> None:
    budget = Budget(200)
    budget.told(0, START_NS)
    assert not budget.may(START_NS, reserved=True)
    budget = Budget(200)
    spend(budget, 198)
    budget.told(150, START_NS)
    assert not budget.may(START_NS, reserved=True)


def test_a_venue_that_says_too_many_is_left_alone_for_so_long_and_a_minute_at_most() -> None:
    budget = Budget(200)
    budget.stay_away(3 * SECOND_NS, START_NS)
    assert budget.wait_ns(START_NS, reserved=True) == 3 * SECOND_NS
    budget.stay_away(3_000 * SECOND_NS, START_NS)
    assert budget.wait_ns(START_NS, reserved=True) == MINUTE_NS
    assert budget.may(START_NS + MINUTE_NS)


def test_a_limit_that_is_lower_than_was_thought_is_believed_and_a_higher_one_is_not_used() -> None:
    budget = Budget(10_000)
    budget.spend(START_NS)
    budget.told(199, START_NS, 200)
    left = 0
    while budget.may(START_NS):
        budget.spend(START_NS)
        left += 1
    assert left == 131
    budget = Budget(200)
    budget.told(999, START_NS, 1_000)
    spend(budget, 198)
    assert not budget.may(START_NS, reserved=True)


def test_what_others_use_of_this_account_counts() -> None:
    budget = Budget(200)
    budget.spend(START_NS)
    budget.told(100, START_NS, 200)
    left = 0
    while budget.may(START_NS, reserved=True):
        budget.spend(START_NS)
        left += 1
    assert left == 98


def test_what_is_left_is_without_the_reserve_and_nothing_while_the_venue_wants_none() -> None:
    budget = Budget(200)
    assert budget.left(START_NS) == 132
    spend(budget, 131)
    assert budget.left(START_NS) == 1
    budget.stay_away(SECOND_NS, START_NS)
    assert budget.left(START_NS) == 0
    assert budget.left(START_NS + SECOND_NS) == 1
    spend(budget, 10)
    assert budget.left(START_NS + SECOND_NS) == 0
    assert budget.left(START_NS + MINUTE_NS) == 132
