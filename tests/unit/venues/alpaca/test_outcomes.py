"""What each answer to an order proves, with bodies as they were recorded."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from arbit.domain.order import OrderState, Remedy
from arbit.venues.alpaca.outcomes import RULES, judge
from tests.unit.venues.alpaca.venue import answer

NO, PERHAPS = OrderState.REJECTED, OrderState.UNKNOWN
DATA = Path(os.environ.get("SHARED_DATA", "nowhere"))

# The first block is recorded; the others are from docs.alpaca.markets or made of them.
TABLE: list[tuple[int, Any, OrderState, Remedy]] = [
    (
        403,
        {
            "available": "87.84",
            "balance": "87.84",
            "code": 40310000,
            "message": "insufficient balance for USD (requested: 1000, available: 87.84)",
            "symbol": "USD",
        },
        NO,
        Remedy.RESYNC,
    ),
    (
        403,
        {
            "message": "insufficient balance for USD (requested: 134.58, available: 6.71, "
            "balance: -8287.81)"
        },
        NO,
        Remedy.RESYNC,
    ),
    (
        403,
        {"code": 40310000, "message": "cost basis must be >= minimal amount of order 10"},
        NO,
        Remedy.NONE,
    ),
    (422, {"message": "asset MKR/USD is not active"}, NO, Remedy.STATUS),
    (429, {"message": "too many requests."}, NO, Remedy.BACK_OFF),
    (504, {"message": "backend request timeout"}, PERHAPS, Remedy.BACK_OFF),
    # documented
    (403, {"code": 40310000, "message": "insufficient qty available for order"}, NO, Remedy.RESYNC),
    (403, {"code": 40310000, "message": "insufficient buying power"}, NO, Remedy.RESYNC),
    (
        403,
        {"code": 40310000, "message": "potential wash trade detected. use complex orders"},
        NO,
        Remedy.NONE,
    ),
    (401, {"code": 40110000, "message": "request is not authorized"}, NO, Remedy.HALT),
    (403, {"message": "forbidden."}, NO, Remedy.HALT),
    (422, {"code": 40010001, "message": "invalid time_in_force"}, NO, Remedy.NONE),
    (422, {"code": 42210000, "message": "qty must be > 0"}, NO, Remedy.NONE),
    (429, {"code": 42910000, "message": "rate limit exceeded"}, NO, Remedy.BACK_OFF),
    (404, {"code": 40410000, "message": "asset not found for XYZ/USD"}, NO, Remedy.STATUS),
    (400, {"code": 40010000, "message": "request body format is invalid"}, NO, Remedy.NONE),
    (
        403,
        {"code": 40310000, "message": "new orders are rejected by user request"},
        NO,
        Remedy.HALT,
    ),
    # an order of this id is there
    (422, {"code": 40010001, "message": "client_order_id must be unique"}, PERHAPS, Remedy.NONE),
    (422, {"code": 42210000, "message": "Client Order ID already used"}, PERHAPS, Remedy.NONE),
    (422, {"message": "duplicate order"}, PERHAPS, Remedy.NONE),
    # not in the list
    (403, {"code": 40310000, "message": "something nobody has documented"}, PERHAPS, Remedy.NONE),
    (403, {"code": 40310099, "message": "insufficient balance for USD"}, PERHAPS, Remedy.NONE),
    (422, {"code": 99999999, "message": "qty must be > 0"}, PERHAPS, Remedy.NONE),
    (422, {"code": "42210000", "message": "qty must be > 0"}, PERHAPS, Remedy.NONE),
    (422, {"code": 42210000, "message": ""}, PERHAPS, Remedy.NONE),
    (422, {"code": 42210000}, PERHAPS, Remedy.NONE),
    (422, ["qty must be > 0"], PERHAPS, Remedy.NONE),
    (404, {"code": 40410000, "message": "endpoint not found"}, PERHAPS, Remedy.NONE),
    (404, b"<html>404</html>", PERHAPS, Remedy.NONE),
    (401, b"<html>who are you</html>", PERHAPS, Remedy.HALT),
    (429, b"slow down", PERHAPS, Remedy.BACK_OFF),
    (403, b"<html>blocked</html>", PERHAPS, Remedy.NONE),
    (403, b'{"code": 40310000, "message": "insufficient bal', PERHAPS, Remedy.NONE),
    (500, {"code": 50010000, "message": "internal server error"}, PERHAPS, Remedy.BACK_OFF),
    (500, {"code": 40310000, "message": "insufficient balance for USD"}, PERHAPS, Remedy.BACK_OFF),
    (502, b"", PERHAPS, Remedy.BACK_OFF),
    (503, b"maintenance", PERHAPS, Remedy.BACK_OFF),
    (200, b"", PERHAPS, Remedy.NONE),
    (200, [], PERHAPS, Remedy.NONE),
    (201, {"id": "1"}, PERHAPS, Remedy.NONE),
    (204, b"", PERHAPS, Remedy.NONE),
    (302, b"", PERHAPS, Remedy.NONE),
]


@pytest.mark.parametrize(("status", "body", "state", "remedy"), TABLE)
def test_an_answer_proves_what_the_table_says(
    status: int, body: Any, state: OrderState, remedy: Remedy
) -> None:
    verdict = judge(answer(status, body))
    assert (verdict.state, verdict.remedy) == (state, remedy)
    assert verdict.words.startswith(str(status))
    assert len(verdict.words) <= 300


def test_an_acceptance_brings_its_order_along() -> None:
    verdict = judge(answer(200, {"id": "1", "qty": 0.1}))
    assert (verdict.state, str(verdict.order["qty"])) == (OrderState.ACKED, "0.1")


def test_a_wash_trade_names_the_order_that_it_would_have_met() -> None:
    said = {"code": 40310000, "message": "potential wash trade detected", "existing_order_id": "o1"}
    assert judge(answer(403, said)).words == "403 potential wash trade detected (against o1)"


def test_every_rule_is_used_by_an_answer_of_the_table() -> None:
    used = set()
    for status, body, state, _ in TABLE:
        if state is not NO:
            continue
        fits = [
            number
            for number, rule in enumerate(RULES)
            if rule.status == status
            and body.get("code") in rule.codes
            and rule.words.fullmatch(body["message"])
        ]
        used.add(fits[0])
    assert used == set(range(len(RULES)))


@pytest.mark.skipif(not (DATA / "alpaca").is_dir(), reason="no recorded bodies here")
def test_every_recorded_refusal_of_an_order_is_one() -> None:
    found = json.loads((DATA / "alpaca" / "rest_bodies.json").read_text("utf-8"))
    refusals = [
        (one["http"], one.get("body") or {"message": one["body_message"]})
        for one in found["errors_verbatim_from_other_public_repos"]
        if one["http"] != 404  # of a question
    ]
    assert len(refusals) >= 4
    assert {judge(answer(status, body)).state for status, body in refusals} == {NO}
