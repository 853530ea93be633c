"""The score, and the page that tells it: every survivor stands there with its reason."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.mutation.targets import TARGETS
from tests.mutation.witness import BROKEN, KILLED, SURVIVED, TIMEOUT, UNBORN

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "mutation.md"
REASONS = Path(__file__).with_name("survivors.toml")
LEAST = 90.0  # percent, of every part
_HEAD = """# Mutation testing

Written by `python -m tests.mutation`; do not edit. The reasons are kept by hand in
`tests/mutation/survivors.toml`.

{mutants} mutants in {minutes:.0f} minutes of one processor. A mutant is one small change to a
module. It is killed when a test of that module fails which passes on the original, in a process
just like it, before the mutants are run and after. It timed out when its tests used ten times what
they use on the original, twice. It is unborn when it cannot be imported, or none of its tests can
with it: there is nothing to test, so it counts neither way. Were it counted as alive, the lowest
part would be at {strict:.1f} %. A part below 90 % is a failure, and so is a survivor without a
reason."""
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
        if line["end"] in {SURVIVED, BROKEN}:
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
        return {part: score(counts) for part, counts in self.parts().items() if counts}

    def strict(self) -> float:
        """The lowest part's percent, were the unborn counted as alive."""
        return min((score(counts, strict=True) for counts in self.parts().values()), default=0.0)

    def unexplained(self, known: Mapping[Name, str]) -> list[Name]:
        """The survivors that nobody has given a reason for."""
        return [one for one in self.survivors if one not in known]

    def complaints(self, known: Mapping[Name, str], *, whole: bool) -> list[str]:
        """What is to be done, a line each."""
        said = [f"no reason given: {path} {name}" for path, name in self.unexplained(known)]
        if whole:
            said += [f"no mutants: {one.path}" for one in TARGETS if not self.ends.get(one.path)]
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


def score(counts: Mapping[str, int], *, strict: bool = False) -> float:
    """Percent noticed of those that could be, of all if `strict`; none of nothing."""
    total = sum(counts.values()) - (0 if strict else counts.get(UNBORN, 0))
    return 100 * (counts.get(KILLED, 0) + counts.get(TIMEOUT, 0)) / total if total else 0.0


def _told(counts: Mapping[str, int]) -> str:
    """All of a row's counts."""
    lived = counts.get(SURVIVED, 0) + counts.get(BROKEN, 0)
    noticed = (counts.get(one, 0) for one in (UNBORN, KILLED, TIMEOUT))
    return " | ".join(str(one) for one in (sum(counts.values()), *noticed, lived))


def table(tally: Tally) -> str:
    """Each module's counts, and each part's score, as a Markdown table."""
    lines = [
        "| part | module | mutants | unborn | killed | timeout | survived | score % | tests s |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for target in TARGETS:
        counts = tally.ends.get(target.path)
        if counts is None:
            continue
        took_s = tally.tests_s.get(target.path, 0.0)
        figures = f"{_told(counts)} | {score(counts):.1f} | {took_s:.1f}"
        lines.append(f"| {target.part} | `{target.path}` | {figures} |")
    for part, counts in tally.parts().items():
        lines.append(f"| **{part}** | | {_told(counts)} | **{score(counts):.1f}** | |")
    return "\n".join(lines)


def page(tally: Tally, known: Mapping[Name, str]) -> str:
    """The whole page."""
    mutants = sum(sum(counts.values()) for counts in tally.ends.values())
    head = _HEAD.format(mutants=mutants, minutes=tally.used_s / 60, strict=tally.strict())
    parts = [head, table(tally), _SURVIVORS]
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
