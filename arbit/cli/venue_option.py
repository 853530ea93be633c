"""The options of commands that ask one venue and leave, and the settings that they make."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from arbit.cli import completion
from arbit.domain.errors import UserError

if TYPE_CHECKING:
    from arbit.config import Settings

WIDTH = 140  # columns, where nobody looks at a screen

Venue = Annotated[
    str | None,
    typer.Option(
        "--venue",
        help="Venue to ask. Default: the settings' first.",
        autocompletion=completion.venues,
    ),
]
FeeBps = Annotated[
    str | None, typer.Option("--fee-bps", help="Reckon with this taker fee of every leg, in bps.")
]
Symbols = Annotated[
    str | None, typer.Option("--symbols", help="These markets alone, e.g. BTC/USD,ETH/BTC,ETH/USD.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout and nothing else.")]


def settings_for(
    venue: str | None, said: Mapping[tuple[str, str], str | None]
) -> tuple[Settings, str]:
    """Settings with the options laid over them, and the venue's name.

    `said` has (option, setting of the venue) and what was typed. UserError for what makes no sense.
    """
    from arbit.config import Override, load_settings, venue_key
    from arbit.config.fields import VENUE_NAME

    if venue is not None and not re.fullmatch(VENUE_NAME, venue):
        raise UserError(
            f"--venue {venue!r}: expected a built-in venue such as kraken or sandbox, or an "
            "exchange id of ccxt, in lower case"
        )
    settings = load_settings()
    name = venue or settings.default_venues[0]
    overrides = [
        Override(option, key if key.startswith("ARBIT_") else venue_key(name, key), text)
        for (option, key), text in said.items()
        if text is not None
    ]
    return (load_settings(overrides=overrides) if overrides else settings), name


def one_fee(fee_bps: str | None) -> dict[tuple[str, str], str | None]:
    """One fee for every leg: what the settings say of single markets gives way to it."""
    return {
        ("--fee-bps", "taker_fee_bps"): fee_bps,
        ("--fee-bps", "taker_fee_bps_by_symbol"): None if fee_bps is None else "{}",
    }


def draw(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table: names to the left, numbers to the right, words at the end to the left."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    last = len(head) - 1
    for place, name in enumerate(head):
        table.add_column(name, justify="left" if place in (0, last) else "right", overflow="fold")
    for row in rows:  # what a venue named is text, never markup, and on one line
        table.add_row(*(Text("".join(x for x in cell if x.isprintable())) for cell in row))
    console.print(table)


def number_of(value: float | None, digits: int = 1) -> str:
    """A number for a table; a dash for one that is not known."""
    return "-" if value is None else f"{value:.{digits}f}"
