"""The exposure meter, on logs short enough to be added up by hand."""

from __future__ import annotations

import ast
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.exposure import Limits, Meter

D = Decimal
Log = list[dict[str, Any]]
TERMS = {  # symbol, side, quantity, limit of the three legs, of the way home, and of its reversal
    "1": ("BTC/USD", "buy", "1", "100"),
    "2": ("ETH/BTC", "buy", "10", "0.1"),
    "3": ("ETH/USD", "sell", "10", "10.5"),
    "0": ("BTC/USD", "sell", "1", "99"),
}
PRICES = {"BTC": D(100), "ETH": D(10)}


def order(cycle: str, leg: str, *fills: str, open_: bool = False, late: str = "") -> Log:
    """One order's records: asked, accepted, filled in parts at its limit without a fee, ended."""
    symbol, side, qty, price = TERMS[leg]
    client_id, order_id = f"ab{cycle}-{leg}1", f"O-{cycle}-{leg}"
    ids = {"cl_ord_id": client_id, "order_id": order_id}
    ended = [] if open_ else [{"kind": "end", **ids}]

    def fill(part: str) -> dict[str, Any]:
        cost = str(D(part) * D(price))
        paid = {"qty": part, "price": price, "cost": cost, "fee": "0", "fee_asset": "USD"}
        return {"kind": "fill", **ids, "symbol": symbol, "side": side, **paid}

    return [
        {"kind": "request", **ids, "order_id": "", "method": "add_order"},
        {"kind": "accept", **ids, "symbol": symbol, "side": side, "qty": qty, "price": price},
        *map(fill, fills),
        *ended,
        *([fill(late)] if late else []),
    ]


ONE = "00000a"
TWO = "00000b"
CYCLE = [*order(ONE, "1", "1"), *order(ONE, "2", "4", "6"), *order(ONE, "3", "10")]


def test_a_cycle_stands_out_as_far_as_its_orders_could_and_did() -> None:
    meter = Meter(Limits(max_notional=D(1000), sequential=True), CYCLE)
    assert meter.findings == []
    assert meter.most["USD"] == 100
    assert meter.most["BTC"] == 1
    assert meter.most["ETH"] == 10
    assert meter.most["notional"] == 100
    assert meter.most["cycles"] == 1


def test_an_open_order_counts_at_its_worst_before_anything_has_traded() -> None:
    meter = Meter(Limits(), order(ONE, "1", open_=True))
    assert meter.most["USD"] == 100
    assert meter.most["BTC"] == 1


def test_what_was_earned_counts_no_longer_and_what_was_left_does() -> None:
    left = [*order(ONE, "1", "1"), *order(ONE, "2", "10"), *order(ONE, "3", "10")]
    again = [{**one, "cl_ord_id": one["cl_ord_id"].replace(ONE, TWO)} for one in left]
    again = [{**one, "order_id": one["order_id"].replace(ONE, TWO)} for one in again]
    assert Meter(Limits(), [*left, *again]).most["USD"] == 100, "5 were earned in between"
    stuck = order(ONE, "1", "1")
    again = [*stuck, *order(TWO, "1", "1")]
    assert Meter(Limits(), again).most["BTC"] == 2, "the first cycle's is still there"


def test_cycles_side_by_side_add_up() -> None:
    both = [*order(ONE, "1", open_=True), *order(TWO, "1", open_=True)]
    both += [{"kind": "end", "cl_ord_id": f"ab{ONE}-11", "order_id": f"O-{ONE}-1"}]
    meter = Meter(Limits(), both)
    assert meter.most["cycles"] == 2
    assert meter.most["USD"] == 200
    assert meter.most["BTC"] == 2


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        (Limits(asset_caps={"BTC": D("0.99")}), "BTC 1,"),
        (Limits(asset_caps={"ETH": D(9)}), "ETH 10,"),
        (Limits(max_exposure=D(99), prices=PRICES), "USD in USD 100,"),
        (Limits(max_exposure=D(102), prices={**PRICES, "BTC": D(103)}), "BTC in USD 103,"),
        (Limits(max_exposure=D(1000)), "BTC in USD Infinity"),
        (Limits(max_notional=D("99.99"), prices=PRICES), "notional 100"),
        (Limits(max_cycles=0), "cycles 1"),
    ],
)
def test_each_limit_that_is_passed_is_told_with_its_line(limits: Limits, word: str) -> None:
    found = Meter(limits, CYCLE).findings
    assert any(word in one for one in found), found
    assert all(one.startswith("line ") for one in found)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(asset_caps={"BTC": D(1), "ETH": D(10)}),
        Limits(max_exposure=D(100), prices=PRICES),
        Limits(max_exposure=D(100), prices={**PRICES, "BTC": D(101)}, moved_bps=D(100)),
        Limits(max_notional=D(100)),
        Limits(max_cycles=1, sequential=True),
    ],
)
def test_a_limit_that_is_just_reached_is_kept(limits: Limits) -> None:
    assert Meter(limits, CYCLE).findings == []


def test_what_the_exchange_trades_beyond_an_order_is_allowed_for() -> None:
    caps = Limits(asset_caps={"BTC": D(1), "USD": D(100)})
    assert Meter(caps, order(ONE, "1", "1", "0.5")).findings == [], "too much"
    assert Meter(caps, order(ONE, "1", "1", late="0.5")).findings == [], "after its end"
    more = order(ONE, "1", "1", late="0.5") + order(TWO, "1", "1")
    assert Meter(caps, more).findings, "and no excuse for what is ordered afterwards"


def test_an_order_that_spends_more_than_arrived_is_told() -> None:
    half = [*order(ONE, "1", "0.5"), *order(ONE, "2", "10")]
    found = Meter(Limits(sequential=True), half).findings
    assert found == ["line 6: BTC beyond delivery 0.5, at most 0"]
    assert Meter(Limits(), half).findings == [], "from inventory it may"


@pytest.mark.parametrize(("top", "kept"), [("99.95", True), ("99.94", False)])
def test_a_limit_too_far_from_the_best_price_is_told(top: str, kept: bool) -> None:
    log = [{**one, **({"top": top} if one["kind"] == "accept" else {})} for one in CYCLE[:4]]
    found = Meter(Limits(max_slippage_bps=D("5.5")), log).findings
    assert (found == []) is kept


def test_orders_of_somebody_else_are_not_ours() -> None:
    theirs = [{**one, "cl_ord_id": "their-own"} for one in CYCLE]
    nobody = [{**one, "cl_ord_id": ""} for one in CYCLE]
    meter = Meter(Limits(max_exposure=D(1)), [{"kind": "session"}, *theirs, *nobody])
    assert (meter.findings, dict(meter.most)) == ([], {})


JUDGES = {"exposure", "checker", "checker_conversions", "checker_late", "checker_sums", "terms"}


@pytest.mark.parametrize("name", sorted(f"{judge}.py" for judge in JUDGES))
def test_what_judges_from_the_log_shares_no_code_with_what_is_judged(name: str) -> None:
    tree = ast.parse((Path(__file__).parents[1] / name).read_text("utf-8"))
    names = {
        one
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for one in [getattr(node, "module", None), *(alias.name for alias in node.names)]
        if one
    }
    ours = {one for one in names if one.split(".")[0] in {"arbit", "tests"}}
    assert ours <= {f"tests.{judge}" for judge in JUDGES}, "a judge asks but other judges"
    assert len(ast.unparse(tree).splitlines()) < 400
