"""What holds for cycles of triangles alone: the rest after each, and budgets by start asset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from arbit.domain.cycle import CycleState
from arbit.domain.money import EXACT, ZERO, plain
from arbit.domain.plan import Plan
from arbit.domain.records import CycleRecord, Ended
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.triangle import Side
from arbit.risk.budgets import Cooldown

WENT_WRONG = frozenset({CycleState.UNWOUND, CycleState.HELD})


class Paths:
    """How long each triangle rests, and what cycles under way have started with, by asset.

    `budgets` is the most that they may have started with together, in units of each asset; an asset
    without one has none.
    """

    def __init__(self, cooldown_ms: int, budgets: Mapping[str, Decimal]) -> None:
        self._cooldown = Cooldown(cooldown_ms)
        self._budgets = budgets
        self._started: dict[str, tuple[str, Decimal]] = {}  # by cycle id

    def recall(self, ends: Iterable[Ended], wall_ns: int, now_ns: int) -> None:
        """Rests that an earlier run began go on: `wall_ns` and `now_ns` are the same moment."""
        for one in sorted(ends, key=lambda end: end.ended_ns):
            ago_ns = max(0, wall_ns - one.ended_ns)  # a clock that was set back makes none longer
            wrong = one.state in WENT_WRONG
            self._cooldown.begin(_route(one.path), now_ns - ago_ns, went_wrong=wrong)

    def rests_ns(self, path: str, now_ns: int) -> int:
        """How long a triangle still rests, whichever way round; 0 when it does not."""
        return self._cooldown.left_ns(_route(path), now_ns)

    def left(self, asset: str) -> Decimal | None:
        """What further cycles may start with, in units of the asset; None without a budget."""
        budget = self._budgets.get(asset)
        if budget is None:
            return None
        for started, amount in self._started.values():
            if started == asset:
                budget = EXACT.subtract(budget, amount)
        return max(budget, ZERO)

    def over_budget(self, plan: Plan) -> Refused | None:
        """Whether the budget of the plan's start asset has no room for it."""
        asset, wanted = plan.triangle.start, plan.legs[0].worst_spend
        left = self.left(asset)
        if left is None or wanted <= left:
            return None
        said = {"asset": asset, "wanted": plain(wanted), "left": plain(left)}
        return Refused(RefusalCode.START_BUDGET, said)

    def begin(self, cycle_id: str, plan: Plan) -> None:
        """A cycle of this plan is under way."""
        self._started[cycle_id] = plan.triangle.start, plan.legs[0].worst_spend

    def adopt(self, record: CycleRecord) -> None:
        """A cycle found at a restart is under way; a conversion has no part in this."""
        if record.kind is None:
            first = record.plan[0]
            sells = first.leg.side is Side.SELL
            spent = first.qty if sells else EXACT.multiply(first.qty, first.limit_price)
            self._started[record.cycle_id] = record.start_asset, spent

    def finish(self, record: CycleRecord, *, went_wrong: bool, now_ns: int) -> None:
        """The cycle is over, and its path rests."""
        self._started.pop(record.cycle_id, None)
        if record.kind is None:
            self._cooldown.begin(_route(record.path), now_ns, went_wrong=went_wrong)


def _route(path: str) -> str:
    """The same name for a path and for its reversal."""
    assets = path.split(">")
    return min(path, ">".join(reversed(assets)))
