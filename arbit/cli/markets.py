"""`arbit markets`: what may be traded at a venue, in which steps, at which fee."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from arbit.cli.venue_option import Json, Symbols, Venue, draw, settings_for


def markets(venue: Venue = None, symbols: Symbols = None, as_json: Json = False) -> None:
    """Every market of a venue: its status, limits, increments and published fees, in bps.

    No key is needed, but at Alpaca, which shows nothing to others.

    Examples:
    arbit markets --venue kraken --symbols BTC/USD,ETH/BTC,ETH/USD

    arbit markets --venue sandbox --json
    """
    from arbit.app.plan.markets import run_markets

    settings, name = settings_for(venue, {("--symbols", "symbols"): symbols})
    chosen = () if symbols is None else settings.venue(name).symbols
    told = run_markets(settings, name, chosen)
    if as_json:
        sys.stdout.write(json.dumps(asdict(told), indent=2) + "\n")
        return
    head = ("market", "status", "least qty", "least cost", "price step", "lot", "taker", "maker")
    rows = [
        (
            *(one.symbol, one.status, one.qty_min, one.cost_min, one.price_increment),
            *(one.qty_increment, one.taker_bps, one.maker_bps, _words(one.fee_from, one.why_not)),
        )
        for one in told.markets
    ]
    draw(f"{len(rows)} markets of {name} ({told.market}); fees in bps", (*head, "said by"), rows)


def _words(fee_from: str, why_not: str) -> str:
    """Who said the fee, and why the market cannot be traded."""
    return f"{fee_from}; {why_not}" if fee_from and why_not else fee_from or why_not
