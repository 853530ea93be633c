"""The venue of Alpaca's house: the sandbox's own Alpaca in memory and in virtual time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from types import SimpleNamespace
from typing import Any

from arbit.domain.book import Integrity
from arbit.sandbox.alpaca.house import FeePosting, House
from arbit.sandbox.alpaca.matching import HouseHooks
from arbit.sandbox.alpaca.trading import Trading
from arbit.sandbox.alpaca.updates import TradeUpdates
from arbit.sandbox.instruments import Instrument as Listed
from arbit.sandbox.journal import EventLog
from arbit.sandbox.keys import MAIN, TRADING, ApiKey
from arbit.sandbox.options import SandboxOptions
from arbit.sandbox.orders import VenueOrder
from arbit.sandbox.profiles import Profile
from arbit.sandbox.stats import Stats
from arbit.venues.dial import FrameHandler
from tests.simulation import canaries
from tests.simulation.alpaca import market
from tests.simulation.alpaca.line import UpdatesLine
from tests.simulation.clock import WALL_START_NS
from tests.simulation.loop import SECOND_NS, Process
from tests.simulation.swarm import SwarmHooks
from tests.simulation.venue import SimVenue
from tests.simulation.wire import Line

PER_MINUTE = 200
UNIT = Decimal("1e-9")
MINE = "ab"


class AlpacaHooks(SwarmHooks, HouseHooks):
    """Matching and fees, bent by chance. `beyond_bps` is taken beyond the rate that is known."""

    beyond_bps = Decimal(0)
    rounding = ROUND_HALF_UP
    rough_costs = False
    overcharged: Callable[[], None] = staticmethod(lambda: None)

    def accept_delay_ns(self, order: VenueOrder) -> int:
        """An order is answered as accepted before it meets its book."""
        return max(super().accept_delay_ns(order), 1) if _ours(order) else 1

    def fill_share(self, order: VenueOrder) -> Decimal:
        return super().fill_share(order) if _ours(order) else Decimal(1)

    def fee_beyond(self, order: VenueOrder) -> Decimal:
        if self.beyond_bps and _ours(order):
            self.overcharged()
        return self.beyond_bps

    def fee_rounding(self) -> str:
        return self.rounding

    def booked(self, cost: Decimal) -> Decimal:
        return cost.quantize(UNIT, self.rounding) if self.rough_costs else cost

    def rejects(self, order: VenueOrder) -> bool:
        return _ours(order) and self._swarm.strikes("engine_rejects")


class NoFaults:
    """In the place of the sandbox's own: what strikes here is the swarm's business."""

    def find(self, *_: Any, **__: Any) -> None:
        """Nothing."""


class AlpacaVenue(SimVenue):
    """Owns the exchange and its time. `asked` counts requests by when and by which process."""

    name = "sandbox-alpaca"
    integrity = Integrity.CROSS_CHECKED
    exchange: House

    # --- made of ---------------------------------------------------------------------------------

    def _profile(self) -> Profile:
        return market.profile(self.plan.weather_hz)

    def _exchange(self) -> House:
        plan: Any = self.plan
        house = House(
            self.market,
            EventLog(None),
            taker_fee_bps=plan.fee_bps,
            balances={asset: Decimal(much) for asset, much in plan.balances.items()},
            start_ns=WALL_START_NS + self.loop.now_ns,
            posting=FeePosting(plan.post_s, plan.daily, plan.held),
        )
        made_up = house.uuids.client  # one in 256 would begin as ours do
        house.uuids.client = lambda count: f"0{made_up(count)[1:]}"  # type: ignore[method-assign]  # of one house alone
        return house

    def _hooks(self) -> AlpacaHooks:
        plan: Any = self.plan
        hooks = AlpacaHooks(self.swarm, lambda _name, _asset: Decimal(0))
        hooks.rounding = plan.rounding
        hooks.rough_costs = plan.seed % 2 == 1 and not plan.fatal
        hooks.overcharged = self._overcharges
        return hooks

    def _open_faces(self) -> None:
        plan: Any = self.plan
        key = ApiKey(canaries.KEY, canaries.SECRET, MAIN, TRADING)
        self.exchange.keys = {key.key: key}
        self.trading = Trading(self.exchange, PER_MINUTE)
        self.trading.visible = self._visible
        activities: Any = self.trading.activities
        activities.visible = self._visible_trade
        scene: Any = SimpleNamespace(
            faults=NoFaults(),
            clock=self.clock,
            stats=Stats(),
            options=SandboxOptions(binary_updates=plan.binary),
        )
        updates: Any = Updates(TradeUpdates(scene, self.exchange))
        self.stream = updates
        self.refused_until_ns = 0  # until then it knows no key
        self.limited_until_ns = 0  # until then it has had too many requests
        self.statuses: Counter[int] = Counter()
        self.on_request: Callable[[Process], None] = lambda _process: None
        self.on_status: Callable[[Process, int], None] = lambda _process, _status: None

    def _line(self, process: Process, handler: FrameHandler) -> Line:
        return UpdatesLine(self, process, handler, self._numbers)

    # --- what the world asks ---------------------------------------------------------------------

    @property
    def hooks(self) -> AlpacaHooks:
        """Those of this house."""
        hooks = self.exchange.hooks
        if not isinstance(hooks, AlpacaHooks):
            raise TypeError("another house's hooks")
        return hooks

    def terms(self, message: dict[str, Any]) -> dict[str, Any]:
        body: Mapping[str, str] = message["params"]
        return {
            "client_id": body["client_order_id"],
            "symbol": body["symbol"],
            "side": body["side"],
            "qty": Decimal(body["qty"]),
            "price": Decimal(body["limit_price"]),
        }

    def least_cost(self, listed: Listed) -> Decimal | None:
        """No answer tells it."""
        del listed
        return None

    def agrees(self, asset: str, left: Decimal, slack: Decimal) -> bool:
        """Whether books that differ by this are right: exact, once every fee has been posted.

        Before that by what the fees that are not posted may differ by, and what was rounded of
        costs. A fee that was rounded to nothing is never posted.
        """
        pending = self.exchange.house_books.desk(MAIN).pending.values()
        nothing = sum(not one.fee and one.fee_asset == asset for one in self.account.trades)
        if any(fee.asset == asset for fee in pending):
            return abs(left) <= slack
        return abs(left) <= max(UNIT * nothing, slack)

    def key_works(self) -> bool:
        """Whether it knows the key now."""
        return self.loop.now_ns >= self.refused_until_ns

    def _overcharges(self) -> None:
        self.overcharged += 1

    def _late(self) -> list[int]:
        """When the next fee is posted."""
        posting, desk = self.exchange.posting, self.exchange.house_books.desk(MAIN)
        if posting.held or not desk.pending:
            return []
        first = next(iter(desk.pending.values()))
        return [first.at_ns + int(posting.after_s * SECOND_NS)]


class Updates:
    """The stream of updates as `SimVenue` uses its own."""

    def __init__(self, real: TradeUpdates) -> None:
        self.real = real

    def join(self, line: UpdatesLine) -> None:
        """A new socket."""
        session: Any = line.server
        self.real.join(session)

    def leave(self, line: UpdatesLine) -> None:
        """It is gone."""
        session: Any = line.server
        if session.number in self.real.clients:  # it may have been cut on its way out
            self.real.leave(session)

    def tick(self) -> None:
        """Nothing is held back there."""

    def flush(self) -> None:
        """Nothing waits there."""


def _ours(order: VenueOrder) -> bool:
    return order.client_id.startswith(MINE)
