"""What a refusal of the gate tells, what a cycle is owed, and every look at a book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from arbit.config import Settings
from arbit.domain.plan import Plan
from arbit.domain.records import Purpose
from arbit.domain.refusal import Refused
from arbit.domain.triangle import Leg, Side
from arbit.risk.breaker import BreakerState, Reason
from arbit.risk.envelope import Approved
from arbit.risk.kill import kill
from tests.unit.execution.world import START, World, usual_settings
from tests.unit.risk.gate_world import HOME, MS, approved, home, limits, record, review, told

D = Decimal


# --- what a refusal tells ------------------------------------------------------------------------


def probing(world: World) -> None:
    world.breaker.trip(Reason.LOCKOUT, "locked out")
    world.clock.now_ns += 901 * 1_000 * MS
    world.auditor._agreed_ns = world.clock.now_ns
    assert world.breaker.state() is BreakerState.PROBING


def operator_kills(world: World) -> None:
    kill(world.data_dir)


SWITCHES: list[tuple[Callable[[World], object], str, dict[str, str]]] = [
    (lambda w: w.breaker.trip(Reason.DRIFT, "off by one"), "breaker", {"state": "halted"}),
    (lambda w: setattr(w.venue, "why_unready", "no socket"), "gateway_not_ready", {}),
    (lambda w: setattr(w.engine.keeper, "_why", "full"), "journal", {"why": "full"}),
    (operator_kills, "kill_switch", {}),
]


@pytest.mark.parametrize(("change", "code", "figures"), SWITCHES, ids=[one[1] for one in SWITCHES])
def test_a_switch_tells_why_it_is_off_to_every_kind_of_order(
    change: Callable[[World], object], code: str, figures: dict[str, str]
) -> None:
    world = World()
    change(world)
    expected = {
        "breaker": {"state": "halted", "why": world.breaker.detail},
        "gateway_not_ready": {"why": "no socket"},
        "journal": {"why": world.engine.keeper.ok()},
        "kill_switch": {"by": world.kill.why()},
    }[code]
    assert figures.items() <= expected.items()
    assert all(expected.values())
    assert told(review(world)) == told(home(world)) == (code, expected)
    words = str(refusal(world))
    assert (
        world.gate.stops(Purpose.LEG, "ETH/BTC")
        == world.gate.stops(Purpose.UNWIND, "ETH/BTC")
        == words
    )


def refusal(world: World) -> Refused:
    answer = review(world)
    assert isinstance(answer, Refused)
    return answer


def test_nothing_stops_an_order_when_nothing_is_wrong_and_reducing_stops_only_legs() -> None:
    world = World()
    assert (
        world.gate.stops(Purpose.LEG, "ETH/BTC")
        == world.gate.stops(Purpose.UNWIND, "ETH/BTC")
        == ""
    )
    world.breaker.trip(Reason.HELD, "left behind")
    assert world.gate.stops(Purpose.UNWIND, "ETH/BTC") == ""
    assert (
        world.gate.stops(Purpose.LEG, "ETH/BTC")
        == f"breaker: state reducing, why {world.breaker.detail}"
    )


def test_while_probing_both_kinds_of_order_may_leave() -> None:
    world = World()
    probing(world)
    assert (
        world.gate.stops(Purpose.LEG, "ETH/BTC")
        == world.gate.stops(Purpose.UNWIND, "ETH/BTC")
        == ""
    )


def test_what_only_new_cycles_wait_for_is_told() -> None:
    world = World()
    world.gate.fees_doubted = lambda: "dearer than they should be"
    assert told(review(world)) == ("fees", {"why": "dearer than they should be"})
    world.gate.unaudited = lambda: "nobody has looked"
    assert told(review(world)) == ("audit", {"why": "nobody has looked"})
    (world.data_dir / "pause.sandbox").touch()
    assert told(review(world)) == ("venue_paused", {"venue": "sandbox"})


def test_slots_are_told_and_never_more_than_allowed() -> None:
    world = World(settings=limits({"max_concurrent_cycles": 2}))
    plan = world.plan("20")
    approved(world, plan, "c1")
    approved(world, plan, "c2")
    assert told(review(world, plan, "c3")) == ("concurrency", {"open": "2"})


def test_a_days_loss_is_told() -> None:
    world = World(settings=limits(max_daily_loss=D(25)))
    world.day.add(D("-25.50"), world.clock.wall_ns())
    assert told(review(world)) == ("daily_loss", {"loss": "25.50"})


@pytest.mark.parametrize("reverse", [False, True])
def test_a_rest_is_told_in_milliseconds_and_holds_both_ways_round(reverse: bool) -> None:
    world = World(settings=limits(cooldown_ms=1_000))
    plan = world.plan()
    rested = record(plan)
    if reverse:
        rows = [replace(one, leg=one.leg.reversed()) for one in reversed(rested.plan)]
        rested = replace(rested, plan=(rows[0], rows[1], rows[2]))
        assert rested.path == ">".join(reversed(plan.triangle.path.split(">")))
    world.gate.finished(rested, went_wrong=False, now_ns=world.clock.now_ns)
    world.clock.now_ns += 250 * MS
    assert told(review(world, plan)) == ("cooldown", {"left_ms": "750"})


def test_another_path_does_not_rest() -> None:
    world = World(settings=limits(cooldown_ms=1_000))
    other = record(world.plan())
    rows = (replace(other.plan[0], leg=replace(other.plan[0].leg, spend="EUR")), *other.plan[1:])
    world.gate.finished(
        replace(other, plan=(rows[0], rows[1], rows[2])),
        went_wrong=False,
        now_ns=world.clock.now_ns,
    )
    approved(world)


def test_an_order_in_doubt_stops_new_cycles_of_its_assets_until_it_is_known() -> None:
    world = World()
    world.gate.unresolved("ab-9", frozenset({"XRP", "EUR"}))
    world.gate.unresolved("ab-1", frozenset({"BTC", "XRP"}))
    assert list(world.gate.unknown) == ["ab-9", "ab-1"]
    assert told(review(world)) == ("unresolved", {"order": "ab-1"})
    world.gate.resolved("ab-1")
    world.gate.resolved("ab-1")
    assert list(world.gate.unknown) == ["ab-9"]
    approved(world)


def test_missing_funds_are_told_and_never_below_nothing() -> None:
    world = World()
    plan = world.plan()
    needed = format(plan.legs[0].worst_spend, "f")
    world.ledger.hold("somebody", "USD", START["USD"] - 1)
    assert told(review(world, plan)) == ("funds", {"asset": "USD", "needed": needed, "free": "1"})
    world.ledger.keep_back({"USD": D(5)})
    assert told(review(world, plan)) == ("funds", {"asset": "USD", "needed": needed, "free": "0"})


# --- slots, tokens and probes --------------------------------------------------------------------


def send(world: World, plan: Plan, envelope: Approved) -> Refused | None:
    intent = plan.legs[0].intent("ab000001-11")
    return world.gate.clear(intent, envelope, intent.most_spent, world.clock.now_ns)


def test_the_rate_keeps_three_orders_home_for_each_cycle_and_tells_what_is_left() -> None:
    """Twelve tokens: six are owed to the first cycle, less those it has used."""
    world = World(settings=limits(order_rate_per_s=1.2))
    plan = world.plan("20")
    first = approved(world, plan, "c1")
    for _ in range(3):
        assert send(world, plan, first) is None  # takes a token, and owes one less
    approved(world, plan, "c2")  # 9 left, 3 owed
    assert told(review(world, plan, "c3")) == ("rate_budget", {"left": "0.0"})
    for _ in range(4):
        assert send(world, plan, first) is None  # the last one was not owed any more
    assert told(review(world, plan, "c3")) == ("rate_budget", {"left": "-1.0"})


def test_a_cycle_that_is_adopted_or_only_comes_home_is_owed_three_orders() -> None:
    for begin in ("adopt", "home"):
        world = World(settings=limits(order_rate_per_s=0.9))  # nine tokens
        plan = world.plan("20")
        if begin == "adopt":
            world.gate.adopt(record(plan))
        else:
            assert isinstance(home(world), Approved)
        approved(world, plan, "c2")
        assert told(review(world, plan, "c3")) == ("rate_budget", {"left": "0.0"})
        world.gate.finished(record(plan), went_wrong=False, now_ns=world.clock.now_ns)
        assert told(review(world, plan, "c3")) == ("rate_budget", {"left": "3.0"})


def test_a_cycle_on_its_way_home_keeps_the_slot_it_has() -> None:
    world = World(settings=limits(order_rate_per_s=1.1))  # eleven tokens
    plan = world.plan("20")
    approved(world, plan, "c1")
    assert isinstance(home(world), Approved)
    assert told(review(world, plan, "c2")) == ("rate_budget", {"left": "5.0"})


def test_an_empty_bucket_stops_a_send_and_says_so() -> None:
    world = World(settings=limits(order_rate_per_s=0.01))
    plan = world.plan("20")
    envelope = approved(world, plan)
    for _ in range(6):
        assert send(world, plan, envelope) is None
    assert told(send(world, plan, envelope)) == ("rate_budget", {"left": "0"})


def test_an_order_whose_cycle_has_no_slot_still_uses_up_a_token() -> None:
    world = World(settings=limits(order_rate_per_s=0.6))
    plan = world.plan("20")
    envelope = approved(world, plan)
    world.gate.finished(record(plan), went_wrong=False, now_ns=world.clock.now_ns)
    assert send(world, plan, envelope) is None
    assert told(review(world, plan, "c2")) == ("rate_budget", {"left": "5.0"})


@pytest.mark.parametrize(
    ("profit_ref", "loss"), [(D(-30), "30"), (D(30), ""), (None, "")], ids=["lost", "won", "none"]
)
def test_a_cycle_that_is_over_counts_for_its_day(profit_ref: Decimal | None, loss: str) -> None:
    world = World(settings=limits(max_daily_loss=D(25)))
    plan = world.plan("20")
    done = record(plan, profit_ref=profit_ref)
    world.gate.finished(done, went_wrong=False, now_ns=world.clock.now_ns)
    if loss:
        assert told(review(world, plan)) == ("daily_loss", {"loss": loss})
    else:
        approved(world, plan)


def test_a_probe_that_never_had_a_slot_decides_nothing() -> None:
    world = World()
    probing(world)
    world.gate.finished(record(world.plan()), went_wrong=False, now_ns=world.clock.now_ns)
    assert world.breaker.state() is BreakerState.PROBING
    world.gate.adopt(record(world.plan()))
    envelope = Approved("c1", Purpose.UNWIND, (), D(0), 0)
    assert world.gate._open["c1"].probes is False
    assert told(send(world, world.plan(), envelope))[0] == "expired"
    assert not world.gate._open["c1"].sent, "what was not cleared was not sent"


# --- each look at the books ----------------------------------------------------------------------


@pytest.mark.parametrize("symbol", ["BTC/USD", "ETH/BTC", "ETH/USD"])
def test_every_market_of_a_cycle_is_looked_at(symbol: str) -> None:
    world = World()
    plan = world.plan()
    world.sights.blind.add(symbol)
    assert told(review(world, plan)) == ("stale_book", {"symbol": symbol})
    world.sights.markets.pop(symbol)
    assert told(review(world, plan)) == ("market_status", {"why": f"{symbol} is not listed"})


@pytest.mark.parametrize("polled", ["BTC/USD", "ETH/BTC", "ETH/USD"])
def test_no_book_of_a_cycle_may_be_polled(polled: str) -> None:
    world = World()
    plan = world.plan()
    world.sights.from_rest = lambda symbol: symbol == polled  # type: ignore[method-assign]  # one is polled
    assert told(review(world, plan)) == ("rest_book", {"symbol": polled})


def test_a_polled_book_stops_a_send_but_no_approval_of_an_order_home() -> None:
    world = World()
    plan = world.plan()
    envelope = approved(world, plan)
    world.sights.from_rest = lambda symbol: symbol == "BTC/USD"  # type: ignore[method-assign]  # one is polled
    assert told(send(world, plan, envelope)) == ("rest_book", {"symbol": "BTC/USD"})
    assert isinstance(home(world), Approved)


def test_a_send_looks_at_its_market_again() -> None:
    world = World()
    plan = world.plan()
    envelope = approved(world, plan)
    world.sights.markets.pop("BTC/USD")
    assert told(send(world, plan, envelope)) == (
        "market_status",
        {"why": "BTC/USD is not listed"},
    )


@pytest.mark.parametrize("at", [0, 1])
def test_each_order_home_is_looked_at(at: int) -> None:
    world = World()
    orders = [(HOME, "1", "99"), (HOME, "1", "99")]
    orders[at] = (HOME, "1", "90")
    assert told(home(world, *orders))[0] == "collar"
    orders[at] = (HOME, "0.0001", "99")
    assert told(home(world, *orders))[0] == "min_notional"
    eth = Leg("ETH/USD", Side.SELL, "ETH", "USD")
    orders[at] = (eth, "1", "10.1")
    world.sights.blind.add("ETH/USD")
    assert told(home(world, *orders)) == ("stale_book", {"symbol": "ETH/USD"})
    world.sights.markets.pop("ETH/USD")
    assert told(home(world, *orders))[0] == "market_status"


def test_our_own_least_notional_is_for_new_cycles_and_not_for_the_way_home() -> None:
    facts = {"min_notional": {"USD": D(120)}}
    usual = usual_settings()
    own = Settings.model_validate(
        {"scan": usual.scan, "risk": usual.risk, "venues": {"sandbox": facts}}
    )
    world = World(settings=own)
    assert isinstance(home(world), Approved)
    assert told(review(world, world.plan("110")))[0] == "min_notional"
    approved(world, world.plan("150"))
