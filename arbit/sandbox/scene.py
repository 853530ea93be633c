"""What the server and a face of it share, and what a face must be able to do."""

import asyncio
import random
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from arbit.sandbox.exchange import Exchange
from arbit.sandbox.faults import Fault, Faults
from arbit.sandbox.market import BookChange, Market
from arbit.sandbox.options import SandboxOptions
from arbit.sandbox.sockets import Sockets
from arbit.sandbox.stats import Stats
from arbit.sandbox.wallclock import WallClock


@dataclass(frozen=True, slots=True)
class Scene:
    """One sandbox's parts that every face stands on. ``rng`` is for faults, not for the market."""

    market: Market
    faults: Faults
    stats: Stats
    clock: WallClock
    sockets: Sockets
    options: SandboxOptions
    rng: random.Random
    stopping: asyncio.Event

    def rest_fault(self, name: str, path: str) -> Fault | None:
        """The REST fault of this name that hits a path, counted as used."""
        fault = self.faults.rest(name, path)
        if fault is not None:
            self.faults.use(fault)
        return fault


class Face(Protocol):
    """A venue's wire over the exchange: its paths, and what it tells by itself."""

    @property
    def exchange(self) -> Exchange:
        """The accounts behind it."""

    @property
    def ws_path(self) -> str:
        """Where its public socket is."""

    def add_routes(self, app: web.Application) -> None:
        """Mount its paths."""

    def publish(self, changes: list[BookChange]) -> None:
        """Tell whoever reads these books what changed in them."""

    def tick(self) -> None:
        """Do what is due by time."""

    def apply(self) -> None:
        """Bring its lasting states in line with the active faults."""

    def addresses(self, host: str) -> dict[str, str]:
        """Addresses that only this face has, for the ready line; ``host`` has the port."""

    def facts(self) -> list[dict[str, object]]:
        """Its sockets, for the control face."""
