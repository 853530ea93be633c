"""HTTP of Alpaca's faces: the faults of the wire, and answers made into responses."""

import asyncio
import contextlib
from typing import Final

from aiohttp import web

from arbit.sandbox.alpaca import words
from arbit.sandbox.alpaca.answers import Answer, too_many, unauthorized
from arbit.sandbox.order_faults import cut
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
