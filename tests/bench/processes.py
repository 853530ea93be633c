"""Starts the other processes of a bench, and measures this one."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class Talker:
    """A process of ours that speaks JSON, one line at a time."""

    def __init__(self, module: str, argument: object, core: int | None = None) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(argument)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        if core is not None and len(CORES) > core:
            os.sched_setaffinity(self._process.pid, {CORES[core]})

    def say(self, value: object) -> None:
        """Send one line."""
        if self._process.stdin is None:
            raise RuntimeError("the process has no input")
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Wait for one line. RuntimeError when the process ended instead."""
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"{self._module} ended with {self._process.wait()}")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def end(self) -> None:
        """Close its input and wait; kill it when it does not go."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def talking(module: str, argument: object, core: int | None = None) -> Iterator[Talker]:
    """A process for the length of a block."""
    talker = Talker(module, argument, core)
    try:
        yield talker
    finally:
        talker.end()


def tell(value: object) -> None:
    """Answer the parent."""
    print(json.dumps(value), flush=True)


def cpu_s() -> float:
    """Processor time of this process so far, user and system, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def starved_s() -> float:
    """How long this process was ready to run and another had its core; 0 where nobody counts it."""
    told = of_this_process("schedstat")
    return int(told.split()[1]) / 1e9 if told else 0.0


@cache
def _opened(name: str) -> int | None:
    try:
        return os.open(f"/proc/self/{name}", os.O_RDONLY)
    except OSError:
        return None


def of_this_process(name: str) -> bytes:
    """What /proc says of this process under that name; empty where there is no such file.

    Through one descriptor that stays open: a path made a thousand times a second churns the
    interpreter's own table of strings, which then grows by megabytes at a time, and a run that
    measures memory would find that.
    """
    opened = _opened(name)
    return b"" if opened is None else os.pread(opened, 4096, 0)


def peak_rss_mb() -> float:
    """The most memory this process ever held at once, in MB.

    Where the system says so of this very program; the other figure begins with its parent's.
    """
    status = Path("/proc/self/status")
    if status.exists():
        told = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(told.split()[1]) / (1 << 10)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / (1 << 10)


def middle(values: Sequence[float]) -> float:
    """The median of a few rounds."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def share(values: Sequence[float], part: float) -> float:
    """The value below which this part of all lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
