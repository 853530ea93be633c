"""How the lanes of one command begin: together, or not at all."""

from __future__ import annotations

import asyncio


class StartGate:
    """Opens when so many lanes are ready, or at a word: until then none of them trades.

    So a key that is wrong at one venue ends the command before anything is sent to another.
    """

    def __init__(self, lanes: int) -> None:
        self._missing = lanes
        self._open = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether lanes trade: from then on the trouble of one is its own."""
        return self._open.is_set()

    def open(self) -> None:
        """Wait for nobody any more."""
        self._open.set()

    def one_less(self) -> None:
        """One lane is ready, or will never need to be."""
        self._missing -= 1
        if self._missing <= 0:
            self._open.set()

    async def ready(self) -> None:
        """One lane is ready: wait for the others."""
        self.one_less()
        await self._open.wait()
