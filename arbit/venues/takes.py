"""Displayed liquidity is filled once: what paper took, and what of it is still not ours to take.

What paper takes stays on display, because the real book never noticed. So the exchange remembers
how much it took at each (symbol, side, price) and offers only what is displayed beyond that:

- a level that grows offers its growth: that is new liquidity;
- a level that shrinks below what was taken has that memory cut to what is left of it: no more than
  all of it can be ours, and what is added later is new;
- a level that leaves the book is forgotten. It has left when it is absent although a worse price
  is displayed: a level deeper than all that is displayed may merely be out of sight, and is
  remembered for ten minutes more.

Each rule only ever frees liquidity that the book was seen to renew, so a change that nobody
reported (`books_moved`) makes paper more careful, never more generous.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, Inexact

from arbit.domain.book import BookView, Level
from arbit.domain.money import ZERO, floor_to
from arbit.domain.order import OrderIntent
from arbit.domain.triangle import Side

FORGET_NS = 600 * 1_000_000_000  # a taken level out of sight for so long is forgotten

# Amounts are exact: a digit that did not fit would be an error here, not a rounding.
_BOOKS = Context(prec=400, traps=[Inexact])


class Takes:
    """How much was taken at each displayed level, by (symbol, side) and price. See the top."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._taken: dict[tuple[str, Side], dict[Decimal, Decimal]] = {}
        self._in_sight_ns: dict[tuple[str, Side], dict[Decimal, int]] = {}

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether no further level can be remembered: then none can be filled."""
        return self._count >= self._most

    def has(self, symbol: str) -> bool:
        """Whether anything taken on this symbol is still remembered."""
        return (symbol, Side.BUY) in self._taken or (symbol, Side.SELL) in self._taken

    def settle(self, book: BookView, now_ns: int) -> None:
        """Adjust what is remembered of this symbol to the book as it is displayed now."""
        for side in Side:
            taken = self._taken.get((book.symbol, side))
            if taken is None:
                continue
            levels = book.facing(side)
            displayed = {level.price for level in levels}
            before = self._in_sight_ns.get((book.symbol, side), {})
            seen = {p: now_ns if p in displayed else before.get(p, now_ns) for p in taken}
            kept = {
                price: qty
                for price, qty in _still_taken(taken, levels, side).items()
                if now_ns - seen[price] <= FORGET_NS
            }
            self._count -= len(taken) - len(kept)
            if kept:
                self._taken[book.symbol, side] = kept
                self._in_sight_ns[book.symbol, side] = {price: seen[price] for price in kept}
            else:
                del self._taken[book.symbol, side]
                self._in_sight_ns.pop((book.symbol, side), None)

    def take(self, book: BookView, intent: OrderIntent, lot: Decimal) -> tuple[Decimal, Decimal]:
        """Take up to the order's quantity within its limit: the base and the quote units traded.

        Less than the whole order is cut down to whole lots, as an order on a venue would be.
        """
        side = intent.leg.side
        taken = self._taken.get((book.symbol, side), {})
        offered: list[Level] = []
        for level in book.facing(side):
            if not _within_limit(level.price, intent):
                break
            left = _BOOKS.subtract(level.qty, taken.get(level.price, ZERO))
            if left > 0 and (level.price in taken or self._count + len(offered) < self._most):
                offered.append(Level(level.price, left))
        depth = ZERO
        for level in offered:
            depth = _BOOKS.add(depth, level.qty)
        wanted = intent.qty if depth >= intent.qty else floor_to(depth, lot)
        return wanted, self._mark(book.symbol, side, offered, wanted)

    def _mark(self, symbol: str, side: Side, offered: list[Level], wanted: Decimal) -> Decimal:
        """Remember `wanted` as taken from these levels; returns what it trades for."""
        quote, left = ZERO, wanted
        for level in offered:
            if not left:
                break
            part = min(left, level.qty)
            taken = self._taken.setdefault((symbol, side), {})
            self._count += level.price not in taken
            taken[level.price] = _BOOKS.add(taken.get(level.price, ZERO), part)
            quote = _BOOKS.fma(part, level.price, quote)
            left = _BOOKS.subtract(left, part)
        return quote


def _within_limit(price: Decimal, intent: OrderIntent) -> bool:
    if intent.leg.side is Side.BUY:
        return price <= intent.limit_price
    return price >= intent.limit_price


def _still_taken(
    taken: Mapping[Decimal, Decimal], levels: tuple[Level, ...], side: Side
) -> dict[Decimal, Decimal]:
    """What stays taken on a side that displays these levels."""
    displayed = {level.price: level.qty for level in levels}
    kept = {}
    for price, qty in taken.items():
        left = displayed.get(price)
        if left is not None:
            kept[price] = min(qty, left)
        elif not levels or _beyond(price, levels[-1].price, side):
            kept[price] = qty
    return kept


def _beyond(price: Decimal, deepest: Decimal, side: Side) -> bool:
    """Whether the price is deeper than all that is displayed on the side a taker of `side` eats."""
    return price > deepest if side is Side.BUY else price < deepest
