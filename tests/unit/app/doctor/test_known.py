"""The known-answer self-test finds what is planted, and each stage that is sabotaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from arbit import lane, ledger, sizing
from arbit.app.doctor_known import answers
from arbit.app.doctor_known.judge import judge
from arbit.app.doctor_known.pipeline import play
from arbit.app.doctor_known.selftest import known_answers
from arbit.app.store import DATABASE
from arbit.app.trade.trader import Trader
from arbit.app.watch import watchlist
from arbit.books import BookCache
from arbit.domain.fees import Fee
from arbit.domain.plan import Plan
from arbit.domain.refusal import RefusalCode, Refused
from arbit.execution import settling
from arbit.execution.sending import Sender
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.migrate import upgrade
from arbit.risk.gate import Gate
from arbit.risk.kill import KillSwitch
from arbit.scanner import Scanner
from arbit.venues.kraken import levels, session
from arbit.venues.kraken.private import ws_orders
from arbit.venues.kraken.session import KrakenSession

Patch = pytest.MonkeyPatch
LOT = Decimal("0.0001")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the newest schema, made once: that takes longer than all the rest."""
    path = tmp_path_factory.mktemp("made") / DATABASE
    upgrade(path)
    return path


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copy(made, tmp_path)
    return tmp_path


def test_a_program_that_is_well_gives_the_known_answers(tmp_path: Path) -> None:
    assert known_answers(tmp_path) == []
    assert list(tmp_path.iterdir()) == []  # it leaves nothing behind


def test_the_answers_follow_from_the_planted_books() -> None:
    """The same sums once more, by fractions and by trying every size."""
    best = max(_outcomes(), key=lambda found: found[0])
    profit, orders = best
    assert profit == Fraction(answers.PROFIT)
    assert [Fraction(one.qty) for one in answers.ORDERS] == list(orders)
    spent = sum(Fraction(q) * Fraction(p) for s, q, p, _ in answers.TRADES if s == "BTC/USD")
    assert spent == Fraction(answers.START_IN)
    assert answers.WALLET["USD"] - answers.START_USD == answers.PROFIT


