"""Words of others, made fit to be written down: one line, not for ever, and without our secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

MAX_TEXT = 2_000  # characters of one field
MAX_NAME = 64
SHORTEST = 6  # a secret of fewer characters would blank out words
HIDDEN = "***"
# All that ends a line, moves a cursor, or turns the reading order, in any program that shows text.
_MARKS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def clean(text: str, most: int = MAX_TEXT) -> str:
    r"""On one line, at most so long; what cannot be shown is spelt out (`\n`, `\x1b`)."""
    text = text if len(text) <= most else f"{text[:most]}... ({len(text) - most} more)"
    return text if text.isprintable() else _MARKS.sub(_spelt, text)


def _spelt(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


class Redactor:
    """Blanks out each of these secrets wherever it stands, as it is and as an address spells it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        ways = {way for secret in secrets for way in _ways(secret) if len(way) >= SHORTEST}
        longest_first = sorted(ways, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if ways else None

    def __call__(self, text: str) -> str:
        """The text without them."""
        return text if self._secrets is None else self._secrets.sub(HIDDEN, text)


def _ways(secret: str) -> Iterable[str]:
    yield from (secret, quote(secret, safe=""), secret.replace("/", "\\/"))
    if "://" in secret:  # an address: what comes after its host is the secret in it
        parts = urlsplit(secret)
        yield from (parts.path, parts.path.lstrip("/"), parts.query)
        yield from (part for part in parts.path.split("/") if len(part) > 2 * SHORTEST)
        if parts.password:
            yield parts.password
