"""A working folder of its own for commands run as processes."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import structlog

from arbit.cli import main

REPO = Path(__file__).parents[2]
GUARD_S = 60


@dataclass(frozen=True)
class Desk:
    """A working folder of its own, with a home and a folder for temporary files beside it."""

    root: Path

    @property
    def work(self) -> Path:
        return self.root / "work"

    def env(self, **more: str) -> dict[str, str]:
        ours = {k: v for k, v in os.environ.items() if not k.startswith("ARBIT_")}
        folders = {"HOME": str(self.root / "home"), "TMPDIR": str(self.root / "tmp")}
        return {**ours, **folders, "PYTHONPATH": str(REPO), "COLUMNS": "100", **more}

    def arbit(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "arbit", *arguments],
            cwd=self.work,
            env=self.env(**env),
            capture_output=True,
            text=True,
            timeout=GUARD_S,
            check=False,
        )

    def within(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """The same in this process: where what is asked is not how a process begins and ends."""
        return within(self.work, self.env(**env), *arguments)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Like a command typed in a terminal: in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "arbit", *arguments],
            cwd=self.work,
            env=self.env(PYTHONUNBUFFERED="1"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def strays(self) -> list[Path]:
        """Files that a run left behind, anywhere but in its data folder."""
        found = [path for path in self.root.rglob("*") if path.is_file()]
        return [path for path in found if self.work / "var" not in path.parents]


def within(
    folder: Path, environ: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """A command in this process, as if it had one of its own."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environ, clear=True),
        mock.patch.object(sys, "argv", ["arbit", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _logs_as_before(),
    ):
        try:
            main()
        except SystemExit as left:
            code = left.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _logs_as_before() -> Iterator[None]:
    """A command sets logging up for its whole process."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**config)


def sandboxes_of(desk: Desk) -> list[list[str]]:
    """Sandbox processes whose working folder is this desk's: what a run left behind."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(desk.work):
                found.append(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def is_alive(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def strict_json(text: str) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    found = json.loads(text, parse_constant=refuse)
    assert isinstance(found, dict)
    return found
