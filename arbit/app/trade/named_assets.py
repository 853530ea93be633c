"""Assets that settings name: one that a venue spells otherwise would be bound by nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from arbit.config import Settings
from arbit.config.text import key_of
from arbit.domain.errors import UserError
from arbit.domain.market import Market


def refuse_misspelt(settings: Settings, venue: str, markets: Mapping[str, Market]) -> None:
    """UserError, a line each, for assets that the venue lists in other letters, small or large."""
    listed = assets_of(markets)
    spelt = {asset.upper(): asset for asset in listed}
    wrong = [
        f"{key}={asset}: expected {spelt[asset.upper()]}, as {venue} spells it"
        for key, asset in _named(settings)
        if asset not in listed and asset.upper() in spelt
    ]
    if wrong:
        raise UserError("\n".join(wrong))


def unlisted(settings: Settings, venue: str, markets: Mapping[str, Market]) -> list[str]:
    """In words, the assets that no market of the venue has: another venue's, or a slip."""
    listed = assets_of(markets)
    return [
        f"{key} names {asset}, which no market of {venue} has"
        for key, asset in _named(settings)
        if asset not in listed
    ]


def assets_of(markets: Mapping[str, Market]) -> frozenset[str]:
    """Every asset that a market trades."""
    return frozenset(asset for one in markets.values() for asset in (one.base, one.quote))


def _named(settings: Settings) -> Iterator[tuple[str, str]]:
    """(key, asset) of every bound that is said by asset."""
    for asset in settings.risk.asset_caps:
        yield key_of(("risk", "asset_caps")), asset
    for field in ("targets", "caps", "reserve_amount", "reserve_percent"):
        for asset in getattr(settings.inventory, field):
            yield key_of(("inventory", field)), asset
