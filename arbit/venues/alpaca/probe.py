"""Whether the market data stream opens for a key: greeted, the key sent, accepted. No more."""

from __future__ import annotations

import asyncio
import json

from arbit.domain.errors import FrameError, VenueUnreachable
from arbit.ports import Clock
from arbit.venues.alpaca.codes import code_of
from arbit.venues.alpaca.http import Keys
from arbit.venues.alpaca.wire import Refused, Success, parse
from arbit.venues.answers import one_line
from arbit.venues.dial import Connection, PicowsDialer

WAIT_S = 6.0
TAKEN = 406  # so begins what is said where the place of the plan is another connection's
LOOK_S = 0.02


class _Ear:
    """Hears the stream's answers. `end` is why it will not open, empty once it has."""

    def __init__(self) -> None:
        self.greeted = False
        self.end: str | None = None

    def on_frame(self, payload: bytes) -> None:
        """A frame: the greeting, the acceptance or an error."""
        try:
            messages = parse(payload)
        except FrameError as error:
            self.end = str(error)
            return
        for one in messages:
            if isinstance(one, Refused):
                self.end = f"{one.code} {one_line(one.msg, 200)}: {code_of(one.code).meaning}"
            elif isinstance(one, Success) and one.msg == "connected":
                self.greeted = True
            elif isinstance(one, Success) and one.msg == "authenticated":
                self.end = ""

    def on_drained(self) -> None:
        """Nothing."""

    def on_lost(self, why: str) -> None:
        """The socket is gone before it answered."""
        if self.end is None:
            self.end = why


async def probe(url: str, keys: Keys, clock: Clock) -> str:
    """Why the stream does not open for this key, in words; empty when it does."""
    ear = _Ear()
    try:
        connection = await PicowsDialer()(url, ear)
    except VenueUnreachable as error:
        return str(error)
    try:
        async with asyncio.timeout(WAIT_S):
            return (await _asked(ear, connection, keys, clock)).replace(keys.secret, "***")
    except TimeoutError:
        return f"no answer within {WAIT_S:.0f} s"
    finally:
        connection.close()


async def _asked(ear: _Ear, connection: Connection, keys: Keys, clock: Clock) -> str:
    sent = False
    while ear.end is None:
        if ear.greeted and not sent:
            sent = True
            asked = {"action": "auth", "key": keys.key_id, "secret": keys.secret}
            connection.send(json.dumps(asked).encode())
        await clock.sleep(LOOK_S)
    return ear.end
