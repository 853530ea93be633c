"""Kraken's face as a whole: its public and private REST, and its WebSocket v2."""

import asyncio
import contextlib
from decimal import Decimal
from typing import Final

from aiohttp import web

from arbit.sandbox.exchange import Exchange
from arbit.sandbox.journal import FILE_NAME, EventLog
from arbit.sandbox.keys import TRADE_KEY
from arbit.sandbox.kraken.delivery import Delivery
from arbit.sandbox.kraken.private import PrivateFace
from arbit.sandbox.kraken.private_stream import PrivateStream
from arbit.sandbox.kraken.rest import RestFace
from arbit.sandbox.kraken.stream import StreamFace
from arbit.sandbox.kraken.words import compact
from arbit.sandbox.market import BookChange, Market
from arbit.sandbox.order_faults import AtOnce, FaultyGate, FaultyHooks, OrderFaults
from arbit.sandbox.scene import Scene
from arbit.sandbox.session import Session

WEB_PAGE: Final = "<!DOCTYPE html><html><body><h1>Just a moment...</h1></body></html>"


class KrakenFace:
    """Kraken's wire over an exchange of its own rules."""

    ws_path = "/v2"

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        options, clock = scene.options, scene.clock
        state = options.state
        self.exchange = Exchange(
            scene.market,
            EventLog(None if state is None else state / FILE_NAME),
            taker_fee_bps=options.taker_fee_bps,
            tier=options.tier,
            balances=options.balances,
            start_ns=clock.wall_ns(),
        )
        self.private = PrivateFace(self.exchange, clock)
        delivery = Delivery(scene.faults, scene.stats, scene.rng)
        self.stream = StreamFace(scene.market, delivery, clock, options.idle_close_s)
        order_faults = OrderFaults(scene.faults)
        self.private.gate = FaultyGate(self.private, order_faults, clock)
        self.at_once = AtOnce(self.exchange, scene.faults, clock, TRADE_KEY)
        reads = self.private.reads
        reads.visible = self.at_once.visible
        reads.visible_trade = reads.visible_entry = self.at_once.visible_trade
        self.exchange.hooks = FaultyHooks(scene.faults, steps(scene.market))
        self.stream.private = PrivateStream(self.exchange, order_faults, clock, self._say)
        self.rest = RestFace(scene.market, clock)
        scene.sockets.limited = True

    def add_routes(self, app: web.Application) -> None:
        """Mount its paths."""
        app.router.add_get(self.ws_path, self._socket)
        app.router.add_route("*", "/0/public/{name}", self._public)
        app.router.add_post("/0/private/{name}", self._private)

    def publish(self, changes: list[BookChange]) -> None:
        """Tell whoever reads these books what changed in them."""
        self.stream.publish(dict.fromkeys(change.symbol for change in changes))

    def tick(self) -> None:
        """Heartbeats and what else is due by time."""
        self.stream.tick()

    def apply(self) -> None:
        """The engine's and the pairs' states, as the active faults say, told when they change."""
        self.at_once.apply()
        market, faults = self._scene.market, self._scene.faults
        fault = faults.find("system_status")
        system = "online" if fault is None else fault.text("status")
        if system != market.system:
            market.set_system(system)
            self.stream.broadcast_status()
        flipped = flip_pairs(self._scene)
        if flipped:
            self.stream.broadcast_pairs([market.pairs[symbol] for symbol in flipped])

    def addresses(self, host: str) -> dict[str, str]:
        """None but the two that every face has."""
        del host
        return {}

    def facts(self) -> list[dict[str, object]]:
        """Who is subscribed to what."""
        return [
            {
                "connection": client.session.number,
                "books": [list(key) for key in client.books],
                "tickers": list(client.tickers),
                "instrument": client.instruments,
            }
            for client in self.stream.clients.values()
        ]

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        return await self._scene.sockets.serve(request, self.stream)

    async def _public(self, request: web.Request) -> web.StreamResponse:
        scene = self._scene
        scene.stats.rest_calls += 1
        name = request.match_info["name"]
        slow = scene.rest_fault("rest_slow", name)
        if slow is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(scene.stopping.wait(), slow.number("delay_ms") / 1000.0)
        down = scene.rest_fault("rest_down", name)
        if down is not None and not down.number("status"):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        if down is not None:
            return web.Response(status=int(down.number("status")))
        if scene.rest_fault("rest_html", name) is not None:
            return web.Response(text=WEB_PAGE, content_type="text/html")
        broken = scene.rest_fault("rest_error", name)
        if broken is not None:
            return _json({"error": [broken.text("error")]})
        params = dict(request.query)
        if request.method == "POST":
            params |= {key: str(value) for key, value in (await request.post()).items()}
        return _json(self.rest.answer(name, params))

    async def _private(self, request: web.Request) -> web.StreamResponse:
        self._scene.stats.rest_calls += 1
        return await self.private.serve(request)

    def _say(self, session: Session, text: str) -> None:
        session.send(text, self._scene.clock.elapsed_ns())


def flip_pairs(scene: Scene) -> list[str]:
    """Set each pair's status as the active faults say; returns the symbols that changed."""
    flipped = []
    for pair in scene.market.pairs.values():
        fault = scene.faults.find("pair_status", pair.symbol)
        status = "online" if fault is None else fault.text("status")
        if status != pair.status:
            scene.market.set_status(pair.symbol, status)
            flipped.append(pair.symbol)
    return flipped


def steps(market: Market) -> dict[str, Decimal]:
    """The quantity step of each pair, in base units."""
    return {
        symbol: Decimal(pair.instrument.qty_step).scaleb(-pair.instrument.qty_precision)
        for symbol, pair in market.pairs.items()
    }


def _json(value: object) -> web.Response:
    return web.Response(text=compact(value), content_type="application/json")
