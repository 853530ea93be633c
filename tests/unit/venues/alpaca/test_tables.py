"""The tables of docs/alpaca.md are the code's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from arbit.domain.order import Remedy
from arbit.venues.alpaca.codes import CODES
from arbit.venues.alpaca.outcomes import RULES, judge
from arbit.venues.alpaca.tables import PAGE, outcomes, page
from tests.unit.venues.alpaca.venue import answer

ROOT = Path(__file__).parents[4]
# What is answered in each row of the page's troubles, or which error of the stream it is.
UNIQUE = {"code": 40010001, "message": "client_order_id must be unique"}
DENIED = {"code": 40310000}
TROUBLE: dict[str, tuple[int, object] | int | None] = {
    "504, and the order was placed": (504, {"message": "backend request timeout"}),
    "the client id is known there": (422, UNIQUE),
    "the client id is another order's": (422, UNIQUE),
    "wash trade": (403, DENIED | {"message": "potential wash trade detected. use complex orders"}),
    "cost basis below ten dollars": (
        403,
        DENIED | {"message": "cost basis must be >= minimal amount of order 10"},
    ),
    "401 in mid-run": (401, {"code": 40110000, "message": "request is not authorized"}),
    "406 on the stream": 406,
    "407 on the stream": 407,
    "`r`, a whole book in between": None,
    "crossed book": None,
    "any of these, at DEBUG": None,
}
DONE = {
    Remedy.NONE: "",
    Remedy.BACK_OFF: "nothing new for 2 s",
    Remedy.HALT: "trading halts",
}


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


def troubles() -> dict[str, tuple[str, str]]:
    """Each row of the page's table of what goes wrong: its outcome, and the test it names."""
    text = (ROOT / PAGE).read_text("utf-8")
    lines = text.partition("<!-- trouble -->\n")[2].partition("<!-- end of trouble -->")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines.splitlines()]
    assert all(len(row) == 3 for row in rows)
    return {trouble: (outcome, shown.strip("`")) for trouble, outcome, shown in rows[2:]}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_what_becomes_of_a_trouble_is_what_the_page_says(trouble: str) -> None:
    outcome, shown = troubles()[trouble]
    path, _, function = shown.partition("::")
    text = (ROOT / "tests" / path).read_text("utf-8")
    assert re.search(rf"^(async )?def {function}\(", text, re.MULTILINE), shown
    what = TROUBLE[trouble]
    if isinstance(what, int):
        assert outcome.startswith(f"{CODES[what].remedy}; ")
    elif what is not None:
        verdict = judge(answer(*what))
        assert outcome.startswith(verdict.state.value.upper())
        assert DONE[verdict.remedy] in outcome


def test_the_page_has_no_trouble_that_is_not_looked_at() -> None:
    assert troubles().keys() == TROUBLE.keys()
