"""Alpaca's face as a whole: data stream and REST, trading REST, trade updates."""

from typing import Final

from aiohttp import web

from arbit.sandbox.alpaca import keys
from arbit.sandbox.alpaca.data_rest import LOCATIONS, DataRest
from arbit.sandbox.alpaca.gate import OrderGate, response, wire_faults
from arbit.sandbox.alpaca.house import FeePosting, House
from arbit.sandbox.alpaca.matching import FaultyHouseHooks
from arbit.sandbox.alpaca.stream import DataStream, Greeted
from arbit.sandbox.alpaca.trading import Trading
from arbit.sandbox.alpaca.updates import TradeUpdates
from arbit.sandbox.journal import EventLog
from arbit.sandbox.kraken.face import flip_pairs, steps
from arbit.sandbox.market import BookChange
from arbit.sandbox.order_faults import AtOnce
from arbit.sandbox.scene import Scene

FILE_NAME: Final = "alpaca-events.ndjson"


class AlpacaFace:
    """Alpaca's wire over an exchange of Alpaca's rules."""

    ws_path = "/v1beta3/crypto/us"

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        options, state = scene.options, scene.options.state
        self.exchange = House(
            scene.market,
            EventLog(None if state is None else state / FILE_NAME),
            taker_fee_bps=options.taker_fee_bps,
            balances=options.balances,
            start_ns=scene.clock.wall_ns(),
            posting=FeePosting(options.fees_post_after_s),
        )
        self.exchange.hooks = FaultyHouseHooks(scene.faults, steps(scene.market))
        self.stream = DataStream(scene, self.exchange.keys)
        self.data = DataRest(scene.market, self.exchange.keys, options.requests_per_minute)
        self.trading = Trading(self.exchange, options.requests_per_minute)
        self.updates = TradeUpdates(scene, self.exchange)
        self.at_once = AtOnce(self.exchange, scene.faults, scene.clock, keys.TRADE_KEY)
        self.trading.visible = self.at_once.visible
        self.trading.activities.visible = self.at_once.visible_trade
        self._gate = OrderGate(scene, self.trading)
        scene.sockets.reads_bytes = True

    def add_routes(self, app: web.Application) -> None:
        """Mount its paths."""
        add = app.router.add_route
        for location in LOCATIONS:
            base = f"/v1beta3/crypto/{location}"
            add("GET", base, self._data_socket)
            add("GET", base + "/latest/{what}", self._latest)
        add("GET", "/stream", self._updates_socket)
        add("*", "/v2/{path:.*}", self._trading)
        if self._scene.options.control:
            for base in ("/sandbox", "/control"):
                add("POST", base + "/post-fees", self._post_fees)

    def publish(self, changes: list[BookChange]) -> None:
        """Tell whoever reads these books what changed in them."""
        self.stream.publish(changes)

    def tick(self) -> None:
        """What is due by time."""
        self.stream.tick()
        self.updates.tick()

    def apply(self) -> None:
        """Lasting states, as the active faults say; a pair's shows at ``/v2/assets``."""
        self.at_once.apply()
        flip_pairs(self._scene)
        faults, posting = self._scene.faults, self.exchange.posting
        posting.daily = faults.find("fees_daily") is not None
        posting.held = faults.find("fees_held") is not None

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
        ] + [
            {"connection": listener.session.number, "listens": listener.listens}
            for listener in self.updates.clients.values()
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

    async def _updates_socket(self, request: web.Request) -> web.StreamResponse:
        return await self._scene.sockets.serve(request, self.updates)

    async def _trading(self, request: web.Request) -> web.StreamResponse:
        self._scene.stats.rest_calls += 1
        early = await wire_faults(self._scene, request)
        return early if early is not None else await self._gate.serve(request)

    async def _post_fees(self, _: web.Request) -> web.StreamResponse:
        """The end of the day, now: every fee that was taken and is not posted."""
        posted = self.exchange.post_fees(self._scene.clock.wall_ns())
        return web.json_response({"posted": posted})
