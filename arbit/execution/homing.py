"""Brings a broken cycle home: one order at a time, priced anew before each, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from arbit.domain.cycle import CycleState
from arbit.domain.money import plain
from arbit.domain.records import Purpose
from arbit.domain.refusal import RefusalCode, Refused
from arbit.execution import onward, steps, unwind
from arbit.execution.cycle import Cycle
from arbit.execution.sending import Sender
from arbit.execution.setup import MS, EngineSetup, Tasks
from arbit.execution.works import Work
from arbit.risk.breaker import Reason

REPLAN_S = 0.25
LONGEST_PAUSE_S = 8.0
HOMELESS_NS = 30_000 * MS  # how long a way home is waited for before the position is held
AWAY_NS = 75_000 * MS  # and where the venue has us wait: a request limit may be full for a minute


class Homing:
    """The unwinding of cycles. `tell` is told of refusals, `apply` takes a step later on."""

    def __init__(
        self,
        setup: EngineSetup,
        tasks: Tasks,
        sender: Sender,
        tell: Callable[[Refused], object],
        apply: Callable[[Work, steps.Step], None],
    ) -> None:
        self._setup = setup
        self._tasks = tasks
        self._sender = sender
        self._tell = tell
        self._apply = apply

    def plan(self, work: Work) -> steps.Step | None:
        """Price the ways home and take the best, or wait for a book, or hold."""
        setup, now_ns = self._setup, self._setup.now_ns
        if self._must_pause(work):
            return None
        cycle_id = work.cycle.cycle_id
        around = unwind.Surroundings(
            lambda symbol: setup.view(symbol, now_ns),
            setup.markets,
            setup.fees.rates,
            lambda leg, qty, limit: setup.gate.has_room(leg, qty, limit, cycle_id, now_ns),
        )
        look = unwind.look if work.cycle.record.kind is None else onward.look
        prospect = look(work.cycle, work.budget, around)
        if prospect.home:
            return steps.unwound(work.cycle, home=True, detail=_with_dust(work.cycle))
        if prospect.chosen is None and prospect.blind and self._may_wait(work, now_ns):
            return None
        work.cycle = _with_prices(work.cycle, prospect.prices)
        work.pad.cycle(work.cycle.record)  # as durable as the order that follows from it
        if prospect.chosen is None:
            where = "home" if work.cycle.record.kind is None else "on or back"
            said = f"no way {where} within {plain(work.budget)} {work.cycle.start}"
            return self._hold(work, said)
        if work.cycle.unwinds >= steps.MAX_UNWINDS:
            return self._hold(work, f"not home after {steps.MAX_UNWINDS} orders")
        first = prospect.chosen.orders[0]
        step = (first.leg, first.qty, first.limit_price)
        approved = setup.gate.review_unwind([step], cycle_id, work.budget, now_ns)
        refused = approved if isinstance(approved, Refused) else None
        if not isinstance(approved, Refused):
            work.envelope = approved
            refused = self._sender.send(work, Purpose.UNWIND, [self._home_draft(work, first)])
        if refused is None:
            work.homeless_ns = 0
            return None
        return self._not_home(work, refused, now_ns)

    def _home_draft(self, work: Work, order: unwind.HomeOrder) -> steps.SendLeg:
        """An order home spends what the cycle has in hand; what it buys back, from inventory.

        Of that never the reserve.
        """
        in_hand = work.cycle.has(order.leg.spend)
        free = self._setup.gate.payable(work.cycle.cycle_id, order.leg.spend)
        funds = in_hand if order.leg.spend != work.cycle.start else free
        return steps.SendLeg(
            index=0,
            leg=order.leg,
            qty=order.qty,
            limit_price=order.limit_price,
            fee_rate=order.fee_rate,
            funds=funds,
        )

    def _not_home(self, work: Work, refused: Refused, now_ns: int) -> steps.Step | None:
        self._tell(refused)
        if refused.code is RefusalCode.KILL_SWITCH:
            return steps.killed(work.cycle, "kill switch")
        away = refused.code is RefusalCode.GATEWAY_NOT_READY
        if self._may_wait(work, now_ns, AWAY_NS if away else HOMELESS_NS):
            return None
        return self._hold(work, f"no order home was allowed: {refused}")

    def _must_pause(self, work: Work) -> bool:
        """After an order home that moved nothing: longer each time, for the cause may pass."""
        home = [one for one in work.cycle.orders if one.record.purpose is Purpose.UNWIND]
        if not home or home[-1].trades or home[-1].client_id == work.paused_after:
            return False
        work.paused_after = home[-1].client_id
        in_vain = sum(1 for one in home if not one.trades)
        self._again_in(work, min(REPLAN_S * 2 ** (in_vain - 1), LONGEST_PAUSE_S))
        return True

    def _may_wait(self, work: Work, now_ns: int, most_ns: int = HOMELESS_NS) -> bool:
        """Look again in a moment, as long as the cycle has not been homeless for too long."""
        work.homeless_ns = work.homeless_ns or now_ns
        if now_ns - work.homeless_ns > most_ns:
            return False
        self._again_in(work, REPLAN_S)
        return True

    def _again_in(self, work: Work, wait_s: float) -> None:
        if not work.replanning:
            work.replanning = True
            self._tasks.spawn(self._plan_again(work, wait_s))

    async def _plan_again(self, work: Work, wait_s: float) -> None:
        await self._setup.clock.sleep(wait_s)
        work.replanning = False
        if work.cycle.state is CycleState.UNWINDING and not work.cycle.open_orders:
            self._apply(work, steps.Step(work.cycle, (steps.PlanUnwind(),)))

    def _hold(self, work: Work, why: str) -> steps.Step:
        self._setup.breaker.trip(Reason.HELD, f"{work.cycle.cycle_id}: {why}")
        return steps.unwound(work.cycle, home=False, detail=why)


def _with_dust(cycle: Cycle) -> str:
    """Why it came home, and what it leaves that nobody would take."""
    left = cycle.left_behind()
    return "; ".join(filter(None, (cycle.record.detail, left and f"left as dust: {left}")))


def _with_prices(cycle: Cycle, prices: Mapping[str, str]) -> Cycle:
    """Every look at the ways home that decides is recorded, the later ones numbered."""
    number = cycle.plans + 1
    prefix = "" if number == 1 else f"{number}."
    kept = {**cycle.record.prices, **{prefix + name: value for name, value in prices.items()}}
    return replace(cycle.with_record(prices=kept), plans=number)
