"""Room: how far each asset may be moved yet, and what is there to spend. The gate asks it.

Counted at the worst of everything that is open: a claim is what a cycle may move an asset by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from arbit.config import RiskSettings
from arbit.domain.cycle import Policy
from arbit.domain.money import BPS, EXACT, ONE, ZERO, plain, shown
from arbit.domain.order import OrderIntent
from arbit.domain.plan import Plan, PlannedLeg
from arbit.domain.records import CycleRecord
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.route import Conversion
from arbit.domain.triangle import Leg, Side
from arbit.inventory import Inventory
from arbit.ledger import Ledger, Reach
from arbit.risk import checks
from arbit.risk.checks import Sights

Order = tuple[Leg, Decimal, Decimal]  # what it trades, base units, limit price


@dataclass(frozen=True, slots=True)
class Room:
    """Pure questions about one account's books; it changes nothing."""

    ledger: Ledger
    sights: Sights
    risk: RiskSettings
    policy: Policy
    inventory: Inventory

    # --- how far something may move an asset -----------------------------------------------------

    def reaches(self, plan: Plan) -> dict[str, Reach]:
        """How far each asset may be moved at worst while the cycle is open.

        Before any fee on what arrives and with it on what leaves: a venue may take its fee in
        another asset. A sell may bring more than its limit says: the collar comes on top.
        """
        found = self.reaches_of(plan.legs, parallel=self.policy is Policy.PARALLEL)
        if self.policy is not Policy.PARALLEL:
            start, first = found[plan.triangle.start], plan.legs[0]
            peak = self._peak(first.leg.side, first.expected_spend, start.high)
            found[plan.triangle.start] = replace(start, peak=peak)
        return found

    def reaches_of(self, legs: Sequence[PlannedLeg], *, parallel: bool = False) -> dict[str, Reach]:
        """The same for legs that are sent one after another, or all at once (`parallel`)."""
        found: dict[str, Reach] = {}
        for one in legs:
            received = one.qty
            if one.leg.side is Side.SELL:
                at_limit = EXACT.multiply(one.qty, one.limit_price)
                expected = EXACT.add(one.expected_receive, one.fee)
                received = self._better(max(expected, at_limit))
            into, out = Reach(high=received), Reach(low=_with_fee(one.worst_spend, one.fee_rate))
            first = one is legs[0]
            found[one.leg.receive] = found.get(one.leg.receive, Reach()).plus(into)
            if parallel or first:
                found[one.leg.spend] = found.get(one.leg.spend, Reach()).plus(out)
        return found

    def _peak(self, side: Side, spends: Decimal, brought: Decimal) -> Decimal:
        """By how much more of the start asset may be owned: what comes in was paid for by leg 1.

        A buy may pay less than reckoned, by as much as the collar. What fills in part moves less.
        """
        if side is Side.BUY:
            spends = EXACT.multiply(spends, ONE - self.risk.collar_bps / BPS)
        return max(EXACT.subtract(brought, spends), ZERO)

    def adopted(self, record: CycleRecord) -> dict[str, Reach]:
        """The same for a cycle found at a restart: as far as its plan says."""
        found: dict[str, Reach] = {}
        for row in record.plan:
            at_limit = EXACT.multiply(row.qty, row.limit_price)
            sells = row.leg.side is Side.SELL
            spends, brings = (row.qty, self._better(at_limit)) if sells else (at_limit, row.qty)
            into, out = found.get(row.leg.receive, Reach()), found.get(row.leg.spend, Reach())
            found[row.leg.receive] = into.plus(Reach(high=brings))
            if record.policy is Policy.PARALLEL or row is record.plan[0]:
                found[row.leg.spend] = out.plus(Reach(low=_with_fee(spends, row.fee_rate)))
        if record.policy is not Policy.PARALLEL:
            start, first = found[record.start_asset], record.plan[0]
            cost = EXACT.multiply(first.qty, first.limit_price)
            spends = first.qty if first.leg.side is Side.SELL else cost
            peak = self._peak(first.leg.side, spends, start.high)
            found[record.start_asset] = replace(start, peak=peak)
        return found

    def beyond(self, orders: Sequence[Order], cycle_id: str) -> dict[str, Reach]:
        """How much further than claimed orders home may move each asset at worst."""
        found: dict[str, Reach] = {}
        for leg, qty, limit in orders:
            cost = EXACT.multiply(qty, limit)
            buys = leg.side is Side.BUY
            into = Reach(high=qty if buys else self._better(cost))
            out = Reach(low=EXACT.minus(cost if buys else qty))
            found[leg.receive] = found.get(leg.receive, Reach()).plus(into)
            found[leg.spend] = found.get(leg.spend, Reach()).plus(out)
        return self.ledger.beyond_claim(cycle_id, found)

    def _better(self, amount: Decimal) -> Decimal:
        """What a sell may bring when it fills better than reckoned, by as much as the collar."""
        return EXACT.multiply(amount, ONE + self.risk.collar_bps / BPS)

    # --- whether it may --------------------------------------------------------------------------

    def caps(self, reaches: Mapping[str, Reach], now_ns: int) -> Refused | None:
        """No asset that a new cycle touches may be moved further than its cap, with all open.

        Nor may more of it be owned than its own cap, what was put in included.
        """
        for asset, reach in reaches.items():
            exposure = self.ledger.exposure(asset, reach)
            refused = self._within_cap(asset, exposure, now_ns)
            if refused is not None:
                return refused
        return self._owned(reaches, now_ns)

    def home_caps(self, beyond: Mapping[str, Reach], now_ns: int) -> Refused | None:
        """An order home moves no asset further from zero than its cap; nearer it always may."""
        for asset, reach in beyond.items():
            worst = self.ledger.worst(asset, reach)
            up, down = (worst.high if reach.high else ZERO), (worst.low if reach.low else ZERO)
            furthest = max(up, EXACT.minus(down))
            refused = self._within_cap(asset, furthest, now_ns) if furthest > 0 else None
            if refused is not None:
                return refused
        return self._owned(beyond, now_ns)

    def reduces(self, conversion: Conversion, home: Sequence[str]) -> bool:
        """Whether a conversion only takes back what trading has moved and not brought home.

        Each of its two ends comes nearer to zero, and not past it, or is a start asset (`home`)
        that the other is paid with or sold for.
        """
        start, end = conversion.start, conversion.end
        left = EXACT.subtract(self.ledger.worst(start).low, conversion.spend)
        owed = EXACT.add(self.ledger.worst(end).high, conversion.expected_receive)
        pays, repays = left >= 0, owed <= 0
        return (pays and (repays or end in home)) or (repays and start in home)

    def _within_cap(self, asset: str, exposure: Decimal, now_ns: int) -> Refused | None:
        cap = checks.cap_of(asset, self.sights, self.risk, now_ns)
        if isinstance(cap, Refused) or exposure <= cap:
            return cap if isinstance(cap, Refused) else None
        said = {"asset": asset, "exposure": shown(exposure, up=True), "cap": shown(cap)}
        return Refused(RefusalCode.ASSET_CAP, said)

    def way_home(
        self, orders: Sequence[Order], cycle_id: str, home: str, now_ns: int
    ) -> dict[str, Reach] | Refused:
        """What orders home claim on top; refused where a cap or a reserve stands in their way.

        `home` is the asset that their cycle began with.
        """
        beyond = self.beyond(orders, cycle_id)
        refused = self.home_caps(beyond, now_ns) or self.home_funds(orders, cycle_id)
        for order in orders:
            refused = refused or self._adds(order, cycle_id, home, now_ns)
        return beyond if refused is None else refused

    def adds(self, intent: OrderIntent, cycle_id: str, home: str, now_ns: int) -> Refused | None:
        """What an order brings must fit below its cap as things are now: money may have come.

        Beside what the other open cycles may still bring, for their orders may be out already. Not
        asked of what goes back to where its cycle began (`home`): that was claimed.
        """
        order = (intent.leg, intent.qty, intent.limit_price)
        return self._adds(order, cycle_id, home, now_ns)

    def _adds(self, order: Order, cycle_id: str, home: str, now_ns: int) -> Refused | None:
        leg, qty, limit = order
        asset = leg.receive
        if asset == home or not self.inventory.capped(asset):
            return None
        brings = qty if leg.side is Side.BUY else self._better(EXACT.multiply(qty, limit))
        most = self.ledger.most_owned(asset, Reach(high=brings), beside=cycle_id)
        return self._within_owned(asset, most, now_ns)

    def _owned(self, reaches: Mapping[str, Reach], now_ns: int) -> Refused | None:
        """Nothing adds to an asset beyond its cap; what takes of it always may."""
        for asset, reach in reaches.items():
            if reach.top > 0 and self.inventory.capped(asset):
                refused = self._within_owned(asset, self.ledger.most_owned(asset, reach), now_ns)
                if refused is not None:
                    return refused
        return None

    def _within_owned(self, asset: str, most: Decimal, now_ns: int) -> Refused | None:
        cap = self.inventory.cap(asset, self.sights.in_reference(asset, now_ns))
        if cap is None:
            return Refused(RefusalCode.UNPRICED, {"asset": asset})
        if most <= cap:
            return None
        said = {"asset": asset, "owned": shown(most, up=True), "cap": shown(cap)}
        return Refused(RefusalCode.INVENTORY_CAP, said)

    # --- what there is to spend ------------------------------------------------------------------

    def spends(self, plan: Plan) -> dict[str, Decimal]:
        """What must be there at the start: leg 1's spend, or with parallel legs each one's."""
        legs = plan.legs if self.policy is Policy.PARALLEL else plan.legs[:1]
        return {one.leg.spend: one.worst_spend for one in legs}

    def share(self, plan: Plan, now_ns: int) -> Decimal:
        """Which share of the plan caps of what is owned and reserves have room for, at most one.

        For sizing: what is refused for being too large may be worth doing smaller. Below a cap that
        follows a price the collar is left free: a price that moves on breaks no cycle half-way.
        """
        share = ONE
        if not self.inventory.named:
            return share
        for asset, reach in self.reaches(plan).items():
            if reach.top > 0 and self.inventory.capped(asset):
                cap = self.inventory.cap(asset, self.sights.in_reference(asset, now_ns)) or ZERO
                if self.inventory.settings.caps[asset].currency:
                    cap = EXACT.multiply(cap, ONE - self.risk.collar_bps / BPS)
                left = EXACT.subtract(cap, self.ledger.most_owned(asset))
                share = min(share, EXACT.divide(left, reach.top))
        dearest = max(one.fee_rate for one in plan.legs)
        for asset, amount in self.spends(plan).items():
            if self.inventory.reserve(asset):
                needed = EXACT.minus(_with_fee(amount, dearest))
                share = min(share, EXACT.divide(self.inventory.spendable(asset), needed))
        return max(share, ZERO)

    def funds(self, plan: Plan) -> Refused | None:
        """It is there, and free."""
        return self.there(self.spends(plan), max(one.fee_rate for one in plan.legs))

    def there(self, spends: Mapping[str, Decimal], fee_rate: Decimal = ZERO) -> Refused | None:
        """So much of each asset is there, and free, and no reserve.

        With a `fee_rate`, not even for a fee that is taken on top of what is spent.
        """
        for asset, amount in spends.items():
            free = self.ledger.free(asset)
            if amount > free:
                return Refused(
                    RefusalCode.FUNDS,
                    {"asset": asset, "needed": plain(amount), "free": plain(max(free, ZERO))},
                )
        for asset, amount in spends.items():
            needed = EXACT.minus(_with_fee(amount, fee_rate))
            refused = self._beyond_reserve(asset, needed, self.inventory.spendable(asset))
            if refused is not None:
                return refused
        return None

    def home_funds(self, orders: Sequence[Order], cycle_id: str) -> Refused | None:
        """Orders home spend what their cycle has in hand, or what is there beyond the reserve."""
        needed: dict[str, Decimal] = {}
        for leg, qty, limit in orders:
            amount = qty if leg.side is Side.SELL else EXACT.multiply(qty, limit)
            needed[leg.spend] = EXACT.add(needed.get(leg.spend, ZERO), amount)
        for asset, amount in needed.items():
            refused = self._beyond_reserve(asset, amount, self.payable(cycle_id, asset))
            if refused is not None:
                return refused
        return None

    def payable(self, cycle_id: str, asset: str) -> Decimal:
        """What a cycle may spend of an asset on its way home: what is free, but for the reserve.

        What it has in hand of it is its own, whatever is left of the reserve; what others have is
        theirs.
        """
        free, reserve = self.ledger.free(asset), self.inventory.reserve(asset)
        if not reserve:
            return free
        held = self.ledger.held_by(cycle_id, asset)
        in_hand = max(self.ledger.moved(cycle_id).get(asset, ZERO), held)
        kept = EXACT.add(reserve, self.ledger.promised(asset, beside=cycle_id))
        others = EXACT.subtract(EXACT.add(free, held), EXACT.add(in_hand, kept))
        return EXACT.add(max(others, ZERO), in_hand)

    def _beyond_reserve(self, asset: str, needed: Decimal, most: Decimal) -> Refused | None:
        reserve = self.inventory.reserve(asset)
        if not reserve or needed <= most:
            return None
        said = {"asset": asset, "needed": plain(needed), "spendable": plain(most)}
        return Refused(RefusalCode.RESERVE, said | {"reserve": plain(reserve)})


def _with_fee(amount: Decimal, fee_rate: Decimal) -> Decimal:
    """What leaves at worst, as a negative amount."""
    return EXACT.minus(EXACT.multiply(amount, EXACT.add(ONE, fee_rate)))
