"""The page says what was run, and a part that does not hold is told as such."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from tests.trust.__main__ import _last
from tests.trust.page import Ran, keep, page, recalled
from tests.trust.parts import PARTS

PART = PARTS[0]
TOLD = {"seeds": 1234, "violating_seeds": 0, "faults_by_phase": {"late": {"idle": 3, "leg_1": 2}}}


def test_a_part_that_ended_well_holds_and_its_figures_are_shown() -> None:
    ran = Ran(PART, "python -m it", 7.4, 0, TOLD, of={"commit": "abc"})
    said = page([ran])
    assert ran.holds
    assert "| `python -m it` | abc | 7 | yes |" in said
    assert "- seeds: 1,234" in said
    assert "| late | 3 | 2 |" in said
    assert "- commit: abc" in said


@pytest.mark.parametrize(
    ("code", "told"), [(1, TOLD), (0, {}), (0, {**TOLD, "violating_seeds": 2}), (0, {"seeds": 1})]
)
def test_a_part_that_failed_or_said_nothing_or_found_something_does_not_hold(
    code: int, told: dict[str, int]
) -> None:
    ran = Ran(PART, "python -m it", 1.0, code, told)
    assert not ran.holds
    assert "| NO |" in page([ran])


def test_the_full_tier_must_reach_its_figures() -> None:
    told = {"violating_seeds": 0, **PART.least}
    assert Ran(PART, "python -m it", 1.0, 0, told, whole=True).holds
    few = Ran(PART, "python -m it", 1.0, 0, {**told, "kills": 4_999}, whole=True)
    assert not few.holds
    assert "fewer than asked for: kills" in page([few])
    assert Ran(PART, "python -m it", 1.0, 0, {**told, "kills": 4_999}).holds


def test_what_was_run_on_other_code_is_kept_and_told_as_such(tmp_path: Path) -> None:
    old = {"commit": "aaa", "code": "1", "date of the commit": "2026-01-01"}
    new = {"commit": "bbb", "code": "2", "date of the commit": "2026-01-02"}
    ran = [Ran(PART, "python -m it", 7.4, 0, TOLD, of=old), Ran(PARTS[1], "p", 1.0, 0, {}, of=new)]
    assert recalled(tmp_path / "trust.json") == []
    keep(tmp_path / "trust.json", ran)
    assert recalled(tmp_path / "trust.json") == ran
    said = page(ran)
    assert "- commit: bbb" in said
    assert f"- parts that were run on other code than this: {PART.word}\n" in said
    assert f"- parts that hold: 1 of {len(PARTS)}" in said
    assert f"- parts that were not run: {PARTS[2].word}, " in said


def test_the_gaps_are_those_of_the_fault_table() -> None:
    gaps = page([]).split("## Known gaps")[1]
    assert "- MD4: " in gaps


def test_the_last_line_is_read_or_nothing_is() -> None:
    assert _last(["words", json.dumps({"seeds": 1})]) == {"seeds": 1}
    assert _last([]) == _last(["words"]) == _last(["[1]"]) == {}


def test_every_part_is_a_command_that_is_there() -> None:
    for part in PARTS:
        assert importlib.util.find_spec(part.module), part.module
        assert {*part.zero, *part.least} <= set(part.figures)
