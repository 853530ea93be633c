"""What the doctor finds: of each check a verdict, what was seen, and in one line what mends it."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from arbit.config import Settings
from arbit.ports import Clock


class Verdict(enum.StrEnum):
    """How a check ended. A warning forbids nothing; what was skipped was not looked at."""

    PASS = "pass"  # noqa: S105  a verdict
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Found:
    """What one look came to. `fix` is one line; empty where nothing needs to be done.

    `subject` says of what it is where a check looks at several: a venue, a file.
    """

    verdict: Verdict
    seen: str
    fix: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The same, with the check that it is of."""

    check: str
    verdict: Verdict
    seen: str
    fix: str
    subject: str = ""

    @property
    def name(self) -> str:
        """The check, and what it looked at."""
        return f"{self.check} {self.subject}".rstrip()


@dataclass(frozen=True, slots=True)
class Ask:
    """What the doctor is asked to look at. `settings` are None when they are not valid.

    `problems` say then what is wrong with them, a line each. `venue` is looked at beside those that
    are configured. Without `network` nothing at all is contacted. `env_file` is where settings are
    read from.
    """

    settings: Settings | None
    problems: Sequence[str]
    clock: Clock
    venue: str = ""
    network: bool = True
    env_file: str = ".env"


@dataclass(frozen=True, slots=True)
class Report:
    """Every finding, in the order of the table."""

    findings: Sequence[Finding] = field(default_factory=tuple)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many there are of each verdict."""
        found = dict.fromkeys((one.value for one in Verdict), 0)
        for finding in self.findings:
            found[finding.verdict.value] += 1
        return found

    @property
    def ok(self) -> bool:
        """Whether no check fails."""
        return not any(one.verdict is Verdict.FAIL for one in self.findings)

    @property
    def words(self) -> str:
        """One line."""
        told = ", ".join(f"{number} {word}" for word, number in self.counts.items() if number)
        return f"{'well' if self.ok else 'NOT WELL'}: {told}"


def well(seen: str, subject: str = "") -> Found:
    """Nothing needs to be done."""
    return Found(Verdict.PASS, seen, "", subject)


def warns(seen: str, fix: str, subject: str = "") -> Found:
    """It goes on like this, and had better not."""
    return Found(Verdict.WARN, seen, fix, subject)


def fails(seen: str, fix: str, subject: str = "") -> Found:
    """It must be mended first."""
    return Found(Verdict.FAIL, seen, fix, subject)


def skips(why: str, subject: str = "") -> Found:
    """It was not looked at, for this reason."""
    return Found(Verdict.SKIPPED, why, "", subject)
