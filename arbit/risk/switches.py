"""What stops every order, or all of a market: asked first, and again before any bytes leave."""

from __future__ import annotations

from arbit.domain.records import Purpose
from arbit.domain.refusal import RefusalCode, Refused
from arbit.risk import checks
from arbit.risk.breaker import BreakerState
from arbit.risk.setup import GateSetup

# In which states of the breaker an order of each purpose may leave.
_ALLOWED = {
    Purpose.LEG: frozenset({BreakerState.ACTIVE, BreakerState.PROBING}),
    Purpose.UNWIND: frozenset({BreakerState.ACTIVE, BreakerState.PROBING, BreakerState.REDUCING}),
}


def stopped(setup: GateSetup, purpose: Purpose) -> Refused | None:
    """What stops everything of this purpose: cheap to ask, and asked first."""
    if setup.kill.on():
        return Refused(RefusalCode.KILL_SWITCH, {"by": setup.kill.why()})
    state = setup.breaker.state()
    if state not in _ALLOWED[purpose]:
        said = {"state": state.value, "why": setup.breaker.detail}
        return Refused(RefusalCode.BREAKER, said)
    if unready := setup.gateway_unready():
        return Refused(RefusalCode.GATEWAY_NOT_READY, {"why": unready})
    if fails := setup.journal_fails():
        return Refused(RefusalCode.JOURNAL, {"why": fails})
    return None


def seen(setup: GateSetup, symbol: str, now_ns: int) -> Refused | None:
    """What an order's own market and book must be at any time it leaves."""
    sights = setup.sights
    return (
        checks.status(sights, symbol)
        or checks.fresh(sights, symbol, now_ns)
        or checks.streamed(sights, setup.risk, [symbol])
    )
