"""Alpaca's face as a whole: data stream and REST, trading REST, trade updates."""

from typing import Final

from aiohttp import web

from arbit.sandbox.alpaca import keys
from arbit.sandbox.alpaca.answers import Answer
from arbit.sandbox.alpaca.assets import assets, clock
from arbit.sandbox.alpaca.data_rest import LOCATIONS, DataRest
from arbit.sandbox.alpaca.gate import response, wire_faults
from arbit.sandbox.alpaca.stream import DataStream, Greeted
from arbit.sandbox.exchange import Exchange
from arbit.sandbox.journal import EventLog
from arbit.sandbox.kraken.face import flip_pairs
from arbit.sandbox.market import BookChange
from arbit.sandbox.scene import Scene

FILE_NAME: Final = "alpaca-events.ndjson"


class AlpacaFace:
    """Alpaca's wire over an exchange of Alpaca's rules."""

    ws_path = "/v1beta3/crypto/us"

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        options, state = scene.options, scene.options.state
        self.exchange = Exchange(
            scene.market,
            EventLog(None if state is None else state / FILE_NAME),
            taker_fee_bps=options.taker_fee_bps,
            balances=options.balances,
            start_ns=scene.clock.wall_ns(),
        )
        self.exchange.keys = keys.made_up_keys()
        self.stream = DataStream(scene, self.exchange.keys)
        self.data = DataRest(scene.market, self.exchange.keys, options.requests_per_minute)
        scene.sockets.reads_bytes = True

    def add_routes(self, app: web.Application) -> None:
        """Mount its paths."""
        add = app.router.add_route
        for location in LOCATIONS:
            base = f"/v1beta3/crypto/{location}"
            add("GET", base, self._data_socket)
            add("GET", base + "/latest/{what}", self._latest)
        add("*", "/v2/{path:.*}", self._trading)

    def publish(self, changes: list[BookChange]) -> None:
        """Tell whoever reads these books what changed in them."""
        self.stream.publish(changes)

    def tick(self) -> None:
        """What is due by time."""
        self.stream.tick()

    def apply(self) -> None:
        """The pairs' states, as the active faults say; clients see them at ``/v2/assets``."""
        flip_pairs(self._scene)

    def addresses(self, host: str) -> dict[str, str]:
        """Market data REST, and the stream of trade updates."""
        return {"data": f"http://{host}", "private_ws": f"ws://{host}/stream"}

    def facts(self) -> list[dict[str, object]]:
        """Who is subscribed to what."""
        return [
            {
                "connection": client.session.number,
                "books": list(client.wanted["orderbooks"]),
                "quotes": list(client.wanted["quotes"]),
            }
            for client in self.stream.clients.values()
        ]

    async def _data_socket(self, request: web.Request) -> web.StreamResponse:
        greeted = Greeted(self.stream, request.headers)
        return await self._scene.sockets.serve(request, greeted)

    async def _latest(self, request: web.Request) -> web.StreamResponse:
        self._scene.stats.rest_calls += 1
        early = await wire_faults(self._scene, request)
        if early is not None:
            return early
        now_ns = self._scene.clock.wall_ns()
        what = request.match_info["what"]
        return response(self.data.answer(what, request.query, request.headers, now_ns))

    async def _trading(self, request: web.Request) -> web.StreamResponse:
        early = await wire_faults(self._scene, request)
        if early is not None:
            return early
        path = request.match_info["path"]
        if path == "assets":
            return response(Answer(200, assets(self._scene.market, request.query)))
        if path == "clock":
            return response(Answer(200, clock(self._scene.clock.wall_ns())))
        return response(Answer(404, {"message": "endpoint not found."}))
