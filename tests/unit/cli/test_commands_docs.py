"""The page of commands is the commands themselves, and the table of exit codes is theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from arbit.cli.commands_docs import PAGE, Shown, commands, commands_md
from arbit.cli.exits import EVERYWHERE, MEANING, WHEN, Code

ROOT = Path(__file__).parents[3]
ALL = commands()


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    assert (ROOT / PAGE).read_text("utf-8") == commands_md(), "python -m arbit.cli.commands_docs"


def test_every_command_has_its_row_of_exit_codes_and_no_row_is_nobody_s() -> None:
    assert set(WHEN) == {one.name for one in ALL}
    assert set(MEANING) == set(Code)
    for codes in WHEN.values():
        assert EVERYWHERE.isdisjoint(codes)


@pytest.mark.parametrize("one", ALL, ids=[one.name for one in ALL])
def test_every_command_has_an_example_of_itself_and_says_what_each_option_means(one: Shown) -> None:
    assert one.examples
    for example in one.examples:
        assert f"arbit {one.name}" in example
    assert one.summary.endswith(".")
    for option in one.options:
        assert option.help, option.name
