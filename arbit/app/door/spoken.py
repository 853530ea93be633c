"""Words of a daemon or a venue, made fit for a terminal: they move no cursor and colour nothing."""

from __future__ import annotations

from arbit.telemetry.logs_clean import clean

MAX_LINE = 4_000  # characters


def spoken(line: str) -> str:
    """One line; what a terminal would obey is spelt out. Square brackets stay what they are.

    Whoever prints it must not read it as markup.
    """
    return clean(line, MAX_LINE)
