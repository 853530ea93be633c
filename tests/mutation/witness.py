"""Hears from pytest what a run of tests came to, and judges by that alone how a mutant ended.

Its exit code does not do: it is the same for a test that fails and for a file that cannot be read.
A mutant is killed by a test, one that passes on the original in a process just like it. What only
keeps a module, or a file of tests, from being imported has been noticed by no test.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

KILLED, SURVIVED, TIMEOUT, BROKEN = "killed", "survived", "timeout", "broken"
UNBORN = "unborn"  # it cannot be imported, or none of its tests can with it: no test was run


@dataclass(slots=True)
class Seen:
    """What happened: `born` is whether the module was imported with its source."""

    born: bool = False
    passed: list[str] = field(default_factory=list)  # test functions, without their parameters
    failed: str = ""  # the first that did
    unread: str = ""  # the first file of tests that could not be imported

    def write(self, file: Path) -> None:
        """Keep it for the parent."""
        file.write_text(json.dumps(asdict(self)), "utf-8")


def read(file: Path) -> Seen | None:
    """What a fork has written; None when it did not come to that."""
    return Seen(**json.loads(file.read_text("utf-8"))) if file.exists() else None


class Witness:
    """A plugin for one run of pytest, which it stops at the first test that fails."""

    def __init__(self) -> None:
        self.seen = Seen()
        self._session: Any = None

    def pytest_sessionstart(self, session: Any) -> None:
        """Whom to stop."""
        self._session = session

    def pytest_collectreport(self, report: Any) -> None:
        """A file that cannot be imported; the others are run all the same."""
        if report.failed:
            self.seen.unread = self.seen.unread or report.nodeid

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A test's setup, call or teardown."""
        name = report.nodeid.partition("[")[0]
        if report.failed:
            self.seen.failed = self.seen.failed or name
            self._session.shouldstop = "noticed"
        elif report.passed and report.when == "call" and name not in self.seen.passed:
            self.seen.passed.append(name)


def verdict(seen: Seen | None, passing: Collection[str]) -> str:
    """How it ended, where `passing` are the tests that pass on the original.

    Broken is whatever nobody can vouch for, and counts as alive.
    """
    if seen is None:
        return BROKEN
    if not seen.born or not (seen.failed or seen.passed):
        return UNBORN if seen.failed or seen.unread else BROKEN
    if seen.failed:
        return KILLED if seen.failed in passing else BROKEN
    return BROKEN if seen.unread else SURVIVED
