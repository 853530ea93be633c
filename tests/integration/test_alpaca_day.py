"""A short day at an Alpaca of our own agrees to the last digit; what would not agree is told."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.alpaca_day.__main__ import traded
from tests.alpaca_day.desk import AlpacaDesk, Day, verdict
from tests.checker import Database, Exchange

CYCLES = 3


@dataclass(frozen=True)
class Traded:
    """What the command told of the day, and both sides' files as they were read."""

    told: dict[str, Any]
    exchange: Exchange
    database: Database


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traded]:
    folder: Path = tmp_path_factory.mktemp("day") / "desk"
    short = Day(cycles=CYCLES, rounding="down", post_after_s=3600, limit_s=120)
    with AlpacaDesk(folder, short) as desk:
        told = traded(desk)
        yield Traded(told, *desk.read())


def test_every_order_fill_and_fee_is_found_and_balances_are_equal(day: Traded) -> None:
    told = day.told
    assert told["findings"] == []
    assert told["cycles"] >= CYCLES
    # One whose price ran away is at home again after two.
    assert told["orders"] == told["orders_at_the_exchange"] >= 2 * CYCLES
    assert told["fills"] == told["fills_at_the_exchange"] >= 2 * CYCLES
    assert told["fees_posted"] == told["fees_booked"] == told["fills"]
    assert told["pending_left"] == 0
    assert {"USD", "BTC"} <= told["differences"].keys()
    assert {Decimal(by) for by in told["differences"].values()} == {Decimal(0)}


def a_fill_row_lost(_exchange: Exchange, database: Database) -> None:
    database.fills.popitem()


def a_fill_unknown_to_the_exchange(exchange: Exchange, _database: Database) -> None:
    exchange.fills.popitem()


def an_order_row_lost(_exchange: Exchange, database: Database) -> None:
    database.orders.popitem()


def a_fee_taken_that_is_a_unit_more(exchange: Exchange, _database: Database) -> None:
    fill = next(iter(exchange.fills.values()))
    fill["fee"] = str(Decimal(fill["fee"]) + Decimal("0.000000002"))


def a_posted_fee_kept_otherwise(_exchange: Exchange, database: Database) -> None:
    row = next(iter(database.posted.values()))
    row["fee"] = str(Decimal(row["fee"]) + Decimal("0.000000001"))


def a_posted_fee_lost(_exchange: Exchange, database: Database) -> None:
    database.posted.popitem()


def a_fee_that_waits_for_ever(_exchange: Exchange, database: Database) -> None:
    next(iter(database.late.values()))["ref"] = ""


def a_fee_never_posted(exchange: Exchange, _database: Database) -> None:
    exchange.posted.popitem()


def a_late_fee_not_booked(_exchange: Exchange, database: Database) -> None:
    lines = [one for one in database.ledger if one["kind"] == "late_fee"]
    assert lines, "no guess of this day was off: the test needs one that was"
    database.ledger = [one for one in database.ledger if one["ref"] != lines[0]["ref"]]


def a_balance_off_by_the_last_digit(exchange: Exchange, _database: Database) -> None:
    exchange.balances["BTC"] += Decimal("0.000000001")


def an_order_accepted_twice(exchange: Exchange, _database: Database) -> None:
    client_id = next(one for one in exchange.accepted_ids)
    exchange.accepted_ids[client_id] += 1


def an_order_sent_twice(exchange: Exchange, _database: Database) -> None:
    exchange.requested.append(exchange.requested[0])


def a_cycle_that_earned_something_else(_exchange: Exchange, database: Database) -> None:
    row = next(one for one in database.cycles.values() if one["ended_ns"])
    row["profit"] = str(Decimal(row["profit"]) + Decimal("0.01"))


PLANTED: tuple[tuple[Callable[[Exchange, Database], None], str], ...] = (
    (a_fill_row_lost, ": lost"),
    (a_fill_unknown_to_the_exchange, ": invented"),
    (an_order_row_lost, "on the wire, but not in the database"),
    (a_fee_taken_that_is_a_unit_more, " there, "),
    (a_posted_fee_kept_otherwise, "posted fee "),
    (a_posted_fee_lost, "is not kept"),
    (a_fee_that_waits_for_ever, "1 wait"),
    (a_fee_never_posted, "1 not posted"),
    (a_late_fee_not_booked, "more at the exchange"),
    (a_balance_off_by_the_last_digit, "BTC: 0.000000001"),
    (an_order_accepted_twice, "accepted 2 times"),
    (an_order_sent_twice, "sent 2 times"),
    (a_cycle_that_earned_something_else, "its fills say"),
)


@pytest.mark.parametrize(("plant", "said"), PLANTED)
def test_what_does_not_agree_is_told(
    day: Traded, plant: Callable[[Exchange, Database], None], said: str
) -> None:
    exchange, database = copy.deepcopy(day.exchange), copy.deepcopy(day.database)
    assert verdict(exchange, database, CYCLES)["findings"] == []
    plant(exchange, database)
    found = verdict(exchange, database, CYCLES)["findings"]
    assert any(said in one for one in found), found


def test_fewer_cycles_than_were_asked_for_are_told(day: Traded) -> None:
    told = verdict(day.exchange, day.database, 999)
    assert told["findings"] == [f"cycles: {told['cycles']} of 999"]
