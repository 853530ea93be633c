"""Client ids: no two orders have the same one, whichever run sends them."""

from __future__ import annotations

import pytest

from arbit.domain.errors import BrokenRule
from arbit.execution.ids import MAX_LENGTH, Ids, ours


def test_each_order_of_a_run_has_an_id_of_its_own() -> None:
    run = Ids("abc12")
    cycles = [run.cycle() for _ in range(40)]
    made = [run.order(c, leg, n) for c in cycles for leg in range(4) for n in range(1, 40)]
    assert len(set(made)) == len(made)
    assert all(ours(one) and len(one) <= MAX_LENGTH for one in made)


def test_an_order_for_a_cycle_of_an_earlier_run_is_no_order_of_that_run() -> None:
    """A backup put back forgets what was sent last: the next run must not send it once more."""
    first, second, third = Ids("first"), Ids("2nd00"), Ids("3rd00")
    cycle = first.cycle()
    made = [run.order(cycle, 0, 1) for run in (first, second, third)]
    assert len(set(made)) == 3
    assert all(ours(one) and one.startswith(f"ab{cycle}-0") for one in made)


def test_ids_stay_within_the_venues_limit_after_a_million_cycles() -> None:
    run = Ids("abc12", cycles=36**4 - 2)
    assert len(Ids("other").order(run.cycle(), 0, 36)) <= MAX_LENGTH
    with pytest.raises(BrokenRule):
        Ids("other").order("abc12" + "z" * 8, 0, 36)


@pytest.mark.parametrize("epoch", ["", "abc1", "abc123", "ABC12", "ab-12", "abc12\n"])
def test_no_run_begins_with_an_epoch_whose_orders_would_not_be_known_as_ours(epoch: str) -> None:
    with pytest.raises(BrokenRule, match="no run's epoch"):
        Ids(epoch)
