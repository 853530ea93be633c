"""One pair's order book with price-time priority. Integers only; never crossed, never locked.

Everything that changes a level is recorded in ``touched`` until ``take_touched`` is called, so
the market can say what changed without comparing books.
"""

from bisect import bisect_left, insort
from typing import Final, NamedTuple

BID: Final = 0
ASK: Final = 1
SIDE_NAMES: Final = ("bid", "ask")


class Order:
    """A resting order. ``qty`` is what is left; 0 means gone."""

    __slots__ = ("owner", "price", "qty", "side", "tag")

    def __init__(self, owner: str, side: int, price: int, qty: int, tag: str = "") -> None:
        self.owner = owner
        self.side = side
        self.price = price
        self.qty = qty
        self.tag = tag


class Fill(NamedTuple):
    """One match: at the resting order's price, with its owner's name and its tag."""

    price: int
    qty: int
    maker: str
    tag: str = ""


class Incoming(NamedTuple):
    """A limit order to match. ``tag`` is its owner's word for it: tagged fills are told.

    With ``avoid_own`` matching stops before a resting order of the same owner.
    """

    owner: str
    side: int
    price: int
    qty: int
    rests: bool = False
    tag: str = ""
    avoid_own: bool = False


class Submission(NamedTuple):
    """What became of a submitted order: its fills, and what rests (None if nothing does).

    ``blocked`` is the own resting order that matching stopped at; nothing rests then.
    """

    fills: list[Fill]
    resting: Order | None
    blocked: Order | None = None


class _Level:
    __slots__ = ("orders", "total")

    def __init__(self) -> None:
        self.orders: list[Order] = []  # first come first; a handful at most
        self.total = 0


class Book:
    """Two sides of price levels, each a first-in first-out queue."""

    def __init__(self) -> None:
        # Keys are signed so that the best price of either side is the smallest key.
        self._keys: tuple[list[int], list[int]] = ([], [])
        self._levels: tuple[dict[int, _Level], dict[int, _Level]] = ({}, {})
        self.touched: dict[tuple[int, int], None] = {}

    def best(self, side: int) -> int | None:
        """Best price of a side, or None when it is empty."""
        keys = self._keys[side]
        if not keys:
            return None
        return -keys[0] if side == BID else keys[0]

    def qty_at(self, side: int, price: int) -> int:
        """Total quantity resting at a price; 0 when there is no such level."""
        level = self._levels[side].get(price)
        return 0 if level is None else level.total

    def top(self, side: int, depth: int) -> list[tuple[int, int]]:
        """At most ``depth`` levels as ``(price, total quantity)``, best first."""
        levels = self._levels[side]
        if side == BID:
            return [(-key, levels[-key].total) for key in self._keys[BID][:depth]]
        return [(key, levels[key].total) for key in self._keys[ASK][:depth]]

    def level_count(self, side: int) -> int:
        """How many price levels a side has."""
        return len(self._keys[side])

    def submit(self, owner: str, side: int, price: int, qty: int, *, rests: bool) -> Submission:
        """Match a limit order by price then time; the rest stays only if ``rests`` (else IOC)."""
        return self.take(Incoming(owner, side, price, qty, rests))

    def take(self, incoming: Incoming) -> Submission:
        """Match an order with all its wishes; see ``Incoming``."""
        fills, blocked = self._match(incoming)
        left = incoming.qty - sum([fill.qty for fill in fills]) if fills else incoming.qty
        if left == 0 or not incoming.rests or blocked is not None:
            return Submission(fills, None, blocked)
        order = Order(incoming.owner, incoming.side, incoming.price, left, incoming.tag)
        self._rest(order)
        return Submission(fills, order)

    def reachable(self, side: int, price: int) -> int:
        """What an order of this side and limit price could trade now."""
        other = ASK if side == BID else BID
        limit = price if side == BID else -price
        total = 0
        for key in self._keys[other]:
            if key > limit:
                break
            total += self._levels[other][key if other == ASK else -key].total
        return total

    def cancel(self, order: Order) -> None:
        """Take a resting order out; harmless when it is already gone."""
        if order.qty == 0:
            return
        level = self._levels[order.side][order.price]
        level.orders.remove(order)
        level.total -= order.qty
        order.qty = 0
        self._settle_level(order.side, order.price, level)

    def take_touched(self) -> list[tuple[int, int]]:
        """The ``(side, price)`` levels changed since the last call, in order of first change."""
        touched = list(self.touched)
        self.touched.clear()
        return touched

    def _match(self, incoming: Incoming) -> tuple[list[Fill], Order | None]:
        qty = incoming.qty
        other = ASK if incoming.side == BID else BID
        limit = incoming.price if incoming.side == BID else -incoming.price
        blocked: Order | None = None
        keys, fills = self._keys[other], []
        while qty and keys and keys[0] <= limit and blocked is None:
            best = keys[0] if other == ASK else -keys[0]
            level = self._levels[other][best]
            while qty and level.orders:
                resting = level.orders[0]
                if incoming.avoid_own and resting.owner == incoming.owner:
                    blocked = resting
                    break
                traded = min(qty, resting.qty)
                qty -= traded
                resting.qty -= traded
                level.total -= traded
                fills.append(Fill(best, traded, resting.owner, resting.tag))
                if resting.qty == 0:
                    level.orders.pop(0)
            self._settle_level(other, best, level)
        return fills, blocked

    def _rest(self, order: Order) -> None:
        levels = self._levels[order.side]
        level = levels.get(order.price)
        if level is None:
            level = levels[order.price] = _Level()
            insort(self._keys[order.side], -order.price if order.side == BID else order.price)
        level.orders.append(order)
        level.total += order.qty
        self.touched[(order.side, order.price)] = None

    def _settle_level(self, side: int, price: int, level: _Level) -> None:
        self.touched[(side, price)] = None
        if level.total == 0:
            del self._levels[side][price]
            keys = self._keys[side]
            del keys[bisect_left(keys, -price if side == BID else price)]
