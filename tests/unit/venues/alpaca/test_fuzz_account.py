"""Whatever the account's wires say, nothing but a domain error comes of it."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.domain.account import AccountUnfit
from arbit.domain.errors import FrameError
from arbit.domain.order import OrderState
from arbit.venues.account_stream import StreamCounts
from arbit.venues.alpaca.activities import fill_of, flows_of, when
from arbit.venues.alpaca.http import Keys
from arbit.venues.alpaca.keyfacts import refuse_unfit
from arbit.venues.alpaca.outcomes import judge
from arbit.venues.alpaca.updates import SessionParts, UpdatesSession
from arbit.venues.following import Following
from tests.unit.venues.alpaca.test_orders import BODY, book, names
from tests.unit.venues.alpaca.venue import (
    KEY,
    SECRET,
    WallTimerClock,
    account,
    answer,
    order,
    update,
)

ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["1e99", "-"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
FILL_ROW = {
    "id": "20221228071929579::ca2aafd0",
    "transaction_time": "2022-12-28T12:19:29.579352Z",
    "price": "67.31",
    "qty": "0.07",
    "side": "sell",
    "symbol": "BTC/USD",
    "order_id": "82eebcf7",
}
FLOW_ROW = {
    "id": "20220812000000000::53be51ba",
    "activity_type": "CFEE",
    "date": "2022-08-12",
    "net_amount": "0",
    "symbol": "ETHUSD",
    "qty": "-0.000195",
    "status": "executed",
}


def bent(body: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """The body with one value of it, at any depth, made odd."""
    made: dict[str, Any] = json.loads(json.dumps(body))
    inner = made
    while True:
        name = data.draw(st.sampled_from(sorted(inner)))
        if not isinstance(inner[name], dict) or data.draw(st.booleans()):
            inner[name] = data.draw(ODD)
            return made
        inner = inner[name]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_stream_counts_what_it_cannot_read_and_goes_on(data: st.DataObject) -> None:
    orders, clock = book(), WallTimerClock()
    following = Following(orders, clock, lambda _event: None)
    session = UpdatesSession(
        SessionParts(
            venue="alpaca",
            keys=Keys(KEY, SECRET),
            names=names(),
            book=orders,
            following=following,
            sink=lambda _event: None,
            publish=lambda _event: None,
            refused=lambda _words: None,
            good=lambda: None,
            counts=StreamCounts(),
        )
    )
    session.opened(lambda _payload: None, "", 1)
    told = update("fill", order(BODY, "filled"), ("E1", "0.5", "100"))
    frame = json.dumps(bent(told, data)).encode()
    session.frame(frame[: data.draw(st.integers(0, len(frame)))], 1, 1)
    session.frame(frame, 1, 1)
    session.frame(data.draw(st.binary(max_size=20)), 1, 1)
    assert session.counts.frames == 3


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_rows_and_accounts_raise_nothing_but_domain_errors(data: st.DataObject) -> None:
    known = names()
    for read in (
        lambda: fill_of(bent(FILL_ROW, data), known),
        lambda: flows_of("r", row := bent(FLOW_ROW, data), when(row)[0], known),
        lambda: refuse_unfit(bent(account(), data)),
    ):
        with contextlib.suppress(FrameError, AccountUnfit):
            read()


@settings(max_examples=200, deadline=None)
@given(st.integers(100, 599), ODD | st.binary(max_size=30))
def test_no_odd_answer_is_a_refusal(status: int, body: Any) -> None:
    verdict = judge(answer(status, body))
    assert verdict.state in {OrderState.UNKNOWN, OrderState.ACKED}
    assert (verdict.state is OrderState.ACKED) <= (status == 200)
