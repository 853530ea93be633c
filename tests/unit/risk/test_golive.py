"""The judge of shadow runs: what it lets through, and how often luck would pass for an edge."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.domain.shadow import HOUR_NS, Evidence, ShadowHour, ShadowSetup
from arbit.risk.golive import Terms, Verdict, judge, why_not

D = Decimal
NOW_NS = 1_000_000 * HOUR_NS + 17
FEES = {"BTC/USD": D("0.0002"), "ETH/USD": D("0.0002")}
SETUP = ShadowSetup("s1", "", "1.0", "t1", 60, D(1000), FEES)
TERMS = Terms("abc", "1.0", "t1", 60, D(1000), FEES)
Episodes = list[tuple[int, Decimal]]  # hours ago, and what it earned


def evidence(episodes: Episodes, hours: int = 24, setup: ShadowSetup = SETUP) -> Evidence:
    """Watched for so many whole hours, up to now, with these episodes."""
    found = {
        ago: ShadowHour(setup.name, (NOW_NS // HOUR_NS - ago) * HOUR_NS, HOUR_NS)
        for ago in range(1, hours + 1)
    }
    for ago, net in episodes:
        found[ago] = found[ago].plus(net, D(100))
    return Evidence({setup.name: setup}, tuple(found.values()))


def good(count: int = 40, hours: int = 24) -> Episodes:
    return [(1 + at % hours, D("0.5")) for at in range(count)]


def verdict(found: Evidence, terms: Terms = TERMS, now_ns: int = NOW_NS) -> Verdict:
    return judge(found, terms, now_ns)


def test_a_day_of_episodes_that_earn_is_enough() -> None:
    found = verdict(evidence(good()))
    assert found.missing == ()
    assert (found.watched_s, found.episodes, found.active_hours) == (86_400, 40, 24)
    assert found.mean == D("0.5")
    assert found.bound is not None
    assert 0 < found.bound < found.mean


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Evidence(), "no dry run of this account"),
        (Evidence(problem="it is torn"), "it is torn"),
        (evidence(good(40, 23), hours=23), "23.0 h were watched, 24 h are needed"),
        (evidence(good(29)), "29 episodes survived"),
        (evidence([(1 + at % 5, D(1)) for at in range(60)]), "in 5 different hours"),
        (evidence([(ago, -net) for ago, net in good()]), "lower 90 % bound"),
        (evidence([]), "there is none"),
    ],
)
def test_whatever_is_missing_refuses_and_is_named(found: Evidence, said: str) -> None:
    missing = verdict(found).missing
    assert any(said in one for one in missing), missing


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key": "def"}, "another account"),
        ({"version": "0.9"}, "arbit 0.9"),
        ({"terms": "t2"}, "other settings"),
        ({"latency_ms": 59}, "latency of 59 ms, 60 ms are set"),
        ({"notional": D(999)}, "999 at most"),
        ({"fees": {**FEES, "BTC/USD": D("0.0001")}}, "lower fees than are paid now: BTC/USD"),
        ({"fees": {"XRP/USD": D("0.01")}}, "no market of then"),
    ],
)
def test_evidence_of_other_terms_is_told_and_does_not_count(
    changed: dict[str, object], said: str
) -> None:
    other = replace(SETUP, **changed)  # type: ignore[arg-type]  # each of its field's kind
    assert said in why_not(other, TERMS)
    found = verdict(evidence(good(), setup=other))
    assert not found.allowed
    assert found.episodes == 0
    assert any(said in one for one in found.left_out)


@pytest.mark.parametrize(
    "changed",
    [
        {"key": "abc"},
        {"latency_ms": 80},
        {"notional": D(2000)},
        {"fees": {**FEES, "BTC/USD": D("0.004"), "SOL/USD": D(0)}},
    ],
)
def test_evidence_of_harder_terms_counts(changed: dict[str, object]) -> None:
    harder = replace(SETUP, **changed)  # type: ignore[arg-type]  # each of its field's kind
    assert why_not(harder, TERMS) == ""


def test_a_latency_that_was_measured_counts_as_one_that_is_set() -> None:
    terms = replace(TERMS, measured_ms=61)
    assert why_not(SETUP, terms) == "made with a latency of 60 ms, 61 ms were measured now"


def test_evidence_grows_old_and_so_does_the_verdict() -> None:
    found, week_ns = evidence(good()), 7 * 24 * HOUR_NS
    assert verdict(found, now_ns=NOW_NS + week_ns - 25 * HOUR_NS).allowed
    late = verdict(found, now_ns=NOW_NS + week_ns - 23 * HOUR_NS)
    assert any("22.0 h were watched" in one for one in late.missing)
    assert any("older than 7 days" in one for one in late.left_out)
    assert verdict(found, now_ns=NOW_NS + 2 * week_ns).episodes == 0


def test_a_clock_that_was_set_back_refuses() -> None:
    found = evidence(good())
    assert "set back" in verdict(found, now_ns=NOW_NS - 3 * HOUR_NS).missing[0]
    later = replace(found, latest_ns=NOW_NS + HOUR_NS)
    assert "set back" in verdict(later).missing[0]
    assert verdict(replace(found, latest_ns=NOW_NS + HOUR_NS // 100)).allowed


@pytest.mark.parametrize(
    "broken",
    [
        {"watched_ns": -1},
        {"watched_ns": HOUR_NS + 1},
        {"episodes": -1},
        {"episodes": 0},
        {"net": D("NaN")},
        {"worst": D(1)},
        {"stake": D(-1)},
        {"hour_ns": 5},
        {"setup": "unknown"},
    ],
)
def test_a_row_that_no_dry_run_writes_refuses_all_of_it(broken: dict[str, object]) -> None:
    found = evidence(good())
    rows = (*found.hours[1:], replace(found.hours[0], **broken))  # type: ignore[arg-type]  # each of its field's kind
    assert "cannot be trusted" in verdict(replace(found, hours=rows)).missing[0]
    twice = (*found.hours, found.hours[0])
    assert "cannot be trusted" in verdict(replace(found, hours=twice)).missing[0]


@pytest.mark.parametrize(
    ("given", "trusted"),
    [
        ({"net": D(-2), "worst": D(-1)}, True),
        ({"net": D(-1), "worst": D(-1)}, True),
        ({"net": D(-1)}, False),
        ({"worst": D(-1)}, False),
        ({"net": D(-1), "worst": D(-2)}, False),
        ({"net": D(-1), "worst": D(-1), "stake": D(9)}, False),
        ({"stake": D(9)}, False),
    ],
)
def test_an_hour_without_an_episode_has_costs_of_rebalances_or_nothing(
    given: dict[str, object], trusted: bool
) -> None:
    found = evidence(good(40, 24), hours=25)
    (bare,) = (one for one in found.hours if not one.episodes)
    others = tuple(one for one in found.hours if one is not bare)
    told = replace(found, hours=(*others, replace(bare, **given)))  # type: ignore[arg-type]  # each of its field's kind
    missing = verdict(told).missing
    assert ("cannot be trusted" not in " ".join(missing)) == trusted, missing


def test_what_rebalances_cost_is_taken_off_and_fills_nothing() -> None:
    found = evidence(good(), hours=30)
    before = verdict(found)
    assert before.allowed
    cost = {one.hour_ns: D("-1") for one in found.hours}
    hours = tuple(one.less(cost[one.hour_ns]) for one in found.hours)
    after = verdict(replace(found, hours=hours))
    assert (after.episodes, after.active_hours) == (before.episodes, before.active_hours)
    assert after.net == before.net - 30
    assert after.missing == (
        f"the lower 90 % bound of net profit is to be above zero, it is {after.bound:.4f}",
    )


def test_two_runs_in_one_hour_are_one_hour() -> None:
    other = replace(SETUP, name="s2", latency_ms=70)
    one, two = evidence(good(), hours=24), evidence(good(), hours=24, setup=other)
    both = Evidence({**one.setups, **two.setups}, (*one.hours, *two.hours))
    found = verdict(both)
    assert (found.watched_s, found.active_hours, found.episodes) == (86_400, 24, 80)


amounts = st.decimals(-100, 100, places=2, allow_nan=False)
some = st.lists(st.tuples(st.integers(1, 30), amounts), min_size=30, max_size=60)


@settings(max_examples=40, deadline=None)
@given(some, st.data())
def test_what_earns_less_never_turns_a_no_into_a_yes(
    episodes: Episodes, data: st.DataObject
) -> None:
    before = verdict(evidence(episodes, hours=30))
    at = data.draw(st.integers(0, len(episodes) - 1))
    less = data.draw(st.decimals(0, 100, places=2, allow_nan=False))
    ago, net = episodes[at]
    worse = verdict(evidence([*episodes[:at], (ago, net - less), *episodes[at + 1 :]], hours=30))
    more = verdict(evidence([*episodes, (ago, -less)], hours=30))
    for after in (worse, more):
        assert after.bound is not None
        assert before.bound is not None
        assert after.bound * after.episodes <= before.bound * before.episodes
        assert before.allowed or not after.allowed


@settings(max_examples=30, deadline=None)
@given(some, st.lists(st.tuples(st.integers(1, 30), amounts.map(lambda one: -abs(one)))))
def test_what_rebalances_cost_never_turns_a_no_into_a_yes(
    episodes: Episodes, costs: Episodes
) -> None:
    found = evidence(episodes, hours=30)
    hours = {(NOW_NS - one.hour_ns) // HOUR_NS: one for one in found.hours}
    for ago, lost in costs:
        hours[ago] = hours[ago].less(lost)
    before, after = verdict(found), verdict(replace(found, hours=tuple(hours.values())))
    assert before.bound is not None
    assert after.bound is not None
    assert after.bound <= before.bound
    assert before.allowed or not after.allowed


@settings(max_examples=30, deadline=None)
@given(some, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_of_hours_is_no_matter(
    episodes: Episodes, chance: random.Random
) -> None:
    found = evidence(episodes, hours=30)
    rows = list(found.hours)
    chance.shuffle(rows)
    assert verdict(replace(found, hours=tuple(rows))) == verdict(found)
    places = list(range(1, 31))
    chance.shuffle(places)
    moved = evidence([(places[ago - 1], net) for ago, net in episodes], hours=30)
    assert verdict(moved).bound == verdict(found).bound


def test_a_loss_that_has_not_come_yet_is_reckoned_with() -> None:
    """Thirty that earned a little say nothing of the one in forty that costs two fees."""
    dear = replace(SETUP, fees=dict.fromkeys(FEES, D("0.004")))
    small = [(1 + at % 24, D("0.01")) for at in range(30)]
    assert not verdict(evidence(small, setup=dear)).allowed  # 0.80 would be lost, 0.30 were won
    assert verdict(evidence(small * 10, setup=dear)).allowed


Planted = Callable[[random.Random], Episodes]


def anywhere(earns: Callable[[random.Random], float]) -> Planted:
    def made(chance: random.Random) -> Episodes:
        return [
            (chance.randint(1, 24), D(f"{earns(chance):.6f}"))
            for _ in range(chance.randint(30, 80))
        ]

    return made


def in_hours(count: int, shared: float) -> Planted:
    """All episodes in few hours, and what they earn is for a share the hour's own."""

    def made(chance: random.Random) -> Episodes:
        hours = {ago: chance.gauss(0, shared) for ago in chance.sample(range(1, 25), count)}
        names = list(hours)
        return [
            (ago, D(f"{hours[ago] + chance.gauss(0, 1 - shared):.6f}"))
            for ago in (chance.choice(names) for _ in range(60))
        ]

    return made


