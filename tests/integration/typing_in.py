"""Commands as they are typed, in the process of the test: no start of an interpreter for each."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import typer.main

from arbit.cli import main

# Half of what a command typed in this process costs: the tree of all of them is made for each.
built_once = functools.cache(typer.main.get_command)
Run = Callable[..., tuple[int, str, str]]


def typing_in(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: Mapping[str, str],
) -> Run:
    """A command in this folder, no setting but these: its code, what it said and complained of."""
    for name in [name for name in os.environ if name.startswith("ARBIT")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    monkeypatch.setattr(typer.main, "get_command", built_once)

    def typed(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["arbit", *words])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return int(str(left.value.code)), told.out, told.err

    return typed
