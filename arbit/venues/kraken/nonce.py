"""Nonces: strictly increasing for a key, over restarts and over clocks set back.

Kraken wants every private request to carry a larger number than the one before it, for ever
(docs.kraken.com, REST authentication). Ours are microseconds since 1970, or one more than the last.
What may have been used is kept ahead of its use, a minute at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

US_NS = 1_000
BLOCK_US = 60_000_000


class NonceStore(Protocol):
    """Where the highest nonce that may have been used is kept."""

    def load(self) -> int:
        """The last one saved; 0 when there is none."""
        ...

    def save(self, nonce: int) -> bool:
        """Keep it. False when that failed: requests go on, and it is tried again with the next."""
        ...


class Nonces:
    """The nonces of one key."""

    def __init__(self, store: NonceStore, wall_ns: Callable[[], int]) -> None:
        self._store = store
        self._wall_ns = wall_ns
        self._kept = self._last = store.load()

    def next(self) -> int:
        """One more."""
        self._last = max(self._last + 1, self._wall_ns() // US_NS)
        if self._last >= self._kept and self._store.save(self._last + BLOCK_US):
            self._kept = self._last + BLOCK_US
        return self._last
