"""The tables of docs/alpaca.md are the code's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from arbit.venues.alpaca.outcomes import RULES
from arbit.venues.alpaca.tables import PAGE, outcomes, page

ROOT = Path(__file__).parents[4]


def test_the_page_is_what_the_code_says() -> None:
    text = (ROOT / PAGE).read_text("utf-8")
    assert page(text) == text


def test_every_rule_has_its_row_and_what_fits_none_is_never_a_refusal() -> None:
    rows = list(outcomes())
    refusals = [row for row in rows if row[3] == "was not placed"]
    assert len(refusals) == len(RULES)
    assert all("UNKNOWN" in row[3] for row in rows[len(RULES) + 2 :])


def test_a_page_without_a_place_for_a_table_is_no_such_page() -> None:
    with pytest.raises(ValueError, match="expected <!-- outcomes -->"):
        page("nothing here")
