"""Words of others, made fit to be written down: one line, not for ever, and without our secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

MAX_TEXT = 2_000  # characters of one field
MAX_NAME = 64
SHORTEST = 6  # a secret of fewer characters would blank out words
HIDDEN = "***"


def clean(text: str, most: int = MAX_TEXT) -> str:
    r"""On one line, at most so long; what cannot be shown is spelt out (`\n`, `\x1b`)."""
    text = text if len(text) <= most else f"{text[:most]}... ({len(text) - most} more)"
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _spelt(one) for one in text)


def _spelt(mark: str) -> str:
    """What ends a line, moves a cursor or turns the reading order, in letters."""
    return mark.encode("unicode_escape").decode()


class Redactor:
    """Makes words fit to be written down: without these secrets, however an address spells them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        ways = {way for secret in secrets for way in _ways(secret) if len(way) >= SHORTEST}
        longest_first = sorted(ways, key=len, reverse=True)
        self._longest = len(longest_first[0]) if ways else 0
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if ways else None

    def __call__(self, text: str, most: int = MAX_TEXT) -> str:
        """The text without them, cleaned, and at most so long.

        Of a very long one only the beginning is looked at, and what may be half a secret at the cut
        goes as well.
        """
        said = text[: 2 * most]
        if self._secrets is not None:
            said = self._secrets.sub(HIDDEN, said)
            said = said if len(text) <= 2 * most else said[: -self._longest]
        return clean(said, most)


def _ways(secret: str) -> Iterable[str]:
    yield from (secret, quote(secret, safe=""), secret.replace("/", "\\/"))
    if not secret.isprintable():  # a key of more lines than one: as errors and JSON spell it
        yield from (repr(secret)[1:-1], json.dumps(secret)[1:-1])
        yield from (line for line in secret.splitlines() if len(line) > 2 * SHORTEST)
    if "://" in secret:  # an address: what comes after its host is the secret in it
        parts = urlsplit(secret)
        yield from (parts.path, parts.path.lstrip("/"), parts.query)
        yield from (part for part in parts.path.split("/") if len(part) > 2 * SHORTEST)
        if parts.password:
            yield parts.password
