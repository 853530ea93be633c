"""A venue that takes its fee with each trade, and states it later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from arbit.domain.account import FEE_POSTED, Counts, Flow
from arbit.domain.money import ZERO, ceil_to
from arbit.domain.order import OrderIntent, Trade
from arbit.domain.triangle import Side
from tests.unit.execution.happenings import pass_time
from tests.unit.execution.world import FEE, Script, ScriptedVenue, World

D = Decimal
UNIT = D("0.000000001")


OFFS = (-UNIT, D(0), UNIT, D(0), D(0), -UNIT)  # of each trade in turn: how it rounds is its own


@dataclass(slots=True)
class LateVenue(ScriptedVenue):
    """It takes up to a unit more or less than we reckon. `dearer` is of its rate, untold."""

    dearer: Decimal = ZERO
    taken: dict[str, Decimal] = field(default_factory=dict)

    def _trade(self, intent: OrderIntent, qty: Decimal, trade_id: str, script: Script) -> Trade:
        before = dict(self.balances_)
        stated = ScriptedVenue._trade(self, intent, qty, trade_id, script)
        self.balances_.clear()
        self.balances_.update(before)
        base, quote = stated.symbol.split("/")
        buys = stated.side is Side.BUY
        gross, asset = (stated.qty, base) if buys else (stated.cost, quote)
        guess = ceil_to(gross * FEE, UNIT)
        trade = replace(stated, fees=((asset, guess),), fee_slack=UNIT)
        self.taken[trade_id] = took = (
            ceil_to(gross * (FEE + self.dearer), UNIT) + OFFS[len(self.taken) % len(OFFS)]
        )
        for one, amount in replace(trade, fees=((asset, took),)).moves(base, quote):
            self.balances_[one] = self.balances_.get(one, D(0)) + amount
        return trade

    def took(self, trade: Trade) -> Decimal:
        """What it really took."""
        return self.taken[trade.trade_id]

    def post(self, *groups: Sequence[Trade], whole_day: bool = False) -> None:
        """State the fees of each group (trades of one asset) in one activity."""
        day_ns = 86_400 * 10**9
        for trades in groups:
            ref = f"F-{len(self.flows)}"
            at_ns = self.clock.wall_ns()
            if whole_day:
                at_ns = at_ns // day_ns * day_ns
            fee = sum((self.took(one) for one in trades), D(0))
            self.flows.append(Flow(ref, trades[0].fees[0][0], -fee, FEE_POSTED, at_ns))

    async def flows_since(self, since_ns: int) -> Sequence[Flow]:
        self.listings += 1
        return [one for one in self.flows if one.at_ns >= since_ns]

    async def counts(self, after_ns: int, until_ns: int) -> Counts:
        kept, self.flows = self.flows, [one for one in self.flows if one.kind != FEE_POSTED]
        try:
            return await ScriptedVenue.counts(self, after_ns, until_ns)
        finally:
            self.flows = kept


class LateWorld(World):
    """An account at such a venue."""

    venue_of = LateVenue

    @property
    def late(self) -> LateVenue:
        assert isinstance(self.venue, LateVenue)
        return self.venue

    def waiting(self) -> list[str]:
        return [one.trade_id for one in self.ledger.late_fees]

    def posts(self, trades: Iterable[Trade], *, whole_day: bool = False) -> None:
        """Each trade's fee in an activity of its own."""
        self.late.post(*([one] for one in trades), whole_day=whole_day)


async def traded(dearer: str = "0", cycles: int = 1) -> LateWorld:
    """A world that has traded odd amounts; its venue took the fees and stated none."""
    world = LateWorld()
    world.late.dearer = D(dearer)
    async with world.running():
        for number in range(cycles):
            size = D("149.337717") + D(number) / 7
            assert world.engine.take(world.plan(str(size)), world.clock.now_ns) is None
            await pass_time(world, 5)
    assert len(world.venue.trades) == 3 * cycles
    return world
