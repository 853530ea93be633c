"""The control face over HTTP, for whoever started the sandbox as a child process.

    GET    /sandbox/faults                     the table of kinds, and the active faults
    POST   /sandbox/faults                     {"name", "symbol"?, "connection"?, "times"?, ...}
    DELETE /sandbox/faults[?id=7 | ?name=...]  switch off one, all of a name, or all
    POST   /sandbox/freeze[?symbol=BTC/USD]    stop the market, or one pair of it
    POST   /sandbox/thaw[?symbol=BTC/USD]      let it go on
    POST   /sandbox/release                    orders that match_delay holds meet their books now
    GET    /sandbox/state[?depth=10&symbol=]   the true top of every book, sockets, counters

``/control`` is another name for ``/sandbox``. A mistake answers 400 with ``{"error": "one line"}``.
"""

import json
from collections.abc import Callable

from aiohttp import web

from arbit.sandbox.book import ASK, BID
from arbit.sandbox.checksum import CHECKSUM_LEVELS, book_checksum
from arbit.sandbox.faults import ANY, FaultError, Faults
from arbit.sandbox.market import Market, Pair

MAX_DEPTH = 1000

Facts = Callable[[], dict[str, object]]
Release = Callable[[], int]


class ControlFace:
    """Faults, freezing and the truth about the books."""

    def __init__(self, market: Market, faults: Faults, facts: Facts, release: Release) -> None:
        self._market = market
        self._faults = faults
        self._facts = facts
        self._release = release

    def add_routes(self, app: web.Application) -> None:
        """Mount the control paths."""
        for base in ("/sandbox", "/control"):
            app.router.add_get(f"{base}/faults", self._list)
            app.router.add_post(f"{base}/faults", self._set)
            app.router.add_delete(f"{base}/faults", self._clear)
            app.router.add_post(f"{base}/freeze", self._freeze)
            app.router.add_post(f"{base}/thaw", self._thaw)
            app.router.add_post(f"{base}/release", self._let_go)
            app.router.add_get(f"{base}/state", self._state)

    def state(self, depth: int, symbol: str | None = None) -> dict[str, object]:
        """The true top of each book as wire tokens, with the checksum of its top ten."""
        pairs = self._market.pairs
        chosen = list(pairs.values()) if symbol is None else [pairs[symbol]]
        return {
            "synthetic": True,
            "profile": self._market.profile.name,
            "seed": self._market.seed,
            "market_ns": self._market.now_ns,
            "frozen": self._market.frozen,
            "system": self._market.system,
            "books": {pair.symbol: book_json(pair, depth) for pair in chosen},
            **self._facts(),
        }

    async def _list(self, _: web.Request) -> web.Response:
        kinds = [
            {"name": kind.name, "scope": kind.scope, "meaning": kind.meaning, "params": kind.params}
            for kind in self._faults.kinds.values()
        ]
        active = [fault.as_json() for fault in self._faults.active]
        return web.json_response({"kinds": kinds, "active": active})

    async def _set(self, request: web.Request) -> web.Response:
        try:
            wanted = json.loads(await request.text())
            return web.json_response({"id": self._set_from(wanted)})
        except (FaultError, ValueError, RecursionError) as error:
            return _mistake(str(error))

    def _set_from(self, wanted: object) -> int:
        if not isinstance(wanted, dict) or not isinstance(wanted.get("name"), str):
            raise FaultError('expected a JSON object with a "name"')
        rest = dict(wanted)
        name, symbol = rest.pop("name"), rest.pop("symbol", ANY)
        connection, times = rest.pop("connection", None), rest.pop("times", None)
        if not isinstance(symbol, str):
            raise FaultError(f"symbol is {symbol!r}: expected a text")
        for word, value in (("connection", connection), ("times", times)):
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise FaultError(f"{word} is {value!r}: expected a whole number")
        return self._faults.set(name, symbol=symbol, connection=connection, times=times, **rest)

    async def _clear(self, request: web.Request) -> web.Response:
        which: int | str | None = request.query.get("name")
        if "id" in request.query:
            if not request.query["id"].isdecimal():
                return _mistake(f"id is {request.query['id']!r}: expected a whole number")
            which = int(request.query["id"])
        return web.json_response({"cleared": self._faults.clear(which)})

    async def _freeze(self, request: web.Request) -> web.Response:
        return self._switch(request, self._market.freeze)

    async def _thaw(self, request: web.Request) -> web.Response:
        return self._switch(request, self._market.thaw)

    async def _let_go(self, _: web.Request) -> web.Response:
        return web.json_response({"released": self._release()})

    def _switch(self, request: web.Request, act: Callable[[str | None], None]) -> web.Response:
        symbol = request.query.get("symbol")
        if symbol is not None and symbol not in self._market.pairs:
            return _mistake(f"unknown symbol {symbol!r}: expected a listed one")
        act(symbol)
        return web.json_response({"frozen": self._market.frozen, "symbol": symbol})

    async def _state(self, request: web.Request) -> web.Response:
        depth, symbol = request.query.get("depth", "10"), request.query.get("symbol")
        if not depth.isdecimal() or not 1 <= int(depth) <= MAX_DEPTH:
            return _mistake(f"depth is {depth!r}: expected 1 to {MAX_DEPTH}")
        if symbol is not None and symbol not in self._market.pairs:
            return _mistake(f"unknown symbol {symbol!r}: expected a listed one")
        return web.json_response(self.state(int(depth), symbol))


def book_json(pair: Pair, depth: int) -> dict[str, object]:
    """One book's truth: tokens best first, and the checksum that the wire must carry."""
    listed = pair.instrument
    bids, asks = pair.book.top(BID, depth), pair.book.top(ASK, depth)
    checksum = book_checksum(
        pair.book.top(ASK, CHECKSUM_LEVELS), pair.book.top(BID, CHECKSUM_LEVELS)
    )
    return {
        "bids": [[listed.price_text(price), listed.qty_text(qty)] for price, qty in bids],
        "asks": [[listed.price_text(price), listed.qty_text(qty)] for price, qty in asks],
        "checksum": checksum,
        "status": pair.status,
    }


def _mistake(error: str) -> web.Response:
    return web.json_response({"error": error}, status=400)
