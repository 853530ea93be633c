"""The grammar of harm: what can be done to a frame, or to a body, each way by its name.

Ways of the wire cut and stain bytes; ways of the grammar change one node of the JSON, so that the
harm gets past the decoder and into what is made of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.fuzz.tree import Pairs, Path, Text, at, put, tree_of, write
from tests.fuzz.wire_ways import (
    Mutant,
    Pool,
    as_it_is,
    binary,
    cut,
    empty,
    flip,
    hole,
    overlong,
    page,
    stain,
    twice,
)

NUMBERS = (
    *("0", "-0", "-1", "1e400", "-1e400", "1e-400", "1E5", "1e3", "0.1e1", "NaN", "Infinity"),
    *("-Infinity", "9" * 400, "9" * 5_000, "0." + "1" * 60, "1e999999", "1e-999999", "1e9999999"),
    *("9223372036854775808", "18446744073709551616", "4294967296", "00012", "1.", ".5", "0x10"),
    *("+1", "1_000", "1e30", "1e19", "0.000", "2147483648", "-9223372036854775809", "1e900000"),
)
WORDS = (
    *(
        "",
        " ",
        "\x00",
        "\ud800",
        "\u202eBTC/USD",
        "BTC\u2044USD",
        "\uff11\uff12.\uff15",
        "x" * 3_000,
        "null",
    ),
    *("\U0001f4b8", "é", "e\u0301", "NaN", "sNaN", "Infinity", "1e999999", "-1", "0", "1e900000"),
    *("<html>", "%s%n{}", "'; DROP TABLE x", "BTC/USD", "true", "__proto__", "\r\n", "2026-13-45"),
    *("9999-12-31T23:59:59.999999999Z", "0000-01-01T00:00:00Z", "buy", "sell", "closed", "open"),
)
SYMBOLS = ("BTC/USD", "ETH/USD", "BTC/EUR", "ETH/BTC", "NO/SUCH", "XBT/USD", "btc/usd", "BTCUSD")
CHANNELS = (
    *("book", "status", "instrument", "ticker", "heartbeat", "executions", "balances", "trade"),
    *("weather", "level3", "subscribe", "unsubscribe", "add_order", "pong", "snapshot", "update"),
    *("cancel_order", "online", "maintenance", "cancel_only", "filled", "canceled", "new"),
)
KEYS = frozenset({"channel", "type", "method", "status", "exec_type", "system", "order_status"})
NAMES = frozenset({"symbol", "pair", "wsname", "altname", "stream"})

Way = Callable[[random.Random, bytes, Pool], Mutant]


# --- ways of the grammar -------------------------------------------------------------------------


def _some(
    rng: random.Random, payload: bytes, wanted: Callable[[Any], bool]
) -> tuple[Any, Path] | None:
    """A node of this kind, by chance; None when there is none."""
    root, paths = tree_of(payload)
    for _ in range(8):
        if paths:
            path = rng.choice(paths)
            if wanted(at(root, path)):
                return root, path
    chosen = [path for path in paths if wanted(at(root, path))]
    return (root, rng.choice(chosen)) if chosen else None


def _changed(
    rng: random.Random,
    payload: bytes,
    wanted: Callable[[Any], bool],
    change: Callable[[Any], Any],
) -> Mutant:
    found = _some(rng, payload, wanted)
    if found is None:
        return None
    root, path = found
    try:
        return write(put(root, path, change(at(root, path)))).encode("utf-8", "surrogatepass")
    except RecursionError:
        return None  # it is deep enough as it is


def _is_object(node: Any) -> bool:
    return isinstance(node, Pairs) and bool(node.items)


def _is_list(node: Any) -> bool:
    return isinstance(node, list) and bool(node)


def _is_number(node: Any) -> bool:
    return isinstance(node, Text)


def _is_string(node: Any) -> bool:
    return isinstance(node, str) and not isinstance(node, Text)


def _anything(_node: Any) -> bool:
    return True


def key_gone(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """A key is missing."""

    def change(node: Pairs) -> Pairs:
        gone = rng.randrange(len(node.items))
        return Pairs(node.items[:gone] + node.items[gone + 1 :])

    return _changed(rng, payload, _is_object, change)


def key_doubled(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """A key stands twice, with two meanings."""

    def change(node: Pairs) -> Pairs:
        name, value = rng.choice(node.items)
        other = rng.choice((value, None, Text(rng.choice(NUMBERS)), rng.choice(node.items)[1]))
        place = rng.randrange(len(node.items) + 1)
        return Pairs((*node.items[:place], (name, other), *node.items[place:]))

    return _changed(rng, payload, _is_object, change)


def key_renamed(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """A key has another name."""

    def change(node: Pairs) -> Pairs:
        place = rng.randrange(len(node.items))
        name, value = node.items[place]
        others = (name.upper(), name + "s", "", name[:-1], rng.choice(node.items)[0], "\ud800")
        return Pairs((*node.items[:place], (rng.choice(others), value), *node.items[place + 1 :]))

    return _changed(rng, payload, _is_object, change)


def keys_reordered(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """The same keys in another order."""
    return _changed(
        rng,
        payload,
        _is_object,
        lambda node: Pairs(tuple(rng.sample(node.items, len(node.items)))),
    )


def null(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """Nothing in the place of something."""
    return _changed(rng, payload, _anything, lambda _: None)


def other_type(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """Something of another type."""
    others: tuple[Any, ...] = (
        *(True, False, [], Pairs(()), Text("0"), Text("7.5"), "text", [Pairs(())], [[]], [None]),
        Pairs((("a", Text("1")),)),
    )
    return _changed(rng, payload, _anything, lambda _: rng.choice(others))


def nested(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """The same, one level or several further down."""

    def change(node: Any) -> Any:
        for _ in range(rng.randint(1, 4)):
            node = [node] if rng.random() < 0.7 else Pairs((("value", node),))
        return node

    return _changed(rng, payload, _anything, change)


def deep(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """More levels than any stack has."""
    levels = rng.choice((30, 200, 900, 985, 1_020, 20_000))
    inside = rng.choice(('{"a":', "["))
    closed = ("}" if inside.startswith("{") else "]") * levels
    return _changed(rng, payload, _anything, lambda _: Text(inside * levels + "1" + closed))


def odd_number(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """A number that is none of this world."""
    return _changed(rng, payload, _is_number, lambda _: Text(rng.choice(NUMBERS)))


def other_number(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """A number that might as well have been said."""

    def change(node: str) -> Text:
        digits = list(node)
        place = rng.randrange(len(digits)) if digits else 0
        if rng.random() < 0.5:
            digits[place : place + 1] = [rng.choice("0123456789")]
        else:
            digits.insert(place, rng.choice("0123456789"))
        return Text("".join(digits))

    return _changed(rng, payload, _is_number, change)


def point_moved(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """The same digits of another size."""

    def change(node: str) -> Text:
        digits = node.replace(".", "")
        place = rng.randint(1, max(1, len(digits)))
        return Text(f"{digits[:place]}.{digits[place:]}".rstrip("."))

    return _changed(rng, payload, _is_number, change)


def quoted(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """A number as text, or text as a number."""

    def change(node: Any) -> Any:
        return str(node) if isinstance(node, Text) else Text(node or "0")

    return _changed(rng, payload, lambda node: isinstance(node, str), change)


def odd_text(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """Text that nobody expects there."""
    return _changed(rng, payload, _is_string, lambda _: rng.choice(WORDS))


def emptied(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """A list or an object without anything in it."""
    return _changed(
        rng,
        payload,
        lambda node: _is_list(node) or _is_object(node),
        lambda node: [] if isinstance(node, list) else Pairs(()),
    )


def list_shaken(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """Entries in another order, repeated, or left out."""

    def change(node: list[Any]) -> list[Any]:
        if rng.random() < 0.4:
            return rng.sample(node, len(node))
        if rng.random() < 0.5:
            return [*node, *rng.choices(node, k=rng.randint(1, 3))]
        return node[rng.randint(1, len(node)) :]

    return _changed(rng, payload, _is_list, change)


def _keyed(
    rng: random.Random, payload: bytes, named: frozenset[str], words: Sequence[str]
) -> Mutant:
    def change(node: Pairs) -> Pairs:
        return Pairs(tuple((k, rng.choice(words) if k in named else v) for k, v in node.items))

    return _changed(
        rng,
        payload,
        lambda node: isinstance(node, Pairs) and any(key in named for key, _ in node.items),
        change,
    )


def symbol_swapped(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """Said of another market."""
    return _keyed(rng, payload, NAMES, SYMBOLS)


def kind_swapped(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """Of another channel, method, type or status, known or not."""
    return _keyed(rng, payload, KEYS, CHANNELS)


def id_swapped(rng: random.Random, payload: bytes, pool: Pool) -> Mutant:
    """An id of another frame, or of another place in this one."""
    found = _some(rng, rng.choice(pool), lambda node: isinstance(node, str))
    if found is None:
        return None
    other = at(*found)
    return _changed(rng, payload, lambda node: isinstance(node, str), lambda _: other)


def checksum_wrong(rng: random.Random, payload: bytes, _pool: Pool) -> Mutant:
    """A checksum, or a number of order, that is not the right one."""
    named = frozenset({"checksum", "sequence", "req_id"})

    def change(node: Pairs) -> Pairs:
        def other(value: Any) -> Text:
            near = str(int(value) + rng.choice((-1, 1, 2, 100))) if _short(value) else "7"
            return Text(rng.choice((near, str(rng.getrandbits(32)), "0", "-1", "4294967296")))

        return Pairs(tuple((k, other(v) if k in named else v) for k, v in node.items))

    return _changed(
        rng,
        payload,
        lambda node: isinstance(node, Pairs) and any(key in named for key, _ in node.items),
        change,
    )


def _short(value: Any) -> bool:
    return str(value).isascii() and str(value).isdigit() and len(str(value)) < 40


def batched(rng: random.Random, payload: bytes, pool: Pool) -> Mutant:
    """Entries of another frame among this one's."""
    found = _some(rng, rng.choice(pool), _is_list)
    if found is None:
        return None
    others = at(*found)

    def change(node: list[Any]) -> list[Any]:
        mixed = [*node, *others[:3]]
        return rng.sample(mixed, len(mixed))

    return _changed(rng, payload, _is_list, change)


