"""What the way itself can do to a frame: cut it, stain it, double it, or send no JSON at all."""

from __future__ import annotations

import random
from collections.abc import Sequence

MOST_BYTES = 1_000_000  # of an over-long frame

PAGES = (
    b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>cloudflare</body>",
    b"<html><body>captive portal: please log in</body></html>",
    b"error code: 1020",
)

Mutant = bytes | None
Pool = Sequence[bytes]


def as_it_is(_rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """What was true once, said again."""
    return payload


def flip(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """A few bytes are others."""
    made = bytearray(payload)
    for _ in range(rng.randint(1, 3)):
        if made:
            made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def cut(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """The end, or the beginning, did not come."""
    place = rng.randrange(len(payload) + 1)
    return payload[:place] if rng.random() < 0.8 else payload[place:]


def hole(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """A piece in the middle is gone."""
    place = rng.randrange(len(payload) + 1)
    return payload[:place] + payload[place + rng.randint(1, 40) :]


def stain(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """Something stands where it does not belong."""
    place = rng.randrange(len(payload) + 1)
    marks = (
        b"null",
        b"1e400",
        b'"',
        b"[",
        b"}",
        b"-",
        b"\xff\xfe",
        b",",
        b":",
        b"\x00",
        b"0",
        b".",
    )
    return payload[:place] + rng.choice(marks) + payload[place + rng.randint(0, 1) :]


def twice(rng: random.Random, payload: bytes, pool: Pool) -> Mutant:
    """Two frames in one."""
    return payload + rng.choice((b"", b"\n", b",")) + rng.choice(pool)


def empty(rng: random.Random, _payload: bytes, _pool: Pool) -> Mutant:
    """Nothing, or next to nothing."""
    return rng.choice((b"", b" ", b"null", b"{}", b"[]", b"0", b'""', b"[[]]", b"[{}]", b"true"))


def binary(rng: random.Random, _payload: bytes, _pool: Pool) -> Mutant:
    """No text at all."""
    return rng.randbytes(rng.randint(1, 200))


def page(rng: random.Random, _payload: bytes, _pool: Pool) -> Mutant:
    """A web page in the place of an answer."""
    return rng.choice(PAGES)


def overlong(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """Far too much of it."""
    much = MOST_BYTES if rng.random() < 0.05 else rng.choice((10_000, 70_000))
    filler = rng.choice((b" ", b'{"a":1},', b'"symbol":"BTC/USD",', b"9", b"["))
    place = rng.randrange(len(payload) + 1) if rng.random() < 0.5 else len(payload)
    return payload[:place] + filler * (much // len(filler)) + payload[place:]
