"""Figures of many seeds that must hold over all of them: no single seed could say so."""

from __future__ import annotations

from collections.abc import Sequence

ENOUGH = 100  # opportunities; of fewer no hundredth can be told
SHARE = 0.99
READY_ENOUGH = 100  # seeds
READY_SHARE, READY_OWN_S = 0.95, 10.0


def missed(planted: int, attempted: int) -> str:
    """What is wrong with the share of opportunities taken in seeds without faults; else empty."""
    if planted < ENOUGH or attempted >= SHARE * planted:
        return ""
    return f"{attempted} of {planted} opportunities were taken where nothing went wrong"


def slow(own_s: Sequence[float], soon_s: float = READY_OWN_S) -> str:
    """What is wrong with the time that seeds took to trade once faults stopped; else empty.

    `own_s`: each one's, without its waits for the venue's limits; `soon_s` is soon enough.
    """
    found = quantile(own_s, READY_SHARE)
    if found is None or len(own_s) < READY_ENOUGH or found <= soon_s:
        return ""
    return f"ready {found:g} s after faults stopped, or later, in a twentieth of {len(own_s)} seeds"


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value that so large a share does not exceed; None of nothing."""
    found = sorted(values)
    return found[min(len(found) - 1, int(share * len(found)))] if found else None
