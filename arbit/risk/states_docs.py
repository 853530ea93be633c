"""Writes docs/states.md from the tables: `python -m arbit.risk.states_docs`."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from arbit import health as health_rules
from arbit.domain.cycle import CYCLE_TABLE
from arbit.domain.order import ORDER_TABLE
from arbit.risk.breaker import BREAKER_TABLE, RULES, BreakerHappening

PAGE = Path("docs") / "states.md"
_INTRO = """# States

Generated from the tables in the code by `python -m arbit.risk.states_docs`; a test compares the
two. A happening that has no arrow in a state raises and changes nothing.
"""
_WORDS = {
    "order": """An order leaves at most once. UNKNOWN means that nobody can say yet whether the
venue has it; it ends by query alone. After a restart every order that was SENT or ACKED is UNKNOWN.
A late fill always wins: it reopens an order that was over, as an incident.""",
    "cycle": """DONE: all legs traded. FLAT: nothing traded. UNWOUND: something fell short and was
brought home. HELD: something could not be; it is listed, and a person decides. RESOLVING goes back
to where it came from once every order is known. A conversion has one to three legs and ends in
another asset: its last leg completes it, and what is left in between goes on or back.""",
    "health": """What `arbit status`, `arbit_health` and `health_changed` tell of a venue: the first
rule that holds, from the top. Another state is told once it has held for so long; where several
come and go, the one that is there after 10 s.""",
    "breaker": """REDUCING lets only orders leave that bring cycles home, or that bring back
what they had moved; HALTED lets none leave. A rest that is over becomes a probe: one cycle. The
state survives a restart.""",
}


def page() -> str:
    """The whole page."""
    parts = [_INTRO]
    for table in (ORDER_TABLE, CYCLE_TABLE, BREAKER_TABLE):
        title = table.name.capitalize()
        parts.append(f"## {title}\n\n{_WORDS[table.name]}\n\n```mermaid\n{table.diagram()}\n```\n")
    parts.append(_rules())
    parts.append(_health())
    return "\n".join(parts)


def _rules() -> str:
    lines = ["### What trips the breaker\n", "| reason | stops to | comes back |", "|---|---|---|"]
    for reason, rule in RULES.items():
        to = "reducing" if rule.happening is BreakerHappening.REDUCE else "halted"
        back = "by an operator (`arbit resume VENUE`)"
        if reason.value == "journal":
            back = "by a probe, once the journal keeps again what it is given"
        elif rule.rest_s is None:
            back = "by a probe after `ARBIT_RISK__BREAKER_PAUSE_S`, doubled each time in a row"
        elif rule.rest_s:
            back = f"by a probe after {rule.rest_s} s"
        lines.append(f"| {reason.value} | {to} | {back} |")
    return "\n".join(lines) + "\n"


def _health() -> str:
    """The rules of health, those that follow each other alike in one row."""
    lines = [
        f"## Health\n\n{_WORDS['health']}\n",
        "| state | guard | told after |",
        "|---|---|---|",
    ]
    for (health, after_s), rules in groupby(
        health_rules.RULES, lambda one: (one.health, one.after_s)
    ):
        guards = ", ".join(rule.guard for rule in rules if rule.guard)
        lines.append(
            f"| {health.value} | {guards} | {f'{after_s:g} s' if after_s else 'at once'} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write it."""
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
