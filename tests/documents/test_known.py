"""What documents mention is there: commands with their options, settings, modules, links."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from arbit.cli import app
from arbit.config import rows
from tests.documents.commands import REPO, Documented, documents, mentioned, shown

COMMANDS = [one for page in documents() for one in shown(page)]
MENTIONS = [one for page in documents() for one in mentioned(page)]
PAGES = pytest.mark.parametrize("page", documents(), ids=lambda page: page.name)
_OPTION = re.compile(r"--[a-z][a-z-]*")
_KEY = re.compile(r"\bARBIT_[A-Z0-9_]+")
_VENUE = re.compile(r"ARBIT_VENUES__[A-Z0-9_]+?__")
_MODULE = re.compile(r"python -m ((?:arbit|tests)[.\w]*)((?: --[a-z-]+| [\w.,/-]+)*)")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)")


def of(words: tuple[str, ...]) -> list[tuple[Any, list[str]]]:
    """The commands that are meant (`pause|resume`), each with what is left for it."""
    found = []
    group: Any = typer.main.get_command(app)
    if words[0].startswith("-") or words[0].isupper():  # of `arbit` itself, or of any command
        return [(group, list(words))]
    for first in words[0].split("|"):
        command, rest = group.commands[first], list(words[1:])
        while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            command = command.commands[rest.pop(0)]
        found.append((command, rest))
    return found


@pytest.mark.parametrize("one", COMMANDS, ids=str)
def test_what_is_to_be_typed_is_understood(one: Documented) -> None:
    ((command, rest),) = of(one.words)
    command.make_context(command.name, rest, resilient_parsing="--help" in rest)


@pytest.mark.parametrize("one", MENTIONS, ids=str)
def test_what_is_mentioned_has_its_options(one: Documented) -> None:
    for command, rest in of(one.words):
        known = {name for option in command.params for name in option.opts + option.secondary_opts}
        known.add("--help")
        assert set(_OPTION.findall(" ".join(rest))) <= known


@PAGES
def test_every_setting_that_is_named_exists(page: Path) -> None:
    known = {_kraken(row.key) for kind in _KINDS for row in kind()}
    known |= {f"{key}_FILE" for key in known if key.endswith(_SECRETS)}
    for key in map(_kraken, _KEY.findall(page.read_text(encoding="utf-8"))):
        group = key.endswith("_") and any(one.startswith(key) for one in known)
        assert key in known or group or f"{key}__" in _GROUPS, key


@PAGES
def test_every_module_that_is_run_and_every_option_of_it_exists(page: Path) -> None:
    for module, rest in _MODULE.findall(page.read_text(encoding="utf-8")):
        found = importlib.util.find_spec(module)
        assert found is not None, module
        assert found.origin is not None
        # A package may take its options in a file of its own, and campaigns share theirs.
        folder = Path(found.origin).parent
        sources = [*folder.glob("*.py"), REPO / "tests" / "campaign.py"] if rest else []
        said = "".join(source.read_text(encoding="utf-8") for source in sources)
        for option in _OPTION.findall(rest):
            assert f'"{option}"' in said or f"'{option}'" in said, f"{module} {option}"


@PAGES
def test_every_file_that_is_linked_to_is_there(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def _kraken(key: str) -> str:
    """Any venue's setting as Kraken's: what one may have, all may."""
    return _VENUE.sub("ARBIT_VENUES__KRAKEN__", key)


_KINDS = [getattr(rows, name) for name in dir(rows) if name.endswith("_rows") and name[0] != "_"]
_SECRETS = ("_API_KEY", "_API_SECRET", "_URL")  # those may stand in files
_GROUPS = {"ARBIT_", "ARBIT_SCAN__"}
