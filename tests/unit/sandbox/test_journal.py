"""The event log is the whole truth: a second run finds everything, a torn end is cut."""

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arbit.sandbox.book import ASK
from arbit.sandbox.exchange import Account, Exchange, OrderRequest
from arbit.sandbox.ids import Ids
from arbit.sandbox.journal import EventLog
from arbit.sandbox.keys import TRADE_KEY
from arbit.sandbox.market import Market

START = 1_790_000_000_000_000_000


OPEN: list[EventLog] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def run(path: Path, seed: int = 7, at_ns: int = START) -> Exchange:
    OPEN.append(EventLog(path))
    return Exchange(Market("calm", seed), OPEN[-1], start_ns=at_ns)


def main_of(exchange: Exchange) -> Account:
    account = exchange.account_of(TRADE_KEY)
    assert account is not None
    return account


def trade(exchange: Exchange, price: str = "", tif: str = "ioc", client_id: str = "") -> None:
    top = exchange.market.book("BTC/USD").top(ASK, 1)[0][0]
    request = OrderRequest(
        "BTC/USD",
        "buy",
        Decimal("0.001"),
        Decimal(price) if price else Decimal(top) / 10,
        tif,
        client_id=client_id,
    )
    exchange.add_order(main_of(exchange), request, exchange.now_ns + 1)


def memory(account: Account) -> list[Any]:
    return [
        account.balances,
        list(account.closed),
        list(account.trades),
        list(account.ledgers),
        account.volume_usd(START),
    ]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_log_whose_fills_do_not_say_what_they_moved_is_read_as_it_was_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.ndjson"
    first = run(path)
    trade(first)
    records = [{k: v for k, v in one.items() if k != "moves"} for one in lines(path)]
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    (fill,) = [one for one in records if one["kind"] == "fill"]
    again = run(path)
    usd = Decimal(10_000) - Decimal(fill["cost"]) - Decimal(fill["fee"])
    assert main_of(again).balance("USD") == usd
    assert not any(again.totals().values())


def test_a_second_run_finds_what_the_first_one_left(tmp_path: Path) -> None:
    path = tmp_path / "state" / "events.ndjson"
    first = run(path)
    trade(first, client_id="one")
    trade(first, price="50000")
    first.deposit(main_of(first), "USD", Decimal(5), START + 9)
    assert first.use_nonce(first.keys[TRADE_KEY], 41, START)
    first.log.close()
    second = run(path, seed=8, at_ns=START + 100)
    assert memory(main_of(second)) == memory(main_of(first))
    assert not second.use_nonce(second.keys[TRADE_KEY], 41, START)
    assert second.use_nonce(second.keys[TRADE_KEY], 42, START)
    trade(second)
    trades = [one.trade_id for one in main_of(second).trades]
    orders = [one.order_id for one in main_of(second).closed]
    assert len(set(trades)) == len(trades) == 2
    assert len(set(orders)) == len(orders) == 3
    assert [one.number for one in main_of(second).trades] == [1, 2]
    assert not any(second.totals().values())


def test_open_orders_are_ended_by_a_restart_and_their_holds_are_free(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    first = run(path)
    trade(first, price="50000", tif="gtc", client_id="open")
    first.log.close()
    second = run(path)
    account = main_of(second)
    assert not account.open_orders
    assert account.available("USD") == 10_000
    (ended,) = [line for line in lines(path) if line["kind"] == "end"]
    assert (ended["status"], ended["reason"], ended["cl_ord_id"]) == (
        "canceled",
        "venue restart",
        "open",
    )
    assert [one.status for one in account.closed] == ["canceled"]


def test_lines_are_numbered_without_a_gap_over_all_runs(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    for _ in range(3):
        exchange = run(path)
        trade(exchange)
        exchange.log.close()
    logged = lines(path)
    assert [line["n"] for line in logged] == list(range(1, len(logged) + 1))
    sessions = [line for line in logged if line["kind"] == "session"]
    assert [line["restart"] for line in sessions] == [False, True, True]
    openings = [line for line in logged if line["kind"] == "opening"]
    assert len(openings) == 2 * len(exchange.market.assets)


def test_a_line_is_on_disk_before_anybody_hears_of_it(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    exchange = run(path)
    seen: list[str] = []
    exchange.listeners.append(lambda _: seen.append(lines(path)[-1]["kind"]))
    trade(exchange)
    assert seen == ["accept", "accept", "fill", "fill", "fill", "end"]


@pytest.mark.parametrize("torn", [b'{"n":', b'{"n":999}', b"\xff"])
def test_a_torn_last_line_is_cut_away(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "events.ndjson"
    exchange = run(path)
    trade(exchange)
    exchange.log.close()
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert memory(main_of(run(path))) == memory(main_of(exchange))
    assert path.read_bytes().startswith(whole)
    assert lines(path)[len(whole.splitlines())]["kind"] == "session"


def test_every_cut_of_the_file_still_opens_and_adds_up(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    exchange = run(path)
    trade(exchange)
    exchange.log.close()
    whole = path.read_bytes()
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        again = run(path)
        again.log.close()
        assert not any(again.totals().values())
        assert main_of(again).balance("ETH") == 3
        for order in main_of(again).closed:
            assert order.status == ("canceled" if order.left else "closed")


def test_a_damaged_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    run(path).log.close()
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([whole[0], b"{}\n", *whole[2:]]))
    with pytest.raises(ValueError, match="line 2"):
        EventLog(path)
    path.write_bytes(b"".join([whole[0], *whole[2:]]))
    with pytest.raises(ValueError, match="record 3 follows 1"):
        EventLog(path)


def test_a_log_in_memory_keeps_its_records() -> None:
    with EventLog() as log:
        log.write("refuse", 5, "main", cl_ord_id="", words="E")
        assert [record["n"] for record in log.replay()] == [1]
        assert log.records[-1] == {
            "n": 1,
            "at": 5,
            "account": "main",
            "kind": "refuse",
            "cl_ord_id": "",
            "words": "E",
        }


def test_a_disk_that_refuses_stops_the_order(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    exchange = run(path)
    broken = Path(os.devnull).parent / "full"
    if not broken.exists():
        pytest.skip("no device that is always full here")
    good = exchange.log._file
    before, last_n = dict(main_of(exchange).balances), exchange.log.last_n
    with broken.open("wb", buffering=0) as full:
        exchange.log._file = full
        with pytest.raises(OSError, match="space"):
            trade(exchange)
    assert (main_of(exchange).balances, exchange.log.last_n) == (before, last_n)
    exchange.log._file = good
    trade(exchange)
    exchange.log.close()
    assert [line["n"] for line in lines(path)] == list(range(1, exchange.log.last_n + 1))


def test_ids_have_the_venues_shape_and_never_repeat() -> None:
    ids = Ids(3)
    made = [ids.order(count) for count in range(1, 5_000)]
    assert len(set(made)) == len(made)
    assert [len(part) for part in made[0].split("-")] == [6, 5, 6]
    assert made[0][0] == "O"
    assert ids.trade(1)[1:] != made[0][1:]
    assert Ids(3).order(1) == made[0] != Ids(4).order(1)
