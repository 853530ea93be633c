"""What the screen of a daemon says of its state."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from arbit.cli.live_screen import state_of
from arbit.risk.breaker import BreakerState


@pytest.mark.parametrize(
    ("started", "open_now", "told"),
    [
        (False, 0, "recovering (the venue is asked what became of before, as fast as its"),
        (False, 2, "recovering (cycles of before are ended: 2)"),
        (True, 2, "active"),
    ],
)
def test_a_start_that_lasts_says_what_it_waits_for(started: bool, open_now: int, told: str) -> None:
    trader: Any = SimpleNamespace(started=started, engine=SimpleNamespace(open_cycles=open_now))
    trader.breaker = SimpleNamespace(state=lambda: BreakerState.ACTIVE)
    assert state_of(trader).startswith(told)
