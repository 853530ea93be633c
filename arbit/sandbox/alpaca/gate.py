"""HTTP of Alpaca's faces: the faults of the wire, and answers made into responses."""

import asyncio
import contextlib
from typing import Final

from aiohttp import web

from arbit.sandbox.alpaca import words
from arbit.sandbox.alpaca.answers import Answer, too_many, unauthorized
from arbit.sandbox.alpaca.trading import Call, Trading, parse
from arbit.sandbox.faults import Fault
from arbit.sandbox.order_faults import OrderFaults, cut, silence
from arbit.sandbox.scene import Scene

WEB_PAGE: Final = "<!DOCTYPE html><html><body><h1>Just a moment...</h1></body></html>"


async def wire_faults(scene: Scene, request: web.Request) -> web.StreamResponse | None:
    """What keeps a request from being answered as it should, or makes it late."""
    path = request.path
    slow = scene.rest_fault("rest_slow", path)
    if slow is not None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(scene.stopping.wait(), slow.number("delay_ms") / 1000.0)
    down = scene.rest_fault("rest_down", path)
    if down is not None:
        status = int(down.number("status"))
        return response(Answer(status, down_body(status))) if status else cut(request)
    if scene.rest_fault("rest_html", path) is not None:
        return web.Response(text=WEB_PAGE, content_type="text/html")
    if scene.rest_fault("rate_limited", path) is not None:
        return response(too_many())
    if scene.rest_fault("unauthorized", path) is not None:
        return response(unauthorized().answer())
    return None


class OrderGate:
    """Trading calls, with the faults before and after the exchange acts."""

    def __init__(self, scene: Scene, trading: Trading) -> None:
        self._scene = scene
        self._trading = trading
        self._faults = OrderFaults(scene.faults)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The whole way of one call."""
        body = await request.read()
        path = request.match_info["path"]
        call = Call(request.method, path, request.query, request.headers, parse(body))
        self._trading.receive(call, self._now())
        early = await self._before(call, request)
        if early is not None:
            return early
        answer = self._trading.answer(call, self._now())
        late = await self._after(call, answer, request)
        return response(answer) if late is None else late

    async def _before(self, call: Call, request: web.Request) -> web.StreamResponse | None:
        """What keeps the call from the exchange, or makes it late."""
        late = self._hit("order_late", call)
        if late is not None:
            await asyncio.sleep(late.number("delay_ms") / 1000.0)
            if not late.params["reply"]:
                self._trading.answer(call, self._now())
                return await silence(request)
            return None
        instead = await self._instead(call, request, "before")
        if instead is not None:
            return instead
        denied = self._hit("order_denied", call)
        if denied is None:
            return None
        if denied.params["accepted"]:
            self._trading.answer(call, self._now())
        body = {"code": int(denied.number("code")), "message": denied.text("message")}
        return response(Answer(int(denied.number("status")), body))

    async def _after(
        self, call: Call, answer: Answer, request: web.Request
    ) -> web.StreamResponse | None:
        """What becomes of the answer."""
        instead = await self._instead(call, request, "after")
        if instead is not None:
            return instead
        if self._hit("order_truncated", call) is not None:
            text = words.compact(answer.body)
            return response(Answer(answer.status, text[: len(text) // 2]))
        odd = self._hit("order_odd", call)
        if odd is None:
            return None
        return response(Answer(answer.status, odd_body(odd.text("shape"), answer.body)))

    async def _instead(
        self, call: Call, request: web.Request, when: str
    ) -> web.StreamResponse | None:
        """What is sent in place of the answer, if anything."""
        if self._hit("order_silent", call, when) is not None:
            return await silence(request)
        if self._hit("order_reset", call, when) is not None:
            return cut(request)
        status = self._hit("order_status", call, when)
        if status is not None:
            number = int(status.number("status"))
            return response(Answer(number, down_body(number)))
        if self._hit("order_html", call, when) is not None:
            return web.Response(text=WEB_PAGE, content_type="text/html")
        return None

    def _hit(self, name: str, call: Call, when: str = "") -> Fault | None:
        symbol = call.said("symbol")
        known = symbol if symbol in self._scene.market.pairs else ""
        return self._faults.hit(name, "rest", call.name, known, when)

    def _now(self) -> int:
        return self._scene.clock.wall_ns()


def odd_body(shape: str, body: object) -> object:
    """An answer to an order, bent in ways no client expects."""
    order: words.Body = dict(body) if isinstance(body, dict) else {}
    bare = {name: value for name, value in order.items() if name != "id"}
    bent: dict[str, object] = {
        "no_id": bare,
        "empty_id": order | {"id": ""},
        "two_ids": order | {"id": [order.get("id"), "another"]},
        "null_result": "null",
        "list_result": [order],
        "empty_object": {},
        "other_order": order | {"client_order_id": "somebody-elses"},
        "descr_text": '"accepted"',
        "warning": {"message": "something"},
        "several_errors": {"code": "40310000", "message": ["insufficient balance", "busy"]},
        "error_and_result": order | {"code": 40310000, "message": "insufficient balance"},
        "number_error": order | {"message": 42},
    }
    return bent[shape]


def down_body(status: int) -> words.Body:
    """What a server in trouble says."""
    known = {500: "internal server error occurred", 504: "backend request timeout"}
    return {"message": known.get(status, "service unavailable")}


def response(answer: Answer) -> web.Response:
    """The answer as HTTP."""
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    text = answer.body if isinstance(answer.body, str) else words.compact(answer.body)
    return web.Response(
        status=answer.status,
        text=text,
        content_type="application/json",
        headers=answer.headers,
    )
