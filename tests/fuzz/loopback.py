"""Harmed frames over real sockets: the sandbox's server, picows, and the feed as it is run.

A smaller share, in real time. The rig's own witness holds every book that is believed against the
sandbox's; here it must accuse nobody, and all must be live again on the same connection.
"""

from __future__ import annotations

import asyncio

from arbit.domain.events import FeedDisconnected
from tests.fuzz.live import Scene
from tests.fuzz.parsers import Wrong
from tests.integration.kraken_feed_rig import Options, Rig, rigged
from tests.unit.venues.kraken.wire import rows_of, tokens

SYMBOLS = ("BTC/USD", "ETH/BTC", "ETH/USD")  # a triangle: the witness judges evaluations
A_LIFE = 10
TOGETHER = 5
BACK_S = 18.0  # the longest pause between two requests, and what a snapshot takes


def play(scene: Scene) -> None:
    """A feed's life on a real socket among harmed frames. Wrong with the first finding."""
    heard = 0
    while heard < scene.frames:  # a life is short: each failure in a row lengthens the pauses
        frames = min(A_LIFE, scene.frames - heard)
        asyncio.run(_played(scene, frames))
        heard += frames


async def _played(scene: Scene, frames: int) -> None:
    async with rigged(Options(symbols=SYMBOLS)) as rig:
        heard = 0
        while heard < frames:
            recent = [note.payload for note in rig.notes[-40:] if len(note.payload) < 8_000]
            for _ in range(min(TOGETHER, frames - heard)):
                heard += 1
                _say(rig, scene.harm(recent, "public"))
            await asyncio.sleep(0.05)
            try:
                async with asyncio.timeout(BACK_S):
                    while not rig.all_live():
                        await asyncio.sleep(0.01)
            except TimeoutError:
                raise Wrong(f"not live again after {BACK_S} s: {rig.feed.states()}") from None
        await asyncio.sleep(0.2)
        if not rig.witness.evaluations:
            raise Wrong("nothing was evaluated: this proves nothing")
        if rig.witness.violations:
            raise Wrong(f"believed, and not the venue's: {rig.witness.violations[0]}")
        if rig.of(FeedDisconnected):
            raise Wrong(f"a frame has cost the connection: {rig.of(FeedDisconnected)[0]}")


def _say(rig: Rig, payload: bytes) -> None:
    """To every client, after what is on its way; never a book that proves itself, nor a status."""
    text: str | bytes
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = payload
    if _may_prove_itself(payload):
        return
    for client in list(rig.sandbox.stream.clients.values()):
        client.session.send(text, 0)


def _may_prove_itself(payload: bytes) -> bool:
    """Whether a frame could be the venue's own word: a whole snapshot, or another status."""
    if payload.startswith((b'{"channel":"status"', b'{"channel":"instrument"')):
        return True  # the witness reads those for itself, and believes them
    try:
        frame = tokens(payload)
        data = frame.get("data") or []
        if frame.get("channel") in ("status", "instrument"):
            return True
        return any(rows_of(one["bids"]) and rows_of(one["asks"]) for one in data)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False
