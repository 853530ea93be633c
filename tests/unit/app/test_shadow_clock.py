"""What a clock that is set right takes of a dry run's evidence: no hour that the judge believes."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from arbit.app.store import DATABASE
from arbit.domain.shadow import HOUR_NS
from arbit.persistence import shadow
from arbit.persistence.memory import MemoryJournal
from arbit.risk.golive import BACK_NS
from tests.unit.app.test_shadow import ACCOUNT, SECOND_NS, D, world
from tests.unit.persistence.made import NOON_NS, opened


@pytest.mark.parametrize("file", [True, False])
def test_a_loss_stays_when_the_clock_is_set_right_over_the_start_of_its_hour(
    tmp_path: Path, *, file: bool
) -> None:
    with opened(tmp_path, ACCOUNT) if file else nullcontext(MemoryJournal()) as journal:
        one = world(journal=journal)
        hour_ns = NOON_NS + HOUR_NS
        one.clock.base_ns = hour_ns - one.clock.now_ns
        one.converted("-3")
        one.seconds(2)
        one.clock.base_ns -= 40 * SECOND_NS
        one.seconds(20)  # it is written in the hour before
        assert one.told[2] == -3
        assert one.keeper.verdict().missing, "too few, and no clock that went back"
        one.seconds(20)  # and when the hour comes again, it goes on
        one.converted("-2")
        one.seconds(1)
        (net,) = (hour.net for hour in one.keeper.evidence.hours if hour.hour_ns == hour_ns)
        assert net == -5
        if file:
            kept = shadow.read(tmp_path / DATABASE, ACCOUNT).hours
            assert sum((hour.net for hour in kept), D(0)) == -5


def test_an_hour_that_the_judge_would_not_believe_goes() -> None:
    one = world()
    one.clock.base_ns = NOON_NS + HOUR_NS - one.clock.now_ns
    one.ends("3")
    one.seconds(1)
    one.clock.base_ns -= BACK_NS + 30 * SECOND_NS
    one.seconds(20)
    assert one.told[1:] == (0, D(0))
