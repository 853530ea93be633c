"""Invariant 15: no key, no secret and no token in anything that the daemon writes or tells.

Looked through are every file of its folder, its history's rows, what its witnesses heard, its
reports and whatever anybody logged, at any level (`logs`): as they are, and in the ways that a
program might write bytes down.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

from arbit.domain.events import Event
from arbit.sandbox.keys import ApiKey, Token

if TYPE_CHECKING:
    from tests.simulation.world import World

KEY = "canary0key0Zx81QpLm27Vt"
SECRET = base64.b64encode(hashlib.sha512(b"a canary's secret").digest()).decode()
THOROUGH = 32  # one seed in so many is looked through for every part in every spelling
BLOCK, STEP = 7, 6  # any twelve characters in a row of a secret have such a block in them
WORD = re.compile(rb"[\w+/=%%.~\\-]{%d,}" % BLOCK)
HEX_RUN = 24  # twelve characters
HEX_BLOCK, HEX_STEP = 10, 3  # and these: seven hexadecimal digits may be a number by chance


class Canaries:
    """Collects what is told, and looks for secrets in it and in all that was written."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._told: list[str] = []
        self._tokens: list[str] = []
        tokens = world.venue.exchange.tokens
        issue = tokens.issue

        def issued(key: ApiKey, now_ns: int) -> Token:
            token = issue(key, now_ns)
            self._tokens.append(token.text)
            return token

        tokens.issue = issued  # type: ignore[method-assign]  # to know them all

    def heard(self, event: Event) -> None:
        """A witness is told."""
        self._told.append(repr(event))

    def said(self, text: str) -> None:
        """A report, words of an error, or a line of a log."""
        self._told.append(text)

    def look(self) -> None:
        """Everything: each secret as it is, and in one seed of many in every other way."""
        thorough = self._world.plan.seed % THOROUGH == 1
        most = None if thorough else 1
        secrets = [(name, one, [*islice(spellings(one), most)]) for name, one in self._secrets()]
        for where, written in self._written():
            words = words_of(written) if thorough else written
            for name, secret, parts in secrets:
                for part in parts:
                    seen = part in (words if WORD.fullmatch(part) else written)
                    if seen and not (part.isdigit() and by_chance(part, secret, written)):
                        self._world.watch.say(15, f"{name} is in {where}, by {part!r}")
                        break

    def _secrets(self) -> Iterator[tuple[str, bytes]]:
        yield "the key's secret", SECRET.encode()
        yield "the key's secret, decoded", base64.b64decode(SECRET)
        yield "the key", KEY.encode()
        for number, token in enumerate(self._tokens):
            yield f"token {number}", token.encode()

    def _written(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted(self._world.folder.rglob("*")):
            if path.is_file():
                yield path.name, path.read_bytes()
        yield "what was told", "\n".join(self._told).encode("utf-8", "replace")
        for life in self._world.lives:
            rows = "\n".join(repr(row) for row in life.sink.rows)
            yield "history", rows.encode("utf-8", "replace")


def by_chance(number: bytes, secret: bytes, written: bytes) -> bool:
    """Whether this is a number like many in what a whole day tells, and no part of the secret.

    A part of twelve characters that is written in hexadecimal digits has those around it, too.
    """
    way = secret.hex().encode()
    runs = (way[start : start + HEX_RUN] for start in range(len(way) - HEX_RUN + 1))
    return not any(number in run and run in written for run in runs)


def words_of(written: bytes) -> bytes:
    """Each word of letters, digits and marks that secrets are spelt in, once: most come again.

    A part of a secret that has nothing else in it is in here exactly if it is in there.
    """
    return b"\n".join(dict.fromkeys(WORD.findall(written)))


def spellings(secret: bytes) -> Iterator[bytes]:
    """Parts of a secret, so close that no twelve characters of it miss them all, in six ways."""
    ways = [secret, secret.hex().encode(), base64.b64encode(secret)]
    text = secret.decode("latin-1")
    ways += [quote(text, safe="").encode(), base64.urlsafe_b64encode(secret)]
    ways += [text.replace("/", "\\/").encode("latin-1")]
    for way in dict.fromkeys(ways):
        block, step = (HEX_BLOCK, HEX_STEP) if way == ways[1] else (BLOCK, STEP)
        for start in range(0, len(way) - block + 1, step):
            yield way[start : start + block]
