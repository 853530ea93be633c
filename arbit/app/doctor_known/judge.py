"""Compares what was seen with the known answers, stage by stage: the first that differs counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from arbit.app.doctor_known import answers
from arbit.app.doctor_known.answers import ORDERS, PATH, TRADES
from arbit.app.doctor_known.seen import Seen, Sides, order_of, sent_order
from arbit.domain.cycle import CycleState
from arbit.domain.events import EpisodeEnded
from arbit.domain.order import OrderState, Trade
from arbit.domain.plan import Plan
from arbit.domain.recorded import Recorded
from arbit.domain.records import Book
from arbit.domain.refusal import RefusalCode

CLOSE_BPS = 1e-6  # the scanner alone reckons in floats
PAYS = frozenset({"net", "fits", "survives", "filled"})


@dataclass(frozen=True, slots=True)
class Wrong:
    """A stage of the pipeline that gave another answer than it must."""

    stage: str
    said: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.said}"


def judge(seen: Seen) -> list[Wrong]:
    """What is wrong, in the order in which a quote becomes a row; empty when all is as it must be.

    What follows the first is mostly its consequence.
    """
    return [Wrong(stage, said) for stage, look in STAGES if (said := look(seen))]


def _feed(seen: Seen) -> str:
    if seen.counts is not None and seen.counts.failed != 1:
        return f"of one book under a wrong checksum it refused {seen.counts.failed}"
    return _books(seen.told) or _same("frames that make no sense", 0, _bad_frames(seen))


def _bad_frames(seen: Seen) -> int:
    return 0 if seen.counts is None else seen.counts.bad_frames


def _cache(seen: Seen) -> str:
    return _books(seen.cached)


def _books(books: Mapping[str, Sides]) -> str:
    """How these books differ from the planted ones."""
    for one in answers.MARKETS:
        sides = books.get(one.symbol)
        if sides is None:
            return f"there is no book of {one.symbol}"
        for name, rows, held in zip(
            ("bids", "asks"), answers.book_of(one.symbol), sides, strict=True
        ):
            planted = tuple((Decimal(price), Decimal(qty)) for price, qty in rows)
            if held != planted:
                return f"{name} of {one.symbol}: expected {_rows(planted)}, held {_rows(held)}"
    return ""


def _rows(rows: Iterable[tuple[Decimal, Decimal]]) -> str:
    return ", ".join(f"{price} x {qty}" for price, qty in rows) or "none"


def _scan(seen: Seen) -> str:
    ended = [one for one in seen.events if isinstance(one, EpisodeEnded)]
    found = [one for one in ended if one.stage in PAYS]
    paths = sorted({one.path for one in found})
    if paths != [PATH]:
        return f"expected a gap that pays on {PATH} alone, saw {', '.join(paths) or 'none'}"
    best_bps = max(one.best_bps for one in found)
    if abs(best_bps - answers.GROSS_BPS) > CLOSE_BPS:
        return f"the gap is {answers.GROSS_BPS} bps, {best_bps:.9f} were seen"
    return ""


def _sizing(seen: Seen) -> str:
    if not seen.plans:
        why = ", ".join(seen.unfit) or "nobody said why"
        return f"no size was found ({why})"
    plan = seen.plans[0][0]
    return (
        _same("the legs", ORDERS, _legs(plan))
        or _same("what it starts with", answers.START_IN, plan.start_in)
        or _same("the profit", answers.PROFIT, plan.profit)
        or _same("the profit at the limits", answers.PROFIT_AT_LIMITS, plan.profit_at_limits)
    )


def _legs(plan: Plan) -> tuple[answers.Order, ...]:
    return tuple(
        answers.Order(one.leg.symbol, one.leg.side.value, one.qty, one.limit_price)
        for one in plan.legs
    )


def _gate(seen: Seen) -> str:
    if seen.plans and (refused := seen.plans[0][1]) is not None:
        return f"it refused what it must let pass: {refused}"
    if not seen.asked_while_killed:
        return "it was never asked"
    if seen.killed is None or seen.killed.code is not RefusalCode.KILL_SWITCH:
        return f"the kill switch was on, and it said {seen.killed or 'yes'}"
    if seen.unkilled is None or seen.unkilled.code is not RefusalCode.BREAKER:
        return f"nobody had resumed after the kill, and it said {seen.unkilled or 'yes'}"
    return ""


def _before_bytes(seen: Seen) -> str:
    if not seen.unknown:
        return ""
    return f"orders left that it did not know of: {', '.join(seen.unknown)}"


def _sends(seen: Seen) -> str:
    """Each order in its turn, and none a second time."""
    ids = [one.client_id for one in seen.sent]
    return _same("ids of their own", len(ids), len(set(ids))) or _same(
        "orders", ORDERS[: len(ids)], _sent(seen)
    )


def _gateway(seen: Seen) -> str:
    """What has arrived is what was sent, in the words that an immediate order needs."""
    arrived, sent = seen.arrived, seen.sent
    fees = ["base" if one.side == "buy" else "quote" for one in sent]
    ids = [one.client_id for one in sent], [one.client_id for one in arrived]
    return (
        _same("their ids", *ids)
        or _same("orders that arrived", _sent(seen), tuple(one.order for one in arrived))
        or _same(
            "their terms", [("limit", "ioc", fee) for fee in fees], [one.terms for one in arrived]
        )
    )


def _engine(seen: Seen) -> str:
    return _same("orders", ORDERS, _sent(seen)) or _same("ends of cycles", {"done": 1}, seen.ends)


def _sent(seen: Seen) -> tuple[answers.Order, ...]:
    return tuple(map(sent_order, seen.sent))


def _ledger(seen: Seen) -> str:
    return (
        _same("the venue's balances", answers.WALLET, seen.venue_wallet)
        or _same("balances", answers.WALLET, seen.ledger_wallet)
        or _same("the profit", {"USD": answers.PROFIT}, seen.profit)
        or seen.ledger_wrong
        or _same("the breaker", "active", seen.breaker)
    )


def _journal(seen: Seen) -> str:
    if seen.findings:
        return seen.findings[0]
    kept = seen.recorded
    if kept is None:
        return "nothing can be read of it"
    return (
        _same("orders", ORDERS, tuple(order_of(one.intent) for one in kept.orders))
        or _same("how they ended", [OrderState.FILLED] * 3, [one.state for one in kept.orders])
        or _same("trades", TRADES, tuple(map(_trade, kept.trades)))
        or _same(
            "cycles",
            [(CycleState.DONE, answers.PROFIT)],
            [(one.state, one.profit) for one in kept.cycles],
        )
        or _same("balances", answers.WALLET, _wallet(kept))
    )


def _trade(trade: Trade) -> tuple[str, Decimal, Decimal, Decimal]:
    return trade.symbol, trade.qty, trade.price, sum((fee for _, fee in trade.fees), Decimal(0))


def _wallet(kept: Recorded) -> dict[str, Decimal]:
    """What its postings add up to, by asset."""
    sums: dict[str, Decimal] = {}
    for one in kept.postings:
        if one.book is Book.WALLET:
            sums[one.asset] = sums.get(one.asset, Decimal(0)) + one.amount
    return {asset: amount for asset, amount in sums.items() if amount}


def _end(seen: Seen) -> str:
    return seen.stuck or "; ".join(seen.broke) or seen.left


def _same(what: str, expected: object, found: object) -> str:
    return "" if expected == found else f"{what}: expected {_said(expected)}, found {_said(found)}"


def _said(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_said, value))}]"
    if isinstance(value, Mapping):
        return ", ".join(f"{_said(one)} {name}" for name, one in sorted(value.items())) or "none"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


STAGES: tuple[tuple[str, Callable[[Seen], str]], ...] = (
    ("feed", _feed),
    ("cache", _cache),
    ("scan", _scan),
    ("sizing", _sizing),
    ("gate", _gate),
    ("journal", _before_bytes),
    ("engine", _sends),
    ("gateway", _gateway),
    ("engine", _engine),
    ("ledger", _ledger),
    ("journal", _journal),
    ("end", _end),
)
