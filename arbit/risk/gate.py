"""The gate: asks every rule, holds the funds, and hands out the only permission there is.

`review` runs once for a cycle, `clear` before every single send, in the same synchronous turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import inf

from arbit.config import InventorySettings
from arbit.domain.money import BPS, EXACT, ZERO, plain
from arbit.domain.order import OrderIntent
from arbit.domain.plan import Plan, PlannedLeg
from arbit.domain.records import CycleRecord, Purpose
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.route import Conversion, ConversionKind
from arbit.domain.triangle import Leg
from arbit.inventory import Inventory
from arbit.ledger import NOTHING, Reach
from arbit.risk import checks, switches
from arbit.risk.breaker import BreakerState
from arbit.risk.budgets import OrderRate
from arbit.risk.envelope import Allowance, Approved
from arbit.risk.fit import Fit
from arbit.risk.paths import Paths
from arbit.risk.room import Room
from arbit.risk.setup import GateSetup, Slot
from arbit.risk.slots import InUse, Slots

MS = 1_000_000
ORDERS_OF_A_CYCLE = 6.0  # three legs, and three orders to bring them home
ORDERS_HOME = 3.0
ORDERS_A_LEG = 2.0  # of a conversion: its own, and one to go on or back with


class Gate:
    """The only maker of an `Approved`."""

    def __init__(self, setup: GateSetup) -> None:
        self._setup = setup
        wanted = setup.inventory or Inventory(InventorySettings(), setup.ledger)
        self._fit = Fit(setup.venue, setup.scan, setup.risk, setup.sights)
        self._room = Room(setup.ledger, setup.sights, setup.risk, setup.policy, wanted)
        self._rate = OrderRate(setup.risk.order_rate_per_s)
        self.paths = Paths(setup.risk.cooldown_ms, setup.start_budgets)
        self._open: dict[str, Slot] = {}  # by cycle id
        self._unknown: dict[str, frozenset[str]] = {}
        self._slots: Slots | None = None
        self.room: Callable[[], float] = lambda: inf  # orders that the venue's own limit leaves
        self.unaudited: Callable[[], str] = str  # why the books must be compared first, if so
        self.fees_doubted: Callable[[], str] = str  # why the venue's fees must be asked for first
        self.key_doubted: Callable[[], str] = str  # why the venue must be asked for the key first

    # --- a cycle ---------------------------------------------------------------------------------

    def review(self, plan: Plan, cycle_id: str, now_ns: int) -> Approved | Refused:
        """Every rule for a new cycle. If all pass, its funds are held and its reach is claimed."""
        refused = self._may_begin(plan, now_ns) or self._fit.cycle(plan, now_ns)
        if refused is not None:
            return refused
        setup, reaches = self._setup, self._room.reaches(plan)
        refused = self._room.caps(reaches, now_ns) or self._room.funds(plan)
        if refused is not None:
            return refused
        # Asked last: where there is none, one is kept for us.
        stake = self._place(plan.triangle.start, plan.legs[0].worst_spend, now_ns)
        if isinstance(stake, Refused):
            return stake
        slot = Slot(ORDERS_OF_A_CYCLE, stake, home=plan.triangle.start)
        self._open_for(cycle_id, reaches, self._room.spends(plan), slot)
        self.paths.begin(cycle_id, plan)
        budget = EXACT.multiply(plan.start_in, setup.risk.unwind_budget_bps / BPS)
        return self._approved(cycle_id, Purpose.LEG, plan.legs, budget, now_ns)

    def review_conversion(
        self,
        conversion: Conversion,
        kind: ConversionKind,
        cycle_id: str,
        loss_budget: Decimal,
        now_ns: int,
    ) -> Approved | Refused:
        """Every rule for a conversion, which may cost `loss_budget` of what it spends at worst.

        It is asked what a cycle is, but for an edge, a rest and one moment for all its books: it
        need not earn. What it moves counts as a cycle's move, nearer to zero it always may. One of
        an inventory that only takes back what trading has moved may begin while REDUCING, too.
        """
        legs = conversion.legs
        refused = self.would_refuse(conversion, kind, loss_budget, now_ns)
        if refused is not None:
            return refused
        stake = self._place(conversion.start, conversion.spend, now_ns)
        if isinstance(stake, Refused):
            return stake
        purpose = self._purpose_of(conversion, kind)  # before its own reach is among the rest
        slot = Slot(ORDERS_A_LEG * len(legs), stake, home=conversion.start)
        spends = {conversion.start: conversion.spend}
        self._open_for(cycle_id, self._room.reaches_of(legs), spends, slot)
        return self._approved(cycle_id, purpose, legs, loss_budget, now_ns)

    def would_refuse(
        self, conversion: Conversion, kind: ConversionKind, loss_budget: Decimal, now_ns: int
    ) -> Refused | None:
        """Why a conversion may not begin now, as far as this account alone decides.

        Keeps nothing and uses nothing up: for telling before anything is asked for.
        """
        legs = conversion.legs
        assets = {conversion.start, *(one.leg.receive for one in legs)}
        purpose, orders = self._purpose_of(conversion, kind), ORDERS_A_LEG * len(legs)
        return (
            self._may_open(purpose, assets, orders, now_ns)
            or self._fit.conversion(conversion, loss_budget, now_ns)
            or self._room.home_caps(self._room.reaches_of(legs), now_ns)
            or self._room.there({conversion.start: conversion.spend})
        )

    def _purpose_of(self, conversion: Conversion, kind: ConversionKind) -> Purpose:
        back = self._room.reduces(conversion, self._setup.scan.start_assets)
        return Purpose.UNWIND if kind is ConversionKind.REBALANCE and back else Purpose.LEG

    def _open_for(
        self,
        cycle_id: str,
        reaches: Mapping[str, Reach],
        spends: Mapping[str, Decimal],
        slot: Slot,
    ) -> None:
        """Claim, hold, and keep orders for it."""
        setup = self._setup
        setup.ledger.claim(cycle_id, reaches)
        for asset, amount in spends.items():
            setup.ledger.hold(cycle_id, asset, amount)
        slot.probes = setup.breaker.state() is BreakerState.PROBING
        self._open[cycle_id] = slot

    def _approved(
        self,
        cycle_id: str,
        purpose: Purpose,
        legs: Sequence[PlannedLeg],
        loss_budget: Decimal,
        now_ns: int,
    ) -> Approved:
        wait_ms = self._setup.risk.deadline_ms + self._setup.risk.resolve_margin_ms
        return Approved(
            cycle_id=cycle_id,
            purpose=purpose,
            allowances=tuple(
                Allowance(one.leg.symbol, one.leg.side, one.qty, one.limit_price) for one in legs
            ),
            loss_budget=loss_budget,
            expires_ns=now_ns + wait_ms * MS * len(legs),
        )

    def review_unwind(
        self,
        orders: Sequence[tuple[Leg, Decimal, Decimal]],
        cycle_id: str,
        loss_budget: Decimal,
        now_ns: int,
    ) -> Approved | Refused:
        """Rules for orders (leg, quantity, limit) that bring a cycle home; also while REDUCING."""
        setup = self._setup
        refused = switches.stopped(self._setup, Purpose.UNWIND)
        for leg, qty, limit in orders:
            refused = (
                refused
                or checks.status(setup.sights, leg.symbol)
                or checks.fresh(setup.sights, leg.symbol, now_ns)
                or checks.minima(setup.sights, setup.venue, leg, qty, limit, own=False)
                or checks.near_top(setup.sights, leg, limit, setup.risk.collar_bps, now_ns)
            )
        if refused is not None:
            return refused
        beyond = self._room.way_home(orders, cycle_id, self._home_of(cycle_id), now_ns)
        if isinstance(beyond, Refused):
            return beyond
        setup.ledger.stretch(cycle_id, beyond)
        self._open.setdefault(cycle_id, Slot(ORDERS_HOME, ZERO))  # a late fill's
        return Approved(
            cycle_id=cycle_id,
            purpose=Purpose.UNWIND,
            allowances=tuple(
                Allowance(leg.symbol, leg.side, qty, limit) for leg, qty, limit in orders
            ),
            loss_budget=loss_budget,
            expires_ns=now_ns + setup.risk.deadline_ms * MS,
        )

    def has_room(self, leg: Leg, qty: Decimal, limit: Decimal, cycle_id: str, now_ns: int) -> bool:
        """Whether an order home would keep every asset within its caps, and spend no reserve."""
        home = self._home_of(cycle_id)
        return isinstance(self._room.way_home([(leg, qty, limit)], cycle_id, home, now_ns), dict)

    def payable(self, cycle_id: str, asset: str) -> Decimal:
        """What a cycle may spend of an asset on its way home, which is never the reserve."""
        return self._room.payable(cycle_id, asset)

    def adopt(self, record: CycleRecord, so_far: Mapping[str, Decimal] = NOTHING) -> None:
        """One found at a restart: it may move as far as its plan says, `so_far` it has moved."""
        stake = self._fit.stake_of(record, self._setup.clock.monotonic_ns())
        slot = Slot(ORDERS_HOME, stake, home=record.start_asset)
        self._open[record.cycle_id] = slot
        self.paths.adopt(record)
        self._setup.ledger.claim(record.cycle_id, self._room.adopted(record), so_far)

    def share(self, slots: Slots) -> None:
        """From now on a cycle also needs a place among those that all lanes share."""
        slots.join(self._setup.venue.name, self._in_use)
        self._slots = slots

    def finished(self, record: CycleRecord, *, went_wrong: bool, now_ns: int) -> None:
        """The cycle is over: its slot is free, its path rests, its day knows what it earned.

        A probe of which nothing left has probed nothing; nor has a cycle from before the rest.
        """
        slot = self._open.pop(record.cycle_id, None)
        self.paths.finish(record, went_wrong=went_wrong, now_ns=now_ns)
        if record.profit_ref is not None:
            self._setup.day.add(record.profit_ref, self._setup.clock.wall_ns())
        if slot is not None and slot.probes and slot.sent:
            self._setup.breaker.note_end(went_wrong=went_wrong)

    def unresolved(self, client_id: str, assets: frozenset[str]) -> None:
        """An order is UNKNOWN: nothing new touches these assets until it is resolved."""
        self._unknown[client_id] = assets

    def resolved(self, client_id: str) -> None:
        """What became of the order is known."""
        self._unknown.pop(client_id, None)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The orders that are UNKNOWN."""
        return tuple(self._unknown)

    # --- a send ----------------------------------------------------------------------------------

    def clear(
        self, intent: OrderIntent, envelope: Approved, funds: Decimal, now_ns: int
    ) -> Refused | None:
        """The last look before bytes leave; a token of the order rate is used up when it passes.

        `funds` is the most it may spend of `leg.spend`: what its parent really delivered.
        """
        refused = (
            switches.stopped(self._setup, envelope.purpose)
            or checks.inside(intent, envelope, funds, now_ns)
            or switches.seen(self._setup, intent.leg.symbol, now_ns)
            or self._room.adds(intent, envelope.cycle_id, self._home_of(envelope.cycle_id), now_ns)
        )
        if refused is not None:
            return refused
        if not self._rate.take(now_ns):
            return Refused(RefusalCode.RATE_BUDGET, {"left": "0"})
        slot = self._open.get(envelope.cycle_id)
        if slot is not None:
            slot.owed, slot.sent = max(0.0, slot.owed - 1.0), True
        return None

    def stops(self, purpose: Purpose, symbol: str, *, begins: bool = False) -> str:
        """Why an order that was cleared a while ago may not leave now, in words; empty if it may.

        For one that waited for its turn since: its book may have been lost, or its market stopped.
        `begins` says that its cycle begins with it. Uses up nothing.
        """
        refused = (
            switches.stopped(self._setup, purpose)
            or (self._waits() if begins else None)
            or switches.seen(self._setup, symbol, self._setup.clock.monotonic_ns())
        )
        return "" if refused is None else str(refused)

    def _home_of(self, cycle_id: str) -> str:
        """The asset that an open cycle comes back to; empty where that is not known."""
        return self._open[cycle_id].home if cycle_id in self._open else ""

    # --- the rules, in the order they are asked ---------------------------------------------------

    def stops_cycles(self) -> Refused | None:
        """What lets no new cycle begin now, whatever it trades; None when nothing does.

        For whoever tells of it: nothing is used up, held or counted.
        """
        return switches.stopped(self._setup, Purpose.LEG) or self._waits() or self._lost_too_much()

    def _lost_too_much(self) -> Refused | None:
        setup = self._setup
        loss = setup.day.loss(setup.clock.wall_ns())
        if loss and loss >= setup.risk.max_daily_loss:
            return Refused(RefusalCode.DAILY_LOSS, {"loss": plain(loss)})
        return None

    def _waits(self) -> Refused | None:
        """What only new cycles wait for: the operator, a good key, books compared, known fees."""
        if self._setup.orders.paused():
            return Refused(RefusalCode.VENUE_PAUSED, {"venue": self._setup.venue.name})
        if why := self.key_doubted():
            return Refused(RefusalCode.GATEWAY_NOT_READY, {"why": why})
        if why := self.unaudited():
            return Refused(RefusalCode.AUDIT, {"why": why})
        why = self.fees_doubted()
        return Refused(RefusalCode.FEES, {"why": why}) if why else None

    def _may_begin(self, plan: Plan, now_ns: int) -> Refused | None:
        """What forbids any new cycle, or one of this triangle."""
        left_ns = self.paths.rests_ns(plan.triangle.path, now_ns)
        assets = {leg.spend for leg in plan.triangle.legs}
        refused = self._may_open(Purpose.LEG, assets, ORDERS_OF_A_CYCLE, now_ns, left_ns)
        return refused or self.paths.over_budget(plan)

    def _may_open(
        self,
        purpose: Purpose,
        assets: set[str],
        orders: float,
        now_ns: int,
        rests_ns: int = 0,
    ) -> Refused | None:
        """What forbids to open anything new of these assets with so many orders."""
        setup = self._setup
        refused = switches.stopped(self._setup, purpose) or self._waits()
        if refused is not None:
            return refused
        most = setup.scan.max_concurrent_cycles
        if setup.breaker.state() is BreakerState.PROBING:
            most = 1
        if len(self._open) >= most:
            return Refused(RefusalCode.CONCURRENCY, {"open": str(len(self._open))})
        if (lost := self._lost_too_much()) is not None:
            return lost
        if rests_ns:
            return Refused(RefusalCode.COOLDOWN, {"left_ms": str(rests_ns // MS)})
        for client_id, touched in self._unknown.items():
            if assets & touched:
                return Refused(RefusalCode.UNRESOLVED, {"order": client_id})
        left = min(self._rate.left(now_ns), self.room())
        left -= sum(slot.owed for slot in self._open.values())
        if left < orders:  # the others must be able to come home
            return Refused(RefusalCode.RATE_BUDGET, {"left": f"{left:.1f}"})
        return None

    def _place(self, asset: str, spends: Decimal, now_ns: int) -> Decimal | Refused:
        """What the cycle starts with (reference units), if all lanes' places have room for it."""
        stake = checks.stake(asset, spends, self._setup.sights, now_ns)
        if isinstance(stake, Refused) or self._slots is None:
            return stake
        return self._slots.ask(self._setup.venue.name, stake, now_ns) or stake

    def _in_use(self) -> InUse:
        staked = ZERO
        for slot in self._open.values():
            staked = EXACT.add(staked, slot.stake)
        return InUse(len(self._open), staked)