def _outcomes() -> Iterator[tuple[Fraction, tuple[Fraction, ...]]]:
    """Every size of the last leg, and the fewest lots that fund it at the limits before it."""
    keep = 1 - Fraction(answers.FEE)
    for lots in range(1, 1_000):
        last = Fraction(lots, 1_000)
        gets = _walk("ETH/USD", bids=True, qty=last)
        second = Fraction(-(-(last / keep * 1_000) // 1), 1_000)
        costs = _walk("ETH/BTC", bids=False, qty=second)
        if gets is None or costs is None or costs[1] > Fraction("0.05") * Fraction("1.005"):
            continue  # no depth, or beyond the slippage allowed
        first = Fraction(-(-(second * costs[1] / keep * 10_000) // 1), 10_000)
        pays = _walk("BTC/USD", bids=False, qty=first)
        if pays is not None:
            yield gets[0] * keep - pays[0], (first, second, last)


def _walk(symbol: str, *, bids: bool, qty: Fraction) -> tuple[Fraction, Fraction] | None:
    """What so much trades for, and the worst price of it."""
    left, total, worst = qty, Fraction(0), Fraction(0)
    for price, there in answers.book_of(symbol)[0 if bids else 1]:
        part = min(left, Fraction(there))
        left, total, worst = left - part, total + part * Fraction(price), Fraction(price)
        if not left:
            return total, worst
    return None


# --- sabotage -------------------------------------------------------------------------------------


def _feed_drops_a_level(patch: Patch) -> None:
    """And takes the book all the same."""
    real = levels.apply

    def apply(book: Any, wire: Any, *, padded: bool) -> None:
        wire.asks = wire.asks[:2]
        real(book, wire, padded=padded)

    patch.setattr(session, "apply", apply)
    patch.setattr(KrakenSession, "_agrees", lambda *_: True)


def _feed_believes_any_checksum(patch: Patch) -> None:
    patch.setattr(KrakenSession, "_agrees", lambda *_: True)


def _feed_reckons_another_checksum(patch: Patch) -> None:
    patch.setattr(session, "checksum", lambda _: 1)
    patch.setattr(session, "padded_checksum", lambda _: 1)


def _cache_loses_a_book(patch: Patch) -> None:
    real = BookCache.put

    def put(self: BookCache, book: Any, **more: Any) -> None:
        if book.symbol != "BTC/USD":
            real(self, book, **more)

    patch.setattr(BookCache, "put", put)


def _cache_shows_the_top_alone(patch: Patch) -> None:
    real = BookCache.fresh

    def fresh(self: BookCache, *asked: Any) -> Any:
        view = real(self, *asked)
        return None if view is None else replace(view, bids=view.bids[:1], asks=view.asks[:1])

    patch.setattr(BookCache, "fresh", fresh)


def _scan_misses(patch: Patch) -> None:
    patch.setattr(Scanner, "scan", lambda *_: iter(()))


def _scan_sees_another_edge(patch: Patch) -> None:
    real = Scanner.scan

    def scan(self: Scanner, *asked: Any) -> Any:
        return [replace(one, edge=one.edge * 1.001) for one in real(self, *asked)]

    patch.setattr(Scanner, "scan", scan)


def _sized(patch: Patch, bend: Callable[[Plan], Plan]) -> None:
    real = sizing.size

    def size(*asked: Any) -> Any:
        found = real(*asked)
        return bend(found) if isinstance(found, Plan) else found

    patch.setattr(lane, "size", size)


def _sizing_is_one_lot_off(patch: Patch) -> None:
    def bend(plan: Plan) -> Plan:
        first = replace(plan.legs[0], qty=plan.legs[0].qty + LOT)
        return replace(plan, legs=(first, *plan.legs[1:]))

    _sized(patch, bend)


def _sizing_says_another_profit(patch: Patch) -> None:
    _sized(patch, lambda plan: replace(plan, profit=plan.profit + Decimal("0.0000001")))


def _the_fee_is_wrong(patch: Patch) -> None:
    real = watchlist.fee_of

    def fee(*asked: Any) -> Fee | None:
        found = real(*asked)
        return None if found is None else replace(found, rate=found.rate / 2)

    patch.setattr(watchlist, "fee_of", fee)


def _gate_refuses(patch: Patch) -> None:
    patch.setattr(Gate, "review", lambda *_: Refused(RefusalCode.COLLAR))


def _gate_heeds_no_kill_switch(patch: Patch) -> None:
    patch.setattr(KillSwitch, "on", lambda _: False)


def _engine_sends_twice(patch: Patch) -> None:
    real = Sender._leave

    def leave(self: Sender, order: Any) -> None:
        real(self, order)
        real(self, order)

    patch.setattr(Sender, "_leave", leave)


def _engine_sends_another_size(patch: Patch) -> None:
    real = Sender._working

    def working(self: Sender, work: Any, purpose: Any, draft: Any, deadline_ns: int) -> Any:
        return real(self, work, purpose, replace(draft, qty=draft.qty - LOT * 10), deadline_ns)

    patch.setattr(Sender, "_working", working)


def _gateway_writes_twice(patch: Patch) -> None:
    real = ws_orders.WsOrders.send

    def send(self: Any, intent: Any, venue_ns: int, token: str, write: Any) -> Any:
        def twice(frame: bytes) -> None:
            write(frame)
            write(frame)

        return real(self, intent, venue_ns, token, twice)

    patch.setattr(ws_orders.WsOrders, "send", send)


def _gateway_writes_another_price(patch: Patch) -> None:
    real = ws_orders.add_order_frame

    def frame(intent: Any, *more: Any) -> bytes:
        return real(replace(intent, limit_price=intent.limit_price * 2), *more)

    patch.setattr(ws_orders, "add_order_frame", frame)


def _ledger_forgets_fees(patch: Patch) -> None:
    real = ledger.trade_postings

    def postings(*asked: Any) -> Any:
        return tuple(one for one in real(*asked) if one.kind != ledger.FEE)

    patch.setattr(settling, "trade_postings", postings)


def _journal_loses_trades(patch: Patch) -> None:
    real = SqliteJournal.write
    patch.setattr(SqliteJournal, "write", lambda self, batch: real(self, replace(batch, trades=())))


def _journal_loses_everything(patch: Patch) -> None:
    patch.setattr(SqliteJournal, "write", lambda *_: None)


def _journal_keeps_another_amount(patch: Patch) -> None:
    real = SqliteJournal.write

    def write(self: SqliteJournal, batch: Any) -> None:
        bent = [replace(one, price=one.price + 1) for one in batch.trades]
        real(self, replace(batch, trades=tuple(bent)))

    patch.setattr(SqliteJournal, "write", write)


SABOTAGE: Sequence[tuple[str, Callable[[Patch], None]]] = (
    ("feed", _feed_drops_a_level),
    ("feed", _feed_believes_any_checksum),
    ("feed", _feed_reckons_another_checksum),
    ("cache", _cache_loses_a_book),
    ("cache", _cache_shows_the_top_alone),
    ("scan", _scan_misses),
    ("scan", _scan_sees_another_edge),
    ("sizing", _sizing_is_one_lot_off),
    ("sizing", _sizing_says_another_profit),
    ("sizing", _the_fee_is_wrong),
    ("gate", _gate_refuses),
    ("gate", _gate_heeds_no_kill_switch),
    ("engine", _engine_sends_twice),
    ("engine", _engine_sends_another_size),
    ("gateway", _gateway_writes_twice),
    ("gateway", _gateway_writes_another_price),
    ("ledger", _ledger_forgets_fees),
    ("journal", _journal_loses_trades),
    ("journal", _journal_loses_everything),
    ("journal", _journal_keeps_another_amount),
)


@pytest.mark.parametrize(("stage", "plant"), SABOTAGE, ids=lambda one: getattr(one, "__name__", ""))
def test_a_sabotaged_stage_is_named(
    stage: str, plant: Callable[[Patch], None], folder: Path, monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    assert [one.stage for one in judge(play(folder))][:1] == [stage]


def test_an_error_of_ours_is_a_finding_and_no_traceback(folder: Path, monkeypatch: Patch) -> None:
    def drain(*_: Any) -> None:
        raise ZeroDivisionError("of our own")

    monkeypatch.setattr(Trader, "drain", drain)
    assert "ZeroDivisionError: of our own" in [one.said for one in judge(play(folder))]
