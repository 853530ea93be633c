"""Private frames: exact values, or a FrameError, and nothing in between."""

from __future__ import annotations

import json
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.domain.errors import FrameError
from arbit.domain.triangle import Side
from arbit.venues.kraken.private.parse import (
    BalanceRow,
    Balances,
    Executions,
    Heartbeat,
    Ignored,
    Pong,
    Reply,
    parse,
    wall_ns,
)
from tests.unit.venues.kraken.private import words

ROOT = Path(__file__).parents[5]
DATA = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data")) / "kraken"
MESSAGES = DATA / "v2_messages.ndjson"
VALUES = (Executions, Balances, Reply, Pong, Heartbeat, Ignored)
AMOUNT = "0.123456789012345678901234567"


def reply(payload: str) -> Reply:
    message = parse(payload.encode())
    assert isinstance(message, Reply)
    return message


@pytest.mark.skipif(not MESSAGES.exists(), reason=f"no recorded data at {DATA}")
def test_every_recorded_message_is_a_value_and_the_private_ones_say_what_was_written() -> None:
    found = [parse(line) for line in MESSAGES.read_bytes().splitlines()]
    kinds = Counter(type(message).__name__ for message in found)
    assert kinds["Executions"] == 12
    assert kinds["Balances"] == 6
    assert sum(isinstance(one, Reply) and one.ok is False for one in found) == 16
    snapshot = next(one for one in found if isinstance(one, Executions) and one.snapshot)
    first = snapshot.entries[0]
    assert first.fill is not None
    assert (first.order_id, first.side, first.symbol) == (
        "NG6PUE-C7MXN-CFCAMC",
        Side.SELL,
        "BTC/USD",
    )
    assert (str(first.fill.qty), str(first.fill.cost)) == ("0.00016000", "10.12445")
    assert first.fill.fees == (("USD", Decimal("0.04051")),)
    rows = [row for one in found if isinstance(one, Balances) for row in one.rows]
    (sold,) = {row for row in rows if row.ledger_id == "DATKX6-PEHL1-HZKND8"}
    assert sold == BalanceRow(
        asset="USD",
        total=Decimal("118.0677"),
        kind="trade",
        ref="LKAKN2-N0N12-VKQNLN",
        amount=Decimal("-19.9743"),
        fee=Decimal("0.0499"),
        ledger_id="DATKX6-PEHL1-HZKND8",
        at_ns=wall_ns("2024-05-24T14:01:53.526524Z") or 0,
    )


def test_amounts_keep_every_digit() -> None:
    message = parse(words.executions(words.trade("O1", "T1", AMOUNT)))
    assert isinstance(message, Executions)
    fill = message.entries[0].fill
    assert fill is not None
    assert str(fill.qty) == AMOUNT
    told = parse(words.balance("BTC", AMOUNT))
    assert isinstance(told, Balances)
    assert str(told.rows[0].total) == AMOUNT


def test_a_sparse_end_keeps_what_it_leaves_unsaid_empty() -> None:
    message = parse(words.executions(words.ending("O1", cum_qty="0.00000000")))
    assert isinstance(message, Executions)
    entry = message.entries[0]
    assert (entry.ends, entry.cum_qty, entry.symbol, entry.side) == (True, Decimal(0), "", None)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"channel":7}',
        b'{"channel":"executions","type":"update","data":[],"sequence":"1"}',
        b'{"channel":"executions","type":"update","data":[]}',
        b'{"channel":"executions","type":"news","data":[],"sequence":1}',
        b'{"channel":"executions","type":"update","data":[{"exec_type":"new"}],"sequence":1}',
        b'{"channel":"balances","type":"update","data":[{"asset":"","balance":1}],"sequence":1}',
        b'{"channel":"balances","type":"update","data":[{"asset":"A","balance":null}],"sequence":1}',
        b'{"channel":"balances","type":"update","data":[{"asset":"A","balance":"NaN"}],"sequence":1}',
        b'{"channel":"balances","type":"update","data":[{"asset":"A","balance":1e99}],"sequence":1}',
        words.executions(words.ending("O1"))[:-9],
        words.executions(words.ending("O1", cum_qty="-1")),
        words.executions(words.trade("O1", "T1", "0")),
        words.executions(words.trade("O1", "")),
        words.executions(words.trade("O1", "T1").replace("fees", "fee")),
        words.executions(words.trade("O1", "T1").replace('"cost"', '"costs"')),
        words.executions(words.trade("O1", "T1").replace("buy", "borrow")),
        b'{"method":["add_order"]}',
        b'{"result":{}}',
        b"\xff\xfe",
    ],
)
def test_a_frame_that_is_not_whole_is_a_frame_error(payload: bytes) -> None:
    with pytest.raises(FrameError):
        parse(payload)