# None of these has an edge: what it earns is zero on average.
PLANTED: dict[str, Planted] = {
    "even": anywhere(lambda chance: chance.gauss(0, 1)),
    "rare losses": anywhere(lambda chance: 1 if chance.random() < 0.9 else -9),
    "rarer losses": anywhere(lambda chance: 1 if chance.random() < 20 / 21 else -20),
    "rare gains": anywhere(lambda chance: -1 if chance.random() < 0.9 else 9),
    "in six hours": in_hours(6, 0),
    "in six hours, all alike": in_hours(6, 0.8),
    "in all hours, all alike": in_hours(24, 0.8),
}
SEEDS = 100


@pytest.mark.parametrize("name", PLANTED)
def test_luck_alone_passes_for_an_edge_one_time_in_ten_at_most(name: str) -> None:
    # An order home costs what a rare loss costs: two fees of its stake.
    setup = replace(SETUP, fees=dict.fromkeys(FEES, D("0.05")))
    terms = replace(TERMS, fees=setup.fees)
    passed = sum(
        verdict(evidence(PLANTED[name](random.Random(seed)), setup=setup), terms).allowed
        for seed in range(SEEDS)
    )
    assert passed <= SEEDS * 0.13, passed  # a tenth, and what a hundred seeds leave to chance


def test_an_edge_that_is_there_is_seen() -> None:
    made = anywhere(lambda chance: chance.gauss(1, 1))
    passed = sum(verdict(evidence(made(random.Random(seed)))).allowed for seed in range(20))
    assert passed == 20
