"""The page: what was run, what came of it, and what is known to be missing. Nothing is typed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.trust.parts import PARTS, Part

FAULTS = Path(__file__).parents[1] / "faults.toml"


@dataclass(frozen=True, slots=True)
class Ran:
    """One part that was run: the line it ended with, and how long it took."""

    part: Part
    command: str
    seconds: float
    code: int
    told: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = False  # the full tier: the figures that it must reach are asked for
    of: Mapping[str, str] = field(default_factory=dict)  # the commit, and what else it was run on

    @property
    def short(self) -> list[str]:
        """Which figures are less than the full tier must reach, or are not told."""
        least = self.part.least if self.whole else {}
        return [name for name, most in least.items() if (self.told.get(name) or 0) < most]

    @property
    def holds(self) -> bool:
        """Whether it ended well; what must be nothing is told, and nothing; no figure is short."""
        nothing = all(name in self.told and not self.told[name] for name in self.part.zero)
        return self.code == 0 and bool(self.told) and nothing and not self.short


def keep(file: Path, ran: Sequence[Ran]) -> None:
    """What each part told, for the next page."""
    rows = [{**asdict(one), "part": one.part.word} for one in ran]
    file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def recalled(file: Path) -> list[Ran]:
    """What was kept of parts that are still there."""
    rows = json.loads(file.read_text("utf-8")) if file.exists() else []
    parts = {part.word: part for part in PARTS}
    return [Ran(**{**row, "part": parts[row["part"]]}) for row in rows if row["part"] in parts]


def page(ran: Sequence[Ran]) -> str:
    """`docs/TRUST.md`."""
    held = sum(one.holds for one in ran)
    of = max((one.of for one in ran), key=lambda of: of.get("date of the commit", ""), default={})
    old = [one for one in ran if one.of.get("code") != of.get("code")]
    lines = [
        "# Trust report",
        "",
        "Written by `python -m tests.trust`; nothing here is typed by hand. Run it yourself.",
        "",
        *(f"- {name}: {value}" for name, value in of.items()),
        f"- parts that hold: {held} of {len(PARTS)}",
        f"- parts that were run on other code than this: {_names(old)}",
        f"- parts that were not run: {_names_of_missing(ran)}",
        "",
        "| part | command | commit | seconds | holds |",
        "|---|---|---|---|---|",
    ]
    for one in ran:
        holds = "yes" if one.holds else "NO"
        commit = one.of.get("commit", "")[:8]
        lines.append(
            f"| {one.part.name} | `{one.command}` | {commit} | {one.seconds:.0f} | {holds} |"
        )
    for one in ran:
        lines += ["", f"## {one.part.name}", "", *_figures(one)]
    lines += ["", "## Known gaps", "", *_gaps()]
    return "\n".join(lines) + "\n"


def _names(ran: Sequence[Ran]) -> str:
    return ", ".join(one.part.word for one in ran) or "none"


def _names_of_missing(ran: Sequence[Ran]) -> str:
    there = {one.part.word for one in ran}
    return ", ".join(part.word for part in PARTS if part.word not in there) or "none"


def _figures(one: Ran) -> Iterator[str]:
    if not one.told:
        yield "It told nothing."
    for name in one.part.figures:
        if name in one.told:
            yield f"- {name.replace('_', ' ')}: {_shown(one.told[name])}"
    if one.short:
        yield f"- fewer than asked for: {', '.join(one.short)}"
    for name in ("faults_by_phase", "kills_by_phase"):
        table = one.told.get(name)
        if isinstance(table, dict) and table:
            yield from ("", f"{name.replace('_', ' ').capitalize()}:", "", *_table(table))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(table: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    phases = sorted({phase for row in table.values() for phase in row})
    yield "| | " + " | ".join(phases) + " |"
    yield "|---" * (len(phases) + 1) + "|"
    for name, row in table.items():
        yield f"| {name} | " + " | ".join(str(row.get(phase, 0)) for phase in phases) + " |"


def _gaps() -> Iterator[str]:
    """What is not proved of each row of the fault catalogue, as it is kept with its tests."""
    rows = tomllib.loads(FAULTS.read_text("utf-8"))
    for name, row in rows.items():
        if isinstance(row, dict) and row.get("gap"):
            yield f"- {name}: {row['gap']}"