def test_what_we_have_no_use_for_has_a_name() -> None:
    assert parse(b'{"channel":"status","type":"update","data":[]}') == Ignored("status")
    assert parse(b'{"channel":"weather","data":[]}') == Ignored("unknown channel")
    assert parse(b'{"method":"dance","success":true}') == Ignored("unknown method")


def test_only_a_whole_acceptance_is_one() -> None:
    told = parse(words.yes(7, "OABC", "ab1"))
    assert told == Reply("add_order", 7, ok=True, order_id="OABC", client_id="ab1")
    said = parse(words.no(7, "EOrder:Insufficient funds"))
    assert said == Reply("add_order", 7, ok=False, error="EOrder:Insufficient funds")


@pytest.mark.parametrize(
    "body",
    [
        '"success":true',
        '"success":true,"result":null',
        '"success":true,"result":[]',
        '"success":true,"result":{}',
        '"success":true,"result":"OABC"',
        '"success":true,"result":{"order_id":""}',
        '"success":true,"result":{"order_id":null}',
        '"success":true,"result":{"order_id":["OABC"]}',
        '"success":true,"result":{"order_id":"OABC","cl_ord_id":7}',
        '"success":true,"result":{"order_id":"OABC"},"error":"EOrder:Insufficient funds"',
        '"success":false,"result":{"order_id":"OABC"},"error":"EOrder:Insufficient funds"',
        '"success":false',
        '"success":false,"error":""',
        '"success":false,"error":["EOrder:Insufficient funds","EGeneral:Internal error"]',
        '"success":"true","result":{"order_id":"OABC"}',
        '"success":1,"result":{"order_id":"OABC"}',
        '"result":{"order_id":"OABC"}',
        '"error":"EOrder:Insufficient funds"',
    ],
)
def test_an_odd_answer_to_an_order_is_neither_yes_nor_no(body: str) -> None:
    told = reply(f'{{"method":"add_order","req_id":7,{body}}}')
    assert (told.ok, told.req_id, bool(told.odd)) == (None, 7, True)


@pytest.mark.parametrize("req_id", ["null", '"7"', "7.5", "true", "[7]"])
def test_a_request_id_is_a_whole_number_or_none(req_id: str) -> None:
    told = reply(f'{{"method":"add_order","req_id":{req_id},"success":false,"error":"E"}}')
    assert told.req_id is None


def test_moments_are_read_to_the_nanosecond() -> None:
    assert wall_ns("1970-01-01T00:00:01Z") == 1_000_000_000
    assert wall_ns("1970-01-01T00:00:01.5Z") == 1_500_000_000
    assert wall_ns("1970-01-01T00:00:01.123456789Z") == 1_123_456_789
    for stamp in ("", "1970-01-01", "1970-13-01T00:00:01Z", "1970-01-01T00:00:01+02:00", 7, None):
        assert wall_ns(stamp) is None


def test_a_pong_tells_the_venues_time() -> None:
    frame = b'{"method":"pong","req_id":3,"time_in":"1970-01-01T00:00:01Z","time_out":"x"}'
    assert parse(frame) == Pong(3, 1_000_000_000, None)


names = st.sampled_from(
    [
        *("channel", "type", "data", "sequence", "method", "success", "error", "result", "req_id"),
        *("order_id", "exec_type", "cum_qty", "fees", "asset", "qty", "balance", "cl_ord_id"),
    ]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["executions", "balances", "add_order", "subscribe", "pong", "trade", "filled", "update"]
    )
)
trees = st.recursive(
    scalars, lambda one: st.lists(one, max_size=3) | st.dictionaries(names, one, max_size=5)
)


@pytest.mark.untraced
@given(st.dictionaries(names, trees, max_size=8))
def test_whatever_is_written_is_a_value_or_a_frame_error(frame: dict[str, Any]) -> None:
    try:
        message = parse(json.dumps(frame).encode())
    except FrameError:
        return
    assert isinstance(message, VALUES)


@given(st.binary(max_size=60), st.integers(min_value=0, max_value=400))
def test_a_damaged_frame_is_a_value_or_a_frame_error(noise: bytes, at: int) -> None:
    whole = words.executions(words.opening("O1", "ab1"), words.trade("O1", "T1"))
    try:
        message = parse(whole[:at] + noise + whole[at + len(noise) :])
    except FrameError:
        return
    assert isinstance(message, VALUES)


@pytest.mark.parametrize("stain", [b"\xff", b"\x00"])
def test_a_frame_with_a_stain_where_nobody_reads_is_no_frame(stain: bytes) -> None:
    good = b'{"channel":"balances","type":"update","data":[],"sequence":3,"note":"abc"}'
    assert isinstance(parse(good), Balances)
    with pytest.raises(FrameError):
        parse(good.replace(b"abc", b"a" + stain + b"c"))
