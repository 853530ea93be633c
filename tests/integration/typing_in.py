"""Commands as they are typed, in the process of the test: no start of an interpreter for each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from arbit.cli import main

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

    def typed(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["arbit", *words])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return int(str(left.value.code)), told.out, told.err

    return typed
