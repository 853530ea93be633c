"""What metrics show of assets, and when what is owned is written down."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from arbit.app.live.lane import _startable
from arbit.app.trade.history import Snapshots
from arbit.app.trade.holdings import MOST, Holdings
from arbit.app.trade.told import _owned_at_most
from arbit.config import InventorySettings, Settings
from arbit.config.inventory import Wanted
from arbit.domain.account import Flow
from arbit.domain.events import ConversionEnded, CycleEnded, Event, OrderEnded
from arbit.inventory import Inventory
from arbit.ledger import Ledger, flow
from arbit.risk.paths import Paths
from tests.unit.sizing_world import MARKETS

D = Decimal


def owning(**amounts: str) -> Ledger:
    ledger = Ledger()
    for asset, amount in amounts.items():
        ledger.apply(flow(Flow(f"F-{asset}", asset, D(amount), "deposit", 0)))
    return ledger


# --- gauges --------------------------------------------------------------------------------------


def test_gauges_are_of_assets_that_are_watched_or_named_and_of_no_other() -> None:
    ledger = owning(BTC="2", SPAM="1000", DOGE="5")
    said = InventorySettings(caps={"DOGE": Wanted(D(9))}, targets={"EUR": Wanted(D(50), "USD")})
    shown = Holdings(Inventory(said, ledger), ledger, ["BTC/USD", "GONE/USD"], MARKETS)()
    assert [one.asset for one in shown] == ["DOGE", "EUR", "BTC"]
    doge, eur, btc = shown
    assert (doge.owned, doge.cap, doge.target) == (5.0, 9.0, None)
    assert (eur.owned, eur.target) == (0.0, None), "nobody prices it"
    assert (btc.owned, btc.exposure, btc.reserve, btc.cap) == (2.0, 0.0, 0.0, None)


def test_a_page_has_room_for_so_many_assets_and_the_named_ones_come_first() -> None:
    many = {f"A{number}": Wanted(D(1)) for number in range(MOST + 5)}
    ledger = owning(BTC="1")
    shown = Holdings(
        Inventory(InventorySettings(caps=many), ledger), ledger, ["BTC/USD"], MARKETS
    )()
    assert len(shown) == MOST
    assert "BTC" not in {one.asset for one in shown}


# --- sizing's budget -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asset", "reserve", "budget"),
    [
        ("USD", {}, "999.99"),
        ("USD", {"BTC": D(1)}, "999.99"),
        ("USD", {"USD": D(396)}, "600.0000"),  # 604 less the spare part, and a fee on top of 0.6 %
        ("USD", {"USD": D(2000)}, "0"),
        ("DOGE", {}, "0"),
    ],
)
def test_a_cycle_starts_with_what_is_beyond_the_reserve_and_a_fee_on_top(
    asset: str, reserve: dict[str, Decimal], budget: str
) -> None:
    ledger = owning(USD="1000", DOGE="7")
    inventory = Inventory(InventorySettings(reserve_amount=reserve), ledger)
    rates = {"BTC/USD": D("0.006"), "ETH/USD": D("0.001")}
    fees = SimpleNamespace(rates=rates)
    engine = SimpleNamespace(setup=SimpleNamespace(fees=fees))
    gate = SimpleNamespace(paths=Paths(0, {}))
    trader: Any = SimpleNamespace(ledger=ledger, inventory=inventory, engine=engine, gate=gate)
    found = _startable(trader, Settings(), asset)
    assert abs(found - D(budget)) < D("0.4")
    if reserve.get("USD"):
        spare = ledger.free("USD") - inventory.reserve("USD")
        assert found * D("1.006") <= max(spare, D(0)), "the fee fits too"


# --- snapshots -----------------------------------------------------------------------------------


class Written:
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, dict[str, Decimal]]] = []
        self.venue_said: list[Any] = []

    def inventory(self, why: str, rows: list[dict[str, Any]]) -> None:
        self.rows.append((why, {row["asset"]: row["wallet"] for row in rows}))

    def wallet(self, balances: Any) -> None:
        self.venue_said.append(balances)


def snapshots(ledger: Ledger) -> tuple[Snapshots, Written, Any]:
    written, auditor = Written(), SimpleNamespace(on_balances=None)
    recorder: Any = written
    trader: Any = SimpleNamespace(ledger=ledger, auditor=auditor)
    return Snapshots(recorder, trader, clock=None), written, auditor  # type: ignore[arg-type]  # no cadence here


CONVERTED = ConversionEnded("x", "USD>BTC", "rebalance", "done", "10", "0.1")
ENDED = CycleEnded("x", "USD>BTC>ETH>USD", "done", "1", "USD")


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (ENDED, ["cycle"]),
        (CONVERTED, ["rebalance"]),
        (OrderEnded("x", "BTC/USD", "partial"), ["partial"]),
        (OrderEnded("x", "BTC/USD", "empty"), []),
    ],
)
def test_what_is_owned_is_written_down_after_what_has_changed_it(
    event: Event, why: list[str]
) -> None:
    taken, written, _ = snapshots(owning(USD="5"))
    taken(event)
    assert written.rows == [(one, {"USD": D(5)}) for one in why]


def test_money_that_came_or_went_by_itself_is_written_down_at_the_next_look() -> None:
    ledger = owning(USD="5")
    taken, written, auditor = snapshots(ledger)
    auditor.on_balances({})
    assert written.rows == [], "nothing was written yet that it could differ from"
    taken.take("start")
    auditor.on_balances({})
    ledger.apply(flow(Flow("F-2", "USD", D(7), "deposit", 0)))
    auditor.on_balances({})
    auditor.on_balances({})
    assert [why for why, _ in written.rows] == ["start", "flow"]
    assert written.rows[-1][1] == {"USD": D(12)}
    assert len(written.venue_said) == 4


# --- what a lane says before it trades -----------------------------------------------------------


def test_bounds_of_what_is_owned_are_among_the_limits_that_are_said_first() -> None:
    said = InventorySettings(
        caps={"BTC": Wanted(D("0.5")), "ETH": Wanted(D(2500), "USD")},
        reserve_amount={"USD": D(100)},
        reserve_percent={"USD": D(10), "BTC": D(50)},
    )
    assert _owned_at_most(said) == {
        "owned at most": "BTC 0.5, ETH 2500 USD",
        "never spent": "USD 100 or 10 %, BTC 50 %",
    }
    assert _owned_at_most(InventorySettings()) == {}