def spliced(rng: random.Random, payload: bytes, pool: Pool) -> Mutant:
    """A branch of another frame in the place of one of ours."""
    found = _some(rng, rng.choice(pool), _anything)
    if found is None:
        return None
    other = at(*found)
    return _changed(rng, payload, _anything, lambda _: other)


WAYS: dict[str, Way] = {
    way.__name__: way
    for way in (
        *(as_it_is, flip, cut, hole, stain, twice, empty, binary, page, overlong),
        *(key_gone, key_doubled, key_renamed, keys_reordered, null, other_type, nested, deep),
        *(odd_number, other_number, point_moved, quoted, odd_text, emptied, list_shaken),
        *(symbol_swapped, kind_swapped, id_swapped, checksum_wrong, batched, spliced),
    )
}
RARE = frozenset({"overlong", "deep", "empty", "binary", "page"})
_NAMES = tuple(WAYS)
_WEIGHTS = tuple(1 if name in RARE else 4 for name in _NAMES)


def mutant(rng: random.Random, pool: Pool) -> tuple[tuple[str, ...], bytes]:
    """A harmed frame of this pool, and what was done to it: mostly one thing, at times three."""
    payload, done = rng.choice(pool), list[str]()
    for name in rng.choices(_NAMES, _WEIGHTS, k=rng.choice((1, 1, 1, 1, 1, 1, 2, 2, 3))):
        made = WAYS[name](rng, payload, pool)
        if made is not None:
            payload = made
            done.append(name)
    return tuple(done) or ("as_it_is",), payload
