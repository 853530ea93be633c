"""The score, and the page that tells it: every survivor stands there with its reason."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.mutation.targets import TARGETS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "mutation.md"
REASONS = Path(__file__).with_name("survivors.toml")
LEAST = 90.0  # percent, of every part
_HEAD = """# Mutation testing

Written by `python -m tests.mutation`; do not edit. The reasons are kept by hand in
`tests/mutation/survivors.toml`.

{mutants} mutants, none left out, in {minutes:.0f} minutes of one processor. A mutant is one small
change to a module; it is killed when a test of that module fails, and timed out when its tests use
ten times what they use on the original. A part below 90 % is a failure, and so is a survivor
without a reason."""
_SURVIVORS = "## Survivors"
Name = tuple[str, str]  # the module's path and the mutant's name


def reasons() -> dict[Name, str]:
    """Why each survivor may live, as written by hand."""
    with REASONS.open("rb") as file:
        kept = tomllib.load(file)
    return {
        (group["path"], name): " ".join(group["why"].split())
        for group in kept.get("survivors", [])
        for name in group["mutants"]
    }


class Tally:
    """What a campaign came to."""

    def __init__(self) -> None:
        self.ends: dict[str, Counter[str]] = {}
        self.tests_s: dict[str, float] = {}
        self.survivors: list[Name] = []
        self.used_s = 0.0  # by one processor

    def add(self, line: Mapping[str, Any]) -> None:
        """A module's first line, or one mutant's."""
        path = line["path"]
        counts = self.ends.setdefault(path, Counter())
        self.used_s += line.get("used_s", 0.0)
        if "end" not in line:
            self.tests_s[path] = line.get("tests_s", self.tests_s.get(path, 0.0))
            return
        counts[line["end"]] += 1
        if line["end"] in {"survived", "broken"}:
            self.survivors.append((path, line["name"]))

    def parts(self) -> dict[str, Counter[str]]:
        """The counts of each part, its modules together."""
        found: dict[str, Counter[str]] = {}
        for target in TARGETS:
            if target.path in self.ends:
                found.setdefault(target.part, Counter()).update(self.ends[target.path])
        return found

    def scores(self) -> dict[str, float]:
        """Percent killed, by part. What ran out of time is noticed as much as what failed."""
        return {part: score(counts) for part, counts in self.parts().items()}

    def unexplained(self, known: Mapping[Name, str]) -> list[Name]:
        """The survivors that nobody has given a reason for."""
        return [one for one in self.survivors if one not in known]

    def complaints(self, known: Mapping[Name, str], *, whole: bool) -> list[str]:
        """What is to be done, a line each."""
        said = [f"no reason given: {path} {name}" for path, name in self.unexplained(known)]
        if whole:
            gone = sorted(set(known) - set(self.survivors))
            said += [f"no survivor any more: {path} {name}" for path, name in gone]
        return said

    def summary(self, known: Mapping[Name, str]) -> dict[str, Any]:
        """The figures, as JSON can carry them."""
        return {
            "processor_s": round(self.used_s, 1),
            "mutants": sum(sum(counts.values()) for counts in self.ends.values()),
            "scores": {part: round(score, 2) for part, score in self.scores().items()},
            "modules": {path: dict(counts) for path, counts in self.ends.items()},
            "tests_s": {path: round(took, 2) for path, took in self.tests_s.items()},
            "survivors": [list(one) for one in self.survivors],
            "unexplained": len(self.unexplained(known)),
        }


def score(counts: Mapping[str, int]) -> float:
    """Percent noticed; nothing to notice is all of it."""
    total = sum(counts.values())
    return 100 * (counts.get("killed", 0) + counts.get("timeout", 0)) / total if total else 100.0


def table(tally: Tally) -> str:
    """Each module's counts, and each part's score, as a Markdown table."""
    lines = [
        "| part | module | mutants | killed | timeout | survived | score % | tests s |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for target in TARGETS:
        counts = tally.ends.get(target.path)
        if counts is None:
            continue
        lived = counts["survived"] + counts["broken"]
        figures = (sum(counts.values()), counts["killed"], counts["timeout"], lived)
        told = " | ".join(str(one) for one in figures)
        took_s = tally.tests_s.get(target.path, 0.0)
        lines.append(
            f"| {target.part} | `{target.path}` | {told} | {score(counts):.1f} | {took_s:.1f} |"
        )
    for part, counts in tally.parts().items():
        lived = counts["survived"] + counts["broken"]
        told = f"{sum(counts.values())} | {counts['killed']} | {counts['timeout']} | {lived}"
        lines.append(f"| **{part}** | | {told} | **{score(counts):.1f}** | |")
    return "\n".join(lines)


def page(tally: Tally, known: Mapping[Name, str]) -> str:
    """The whole page."""
    mutants = sum(sum(counts.values()) for counts in tally.ends.values())
    parts = [_HEAD.format(mutants=mutants, minutes=tally.used_s / 60), table(tally), _SURVIVORS]
    for path in dict.fromkeys(path for path, _ in tally.survivors):
        parts.append(f"### `{path}`")
        whys: dict[str, list[str]] = {}
        for where, name in tally.survivors:
            if where == path:
                whys.setdefault(known.get((where, name), "No reason given."), []).append(name)
        for why, names in whys.items():
            listed = "\n".join(f"- `` {name} ``" for name in names)
            parts.append(f"{why}\n\n{listed}")
    return "\n\n".join(parts) + "\n"
