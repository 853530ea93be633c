"""Kraken's older names (XXBT, XXBTZUSD) beside its WebSocket's, as its own lists have them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from arbit.domain.errors import FrameError
from arbit.venues.ccxt.kraken_rest import parse_listing, result_of, v2_asset

MAX_UNLISTED = 100


@dataclass(slots=True)
class Names:
    """The venue's older names for what we call by the WebSocket's."""

    symbols: dict[str, str] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)  # symbol -> name to ask with
    assets: dict[str, str] = field(default_factory=dict)
    digits: dict[str, int] = field(default_factory=dict)  # by our name of the asset
    unlisted: set[str] = field(default_factory=set)  # asset codes that were met and are not listed

    def learn(self, assets: Any, pairs: Any) -> None:
        """Take in the bodies of Assets and AssetPairs. FrameError when they are none."""
        for code, entry in result_of(assets, "Assets").items():
            altname = entry.get("altname") if isinstance(entry, dict) else None
            if isinstance(altname, str):
                name = self.assets[code] = self.assets[altname] = v2_asset(altname)
                decimals = entry.get("decimals")
                if isinstance(decimals, int) and 0 <= decimals <= 20:
                    self.digits[name] = decimals
        listing = parse_listing(pairs)
        self.symbols.update(listing.symbol_of)
        self.symbols.update({symbol: symbol for symbol in listing.markets})
        self.pairs.update(listing.id_of)

    def asset(self, code: str) -> str:
        """Our name for an asset code; one that is not listed keeps its own, and is noted."""
        if code not in self.assets and len(self.unlisted) < MAX_UNLISTED:
            self.unlisted.add(code)
        return self.assets.get(code, code)

    def symbol(self, name: Any) -> str:
        """Our name for a pair, by any of the venue's. FrameError for an unlisted one."""
        found = self.symbols.get(name) if isinstance(name, str) else None
        if found is None:
            raise FrameError(f"a pair that the venue does not list: {name!r:.40}")
        return found
