from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from arbit.domain.book import Disbelief
from arbit.domain.errors import FrameError
from arbit.domain.market import MarketStatus
from arbit.venues.kraken.instruments import (
    Instrument,
    Instruments,
    instruments_of_objects,
)
from arbit.venues.kraken.parse import parse
from tests.unit.venues.kraken.desk import OTHER, PAIR, Desk
from tests.unit.venues.kraken.wire import instruments, pair

GOOD = pair(PAIR, "cancel_only")
ODD_FIELDS = {
    "base": ("null", "base", ""),
    "quote": ("7", "quote", ""),
    "price_precision": ("8.0", "price_decimals", None),
    "qty_precision": ('"many"', "qty_decimals", None),
    "price_increment": ("[1]", "price_increment", None),
    "qty_increment": ("true", "qty_increment", None),
    "qty_min": ('"n/a"', "qty_min", None),
    "cost_min": ("{}", "cost_min", None),
}
ABSURD_FIELDS = {
    "price_precision": ("-1", "price_decimals"),
    "qty_precision": ("21", "qty_decimals"),
    "price_increment": ("0", "price_increment"),
    "qty_increment": ("-0.001", "qty_increment"),
    "qty_min": ('"NaN"', "qty_min"),
    "cost_min": ("1e31", "cost_min"),
}


def frame(*entries: str, kind: str = "snapshot") -> bytes:
    data = f'{{"assets":[],"pairs":[{",".join(entries)}]}}'
    return f'{{"channel":"instrument","type":"{kind}","data":{data}}}'.encode()


def heard(payload: bytes) -> Instruments:
    message = parse(payload)
    assert isinstance(message, Instruments)
    return message


def altered(name: str, token: str) -> str:
    """An online pair with one field as this token."""
    fields = json.loads(pair("ODD/USD", "online"))
    fields[name] = "@"
    return json.dumps(fields).replace('"@"', token)


@pytest.mark.parametrize("name", ODD_FIELDS)
def test_a_field_of_another_type_is_missing_and_costs_nothing_else(name: str) -> None:
    token, field, expected = ODD_FIELDS[name]
    whole = heard(frame(GOOD, pair("ODD/USD", "online")))
    message = heard(frame(GOOD, altered(name, token)))
    assert message.pairs[0] == whole.pairs[0]
    assert message.unreadable == 0
    as_was, odd = whole.pairs[1], message.pairs[1]
    assert getattr(odd, field) == expected
    assert _others(odd, field) == _others(as_was, field)


@pytest.mark.parametrize("name", ABSURD_FIELDS)
def test_a_number_that_no_market_could_have_is_missing(name: str) -> None:
    token, field = ABSURD_FIELDS[name]
    (odd,) = heard(frame(altered(name, token))).pairs
    assert getattr(odd, field) is None
    assert odd.status is MarketStatus.ONLINE


def _others(instrument: Instrument, but: str) -> dict[str, Any]:
    names = Instrument.__dataclass_fields__
    return {name: getattr(instrument, name) for name in names if name != but}


@pytest.mark.parametrize("token", ["null", "5", '"half_open"', "[]"])
def test_a_status_that_nobody_can_read_is_unknown(token: str) -> None:
    (odd,) = heard(frame(altered("status", token))).pairs
    assert odd.status is MarketStatus.UNKNOWN


@pytest.mark.parametrize(
    "entry", ["null", "7", "[]", "{}", '{"symbol":null}', '{"symbol":"","status":"online"}']
)
def test_an_entry_that_names_no_market_is_counted_and_left_out(entry: str) -> None:
    message = heard(frame(entry, GOOD))
    assert [found.symbol for found in message.pairs] == [PAIR]
    assert message.unreadable == 1


def test_an_odd_pair_does_not_hide_that_another_market_closed() -> None:
    desk = Desk().live()
    desk.hear(frame(GOOD, altered("qty_precision", "8.0"), '{"status":"online"}'))
    assert [desk.reason(symbol) for symbol in (PAIR, OTHER)] == [Disbelief.MARKET_STATUS, None]
    assert desk.counts.bad_frames == 1


def test_an_update_with_an_entry_that_names_no_market_has_the_list_asked_for_again() -> None:
    desk = Desk().live()
    desk.hear(instruments("snapshot", BTC_USD="online"))
    desk.forget()
    desk.hear(frame("null", kind="update"))
    desk.tick(after_ms=600)
    assert len(desk.asked("subscribe", "instrument")) == 1


def test_a_list_whose_entries_stay_unreadable_is_not_asked_for_without_end() -> None:
    desk = Desk().live()
    desk.hear(frame("null", GOOD))
    desk.forget()
    desk.tick(after_ms=60_000)
    assert desk.asked("subscribe", "instrument") == []


def test_a_message_that_was_decoded_already_says_the_same() -> None:
    entries = [GOOD, altered("base", "null"), altered("cost_min", "1e-05"), "null"]
    decoded = json.loads(frame(*entries))["data"]
    assert instruments_of_objects(decoded, snapshot=True) == heard(frame(*entries))


@pytest.mark.parametrize("huge", [10**400, float("nan"), "\ud800", {1: {2, 3}}])
def test_a_decoded_entry_that_cannot_be_written_again_still_tells_its_status(huge: object) -> None:
    entries = [{"symbol": PAIR, "status": "online", "qty_min": huge}, json.loads(GOOD)]
    message = instruments_of_objects({"pairs": entries}, snapshot=False)
    assert [found.status.value for found in message.pairs] == ["online", "cancel_only"]
    assert message.pairs[0].qty_min is None
    assert message.pairs[1].qty_min == Decimal("0.01")


@pytest.mark.parametrize("entry", [None, 7, {"symbol": "\ud800"}, {"symbol": 10**400}])
def test_a_decoded_entry_that_names_no_market_is_counted_and_left_out(entry: object) -> None:
    message = instruments_of_objects({"pairs": [entry, json.loads(GOOD)]}, snapshot=False)
    assert ([found.symbol for found in message.pairs], message.unreadable) == ([PAIR], 1)


@pytest.mark.parametrize("data", [None, [], {}, {"pairs": None}, {"pairs": {}}])
def test_a_decoded_message_without_a_list_is_a_domain_error(data: object) -> None:
    with pytest.raises(FrameError):
        instruments_of_objects(data, snapshot=True)
