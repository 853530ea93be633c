"""The fault table holds every row of the catalogue, and each test that it names is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.alpaca import plan
from tests.simulation.plan import CALL_FAULTS, FATAL_FAULTS, TIMED_FAULTS

TESTS = Path(__file__).resolve().parents[1]
TABLE: dict[str, dict[str, Any]] = tomllib.loads((TESTS / "faults.toml").read_text("utf-8"))
ROWS = {"MD": 22, "OP": 39, "PR": 20, "AC": 9}
AT_ALPACA = {*plan.CALL_FAULTS, *plan.TIMED_FAULTS, *plan.SHARED, *plan.FATAL}
SIMULATED = {*CALL_FAULTS, *TIMED_FAULTS, *FATAL_FAULTS, "kill"}


def test_every_row_of_the_catalogue_is_there_once() -> None:
    expected = [f"{name}{number}" for name, most in ROWS.items() for number in range(1, most + 1)]
    assert list(TABLE) == expected


@pytest.mark.parametrize("row", TABLE)
def test_what_a_row_names_exists(row: str) -> None:
    told = TABLE[row]
    assert set(told) <= {"tests", "simulation", "alpaca", "gap"}
    assert any(told.values()), "neither a test nor a reason"
    assert set(told.get("simulation", ())) <= SIMULATED
    assert set(told.get("alpaca", ())) <= AT_ALPACA
    for named in told.get("tests", ()):
        path, _, function = named.partition("::")
        assert (TESTS / path).is_file(), named
        text = (TESTS / path).read_text("utf-8")
        found = re.findall(r"^(?:async )?def (test_\w+)\(", text, re.MULTILINE)
        assert found, f"{path} holds no test"
        assert not function or function in found, named


def test_a_gap_is_told_in_words() -> None:
    gaps = [told["gap"] for told in TABLE.values() if "gap" in told]
    assert all(len(gap.split()) > 3 for gap in gaps)
