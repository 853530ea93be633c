"""Who owns the engine's tasks."""

from __future__ import annotations

import pytest

from arbit.domain.errors import BrokenRule
from arbit.execution.setup import Tasks


@pytest.mark.filterwarnings("error")
async def test_work_that_nobody_owns_is_refused_and_never_runs() -> None:
    tasks, ran = Tasks(), list[str]()

    async def work() -> None:
        ran.append("work")

    async def forever() -> None:
        assert tasks.owned
        tasks.spawn(work())

    with pytest.raises(BrokenRule, match="engine: it is not running"):
        tasks.spawn(work())
    await tasks.own(forever())
    assert ran == ["work"]
    assert not tasks.owned
    refused = work()
    with pytest.raises(BrokenRule):
        tasks.spawn(refused)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
        await refused  # it was closed: nothing of it runs later
    assert ran == ["work"]
