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
AHEAD_US = 5_000  # calls at one instant run so far ahead of the clock; no restart is so quick


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
        self._keep(self._last)
        return self._last

    def hold(self) -> str:
        """Why no request may leave now; empty when one may.

        A nonce ahead of the clock that is kept nowhere would be used again after a kill, and a few
        such are taken for another program that has the key.
        """
        now_us = self._wall_ns() // US_NS
        following = max(self._last + 1, now_us)
        if following <= now_us + AHEAD_US or self._keep(following):
            return ""
        return "the next nonce is ahead of the clock, and the journal cannot keep it"

    def _keep(self, nonce: int) -> bool:
        if nonce >= self._kept and self._store.save(nonce + BLOCK_US):
            self._kept = nonce + BLOCK_US
        return nonce < self._kept
