"""`arbit triangles`: every triangle of a venue, what each must earn, and why one is not traded."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from arbit.cli.venue_option import (
    FeeBps,
    Json,
    Symbols,
    Venue,
    draw,
    number_of,
    one_fee,
    settings_for,
)


def triangles(
    venue: Venue = None, symbols: Symbols = None, fee_bps: FeeBps = None, as_json: Json = False
) -> None:
    """Every triangle of a venue: its hurdle after fees in bps, and why one would not be traded.

    Those of the settings are watched; the others are listed behind them. Both directions of each
    are looked at, with the same fees.

    Examples:
    arbit triangles --venue kraken

    arbit triangles --venue sandbox --fee-bps 10 --json
    """
    from arbit.app.plan.triangles import run_triangles

    said = {("--symbols", "symbols"): symbols, **one_fee(fee_bps)}
    settings, name = settings_for(venue, said)
    told = run_triangles(settings, name)
    if as_json:
        sys.stdout.write(json.dumps(asdict(told), indent=2) + "\n")
        return
    rows = [
        (
            *(one.path, ", ".join(one.symbols), number_of(one.hurdle_bps, 2)),
            *("yes" if one.watched else "no", one.why_not),
        )
        for one in told.triangles
    ]
    watched = sum(one.watched for one in told.triangles)
    title = f"{len(rows)} triangles of {name} ({told.market}), {watched} watched; hurdles in bps"
    draw(title, ("triangle", "markets", "hurdle", "watched", "not traded, for"), rows)
    for note in told.notes:
        print(f"reckoned with: {note}")
