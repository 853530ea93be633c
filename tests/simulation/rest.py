"""REST in memory: stands where ccxt stands inside the real `PrivateRest`, in front of the
sandbox's own private face.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from arbit.domain.errors import VenueRefused, VenueUnreachable
from arbit.sandbox.keys import TRADE_KEY, ApiKey
from arbit.venues.kraken.rest import PrivateRest
from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.venue import SimVenue

HEADERS = {"API-Key": TRADE_KEY}
ORDER_CALLS = frozenset({"AddOrder", "CancelOrder"})
BUSY = ("EService:Unavailable", "EService:Busy", "EGeneral:Internal error")


class TrustingKey(ApiKey):
    """A key whose signatures nobody checks: what ccxt signs is not under test here."""

    def signed(self, path: str, nonce: str, body: bytes, signature: str) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Body:
    """What the public client returns."""

    body: Any


class PrivateDoor:
    """Carries private calls: `privatePost<Name>(params)`, each with the real nonces."""

    def __init__(self, venue: SimVenue, process: Process, rest: PrivateRest) -> None:
        self._venue = venue
        self._process = process
        self._rest = rest
        self._last_ns = 0

    def __getattr__(self, name: str) -> Callable[[Mapping[str, str]], Awaitable[Any]]:
        def call(params: Mapping[str, str]) -> Awaitable[Any]:
            return self._call(name.removeprefix("privatePost"), params)

        return call

    async def close(self) -> None:
        """Nothing is held."""

    async def _call(self, name: str, params: Mapping[str, str]) -> Any:
        nonce, venue = self._rest._nonces.next(), self._venue
        fields = {**params, "nonce": str(nonce)}
        venue.nonces_back += nonce <= venue.last_nonce
        venue.last_nonce = max(nonce, venue.last_nonce)
        if name in ORDER_CALLS:
            self._process.point("send-before")
            venue.leaves(self._process, {"method": name, "params": dict(params)})
        asked_ns = venue.loop.now_ns
        answer: asyncio.Future[Any] = venue.loop.create_future()
        delay_ns = venue.delay_ns()
        if venue.swarm.strikes("rest_late"):
            delay_ns += venue.swarm.rng.choice((100, 600, 2_500)) * 1_000_000
        venue.at(venue.loop.now_ns + delay_ns, self._arrive, name, fields, answer)
        if name in ORDER_CALLS:
            self._process.point("send-after")
        told = await answer
        venue.on_answer(self._process, name, asked_ns, told)
        return told

    def _arrive(self, name: str, fields: dict[str, str], answer: asyncio.Future[Any]) -> None:
        venue, strikes = self._venue, self._venue.swarm.strikes
        call = venue.face.receive(name, HEADERS, urlencode(fields).encode(), venue.clock.wall_ns())
        if venue.loop.now_ns < venue.rest_down_ns:
            self._back(answer, {"error": [BUSY[0]]})
            return
        if name == "AddOrder" and (word := venue.swarm.word()):
            self._back(answer, {"error": [word]})
            return
        if strikes("rest_error"):
            said = venue.swarm.rng.choice(BUSY)
            self._back(answer, {"error": [said]})
            return
        lost = strikes("rest_lost")
        reset = not lost and strikes("rest_reset")
        unheard = (lost or reset) and venue.swarm.rng.random() < 0.5  # the question, not the answer
        said_back = None
        if not unheard:
            said_back = venue.face.answer(call, venue.clock.wall_ns())
            venue.stream.flush()
            venue.moved()
        if lost:
            return
        if reset:
            self._back(answer, ConnectionResetError("connection reset"))
        elif strikes("rest_odd"):
            self._back(answer, venue.swarm.rng.choice(({}, [], None, {"error": []}, "no")))
        else:
            self._back(answer, json.loads(json.dumps(said_back)))

    def _back(self, answer: asyncio.Future[Any], value: object) -> None:
        due_ns = self._venue.loop.now_ns + self._venue.delay_ns()
        self._venue.loop.at_ns(due_ns, _settle, answer, value, context=self._process.context)


class PublicDoor:
    """Answers public questions; the lists never change, so their bodies are made once."""

    def __init__(self, venue: SimVenue, sleep: Any) -> None:
        self._venue = venue
        self._sleep = sleep

    async def ask(self, method: str) -> Body:
        """As the public client: it has tried again by itself before it says that nobody answers."""
        strikes, chance = self._venue.swarm.strikes, self._venue.swarm.rng
        await self._sleep(self._venue.delay_ns() / 1e9)
        if strikes("public_late"):
            await self._sleep(chance.choice((0.3, 2.0, 12.0)))
        if strikes("public_lost"):
            await self._sleep(chance.choice((0.1, 5.0, 30.0)))
            raise VenueUnreachable(f"sandbox {method}: timed out")
        if strikes("public_error"):
            raise VenueRefused(chance.choice(BUSY), method=method)
        if strikes("public_odd"):
            return Body(chance.choice(({}, [], None, {"error": []}, {"error": [], "result": []})))
        body = self._venue.public(method.removeprefix("publicGet"))
        await self._sleep(self._venue.delay_ns() / 1e9)
        return Body(body)


def _settle(answer: asyncio.Future[Any], value: object) -> None:
    if answer.done():
        return
    if isinstance(value, Exception):
        answer.set_exception(value)
    else:
        answer.set_result(value)
