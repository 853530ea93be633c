"""A cycle made up leg by leg, for whoever explains it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from arbit.attribution import Correction, Told
from arbit.domain.book import Level
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.money import EXACT, ONE
from arbit.domain.order import OrderIntent, OrderState, Trade, end_of, total
from arbit.domain.records import CycleRecord, OrderRecord, PlannedRecord, Purpose
from arbit.domain.route import ConversionKind
from arbit.domain.triangle import Leg, Side
from arbit.domain.walk import LegWalk, Levels, Seen, walk

D = Decimal
FEE = D("0.004")
LEGS = (
    Leg("BTC/USD", Side.BUY, "USD", "BTC"),
    Leg("ETH/BTC", Side.BUY, "BTC", "ETH"),
    Leg("ETH/USD", Side.SELL, "ETH", "USD"),
)
# Books of the decision: one level and one behind it, a leg each.
BOOKS: tuple[Levels, ...] = (
    (Level(D(50_000), D("0.5")), Level(D(50_010), D(5))),
    (Level(D("0.06"), D(8)), Level(D("0.0601"), D(50))),
    (Level(D(3_100), D(8)), Level(D(3_099), D(50))),
)
PLANNED = (D("0.6"), D("9.9"), D("9.85"))
LIMITS = (D(50_010), D("0.0601"), D(3_099))


@dataclass(slots=True)
class Made:
    """A cycle of `LEGS` that is filled as it goes; whatever is not said went as planned."""

    legs: tuple[Leg, ...] = LEGS
    books: tuple[Levels, ...] = BOOKS
    planned: tuple[Decimal, ...] = PLANNED
    limits: tuple[Decimal, ...] = LIMITS
    policy: Policy = Policy.SEQUENTIAL
    kind: ConversionKind | None = None
    orders: list[OrderRecord] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    walks: list[LegWalk] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)

    def leg(
        self,
        index: int,
        *,
        qty: Decimal | None = None,
        sent: Levels | None = None,
        fills: Levels | None = None,
        state: OrderState | None = None,
    ) -> Made:
        """Leg `index` leaves for `qty` into the book `sent` and is filled at `fills`."""
        leg, asked = self.legs[index - 1], self.planned[index - 1] if qty is None else qty
        seen = walk(self.books[index - 1] if sent is None else sent, asked)
        done = seen if fills is None else fills
        self.walks.append(LegWalk("c", index, Seen.SENT, seen))
        self._order(f"o{index}", leg, asked, (Purpose.LEG, index), done, state)
        return self

    def home(self, leg: Leg, fills: Levels) -> Made:
        """An order home."""
        asked = total(level.qty for level in fills)
        self._order(f"u{len(self.orders)}", leg, asked, (Purpose.UNWIND, 0), fills, None)
        return self

    def _order(
        self,
        name: str,
        leg: Leg,
        asked: Decimal,
        what: tuple[Purpose, int],
        fills: Levels,
        state: OrderState | None,
    ) -> None:
        purpose, index = what
        limit = self.limits[index - 1] if index else ONE
        done: list[Trade] = []
        for n, level in enumerate(fills):
            cost = EXACT.multiply(level.price, level.qty)
            gross = level.qty if leg.side is Side.BUY else cost
            fees = ((leg.receive, EXACT.multiply(gross, FEE)),)
            trade_id = f"{name}-{n}"
            trade = (trade_id, "", name, leg.symbol, leg.side, level.qty, level.price, cost, fees)
            done.append(Trade(*trade, at_ns=n))
        intent = OrderIntent(name, leg, asked, limit, FEE)
        end = state or end_of(asked, done)
        order = (intent, "c", purpose, index, 1, "ws", end, leg.spend, intent.most_spent)
        self.orders.append(OrderRecord(*order))
        self.trades += done

    @property
    def told(self) -> Told:
        rows = zip(self.legs, self.planned, self.limits, strict=True)
        plan = tuple(PlannedRecord(leg, qty, limit, FEE) for leg, qty, limit in rows)
        record = CycleRecord("c", self.policy, CycleState.DONE, plan, 1, 2, kind=self.kind)
        decided = [
            LegWalk("c", n, Seen.DECIDED, walk(book, qty))
            for n, (book, qty) in enumerate(zip(self.books, self.planned, strict=True), start=1)
        ]
        walks = [*decided, *self.walks]
        return Told(record, self.orders, self.trades, walks, self.corrections)
