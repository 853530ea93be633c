"""What a shell offers where a name is expected: `arbit --install-completion` asks here."""

from __future__ import annotations

PROFILES = ("calm", "volatile", "thin", "whole-venue")


def venues(incomplete: str) -> list[str]:
    """Venues: those built in first, then every exchange that ccxt knows."""
    from arbit.app.names import venue_names

    return [name for name in venue_names() if name.startswith(incomplete)]


def one_or_all(incomplete: str) -> list[str]:
    """Venues, or `all` of those that are traded."""
    return [name for name in ("all", *venues("")) if name.startswith(incomplete)]


def profiles(incomplete: str) -> list[str]:
    """Markets of the sandbox."""
    return [name for name in PROFILES if name.startswith(incomplete)]
