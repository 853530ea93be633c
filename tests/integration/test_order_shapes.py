"""A slice of `python -m tests.shapes`: a few of each kind, at every place, over both transports."""

from __future__ import annotations

import pytest

from tests.shapes.cases import PHASES, Case, all_cases, lagging
from tests.shapes.run import run_case

pytestmark = pytest.mark.unstalled

SLICE = [
    *(Case("ws", phase, "order_silent", {"when": "after"}) for phase in PHASES),
    Case("ws", "leg_3", "order_odd", {"shape": "error_and_result"}),
    Case("ws", "leg_2", "order_reset", {"when": "before"}),
    Case("ws", "leg_3", "order_error", {"error": "EService:Timeout", "accepted": True}),
    Case("ws", "leg_2", "order_error", {"error": "EGeneral:Internal error:123", "accepted": False}),
    Case("ws", "unwind", "order_error", {"error": "EOrder:Post only order", "accepted": False}),
    Case("rest", "leg_1", "order_truncated", {}),
    Case("rest", "leg_3", "order_status", {"status": 524, "when": "after"}),
    Case("rest", "unwind", "order_odd", {"shape": "descr_text"}),
    Case("rest", "recovery", "order_reset", {"when": "after"}),
    *(one for one in lagging(("ws",)) if one.phase in {"leg_1", "recovery"}),
]


@pytest.mark.parametrize("case", SLICE, ids=str)
async def test_a_reply_that_proves_nothing_costs_nothing(case: Case) -> None:
    assert await run_case(case) == []


def test_the_campaign_holds_every_shape_and_word_at_every_place() -> None:
    cases = all_cases()
    assert len({str(case) for case in cases}) == len(cases) > 900
    assert {case.phase for case in cases} == set(PHASES)
