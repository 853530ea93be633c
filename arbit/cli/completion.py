"""What a shell offers where a name is expected: `arbit --install-completion` asks here."""

from __future__ import annotations

from collections.abc import Callable

PROFILES = ("calm", "volatile", "thin", "whole-venue")
FACES = ("kraken", "alpaca")


def venues(incomplete: str) -> list[str]:
    """Venues: those built in first, then every exchange that ccxt knows."""
    from arbit.app.names import venue_names

    return [name for name in venue_names() if name.startswith(incomplete)]


def one_or_all(incomplete: str) -> list[str]:
    """Venues, or `all` of those that are traded."""
    return [name for name in ("all", *venues("")) if name.startswith(incomplete)]


def among(*names: str) -> Callable[[str], list[str]]:
    """One of these."""

    def offered(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return offered


profiles = among(*PROFILES)
