"""Writes the tables of log lines into WARP.md: `python -m arbit.telemetry.logs_docs`."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator
from pathlib import Path

from arbit.domain import events
from arbit.domain.events import Event
from arbit.telemetry.alerts_table import name_of
from arbit.telemetry.logs_table import COMMON, FIELDS, LEVELS, LINES

PAGE = Path("WARP.md")
BEGIN = "<!-- log lines: made by python -m arbit.telemetry.logs_docs -->"
END = "<!-- log lines: end -->"
_SAMPLES: tuple[Event, ...] = (
    events.OrderSent(
        "kraken", "BTC/USD", "buy", "0.01", "60000.1", "leg", "ab7kx1c", "abab7kx1c-11"
    ),
    events.OrderFilled(
        *("kraken", "BTC/USD", "buy", "0.01", "59999.9"),
        ("0.00004 BTC",),
        *("TXYZ-1", "ab7kx1c", "abab7kx1c-11"),
    ),
    events.OrderRefused("kraken", "edge", "edge_bps=3.1, hurdle_bps=121.0"),
    events.BreakerChanged("kraken", "halted", "drift", "0.5 BTC more than the books say"),
)


def section() -> str:
    """What stands between the marks."""
    parts = [
        BEGIN,
        "Every line has " + ", ".join(f"`{name}` ({said})" for name, said in COMMON.items()) + ".",
        _table(("line", "level", "what", "fields"), _lines()),
        _table(("field", "meaning"), ((f"`{name}`", said) for name, said in FIELDS.items())),
        "```json\n" + "\n".join(map(_sample, _SAMPLES)) + "\n```",
        END,
    ]
    return "\n\n".join(parts)


def placed(page: str) -> str:
    """The page with the section in its place. ValueError without the marks."""
    start, end = page.index(BEGIN), page.index(END) + len(END)
    return page[:start] + section() + page[end:]


def _lines() -> Iterator[tuple[str, ...]]:
    for kind, level in LEVELS.items():
        names = ", ".join(f"`{field.name}`" for field in dataclasses.fields(kind))
        first = str(kind.__doc__).split("\n", maxsplit=1)[0]
        yield f"`{name_of(kind)}`", _word(level), first, names
    for name, (level, what, fields) in LINES.items():
        yield f"`{name}`", _word(level), what, ", ".join(f"`{field}`" for field in fields)


def _word(level: int) -> str:
    return logging.getLevelName(level).lower()


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    marks = "|".join("---" for _ in head)
    lines = [f"| {' | '.join(head)} |", f"|{marks}|"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _sample(event: Event) -> str:
    """As `EventLog` writes it."""
    line = {
        "timestamp": "2026-11-28T06:00:00.000+00:00",
        "level": _word(LEVELS[type(event)]),
        "event": name_of(type(event)),
        "run": "ab7kx",
    }
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        line[field.name] = ",".join(value) if isinstance(value, tuple) else value
    return json.dumps(line)


def main() -> None:
    """Write it."""
    PAGE.write_text(placed(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
