"""JSON as a tree that keeps what a decoder forgets: digits, the order of keys, and doubled keys."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

Path = tuple[int, ...]
KEPT_BYTES = 16_384  # a longer frame is read anew each time


class Text(str):
    """JSON text that is written as it is: a number's digits, or what is no JSON at all."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Pairs:
    """An object: its keys and values as they stand."""

    items: tuple[tuple[str, Any], ...]


def read(payload: bytes) -> Any:
    """The tree of these bytes. ValueError when they are no JSON."""
    return json.loads(
        payload,
        object_pairs_hook=lambda pairs: Pairs(tuple(pairs)),
        parse_float=Text,
        parse_int=Text,
        parse_constant=Text,
    )


def tree_of(payload: bytes) -> tuple[Any, tuple[Path, ...]]:
    """The tree of a frame, and the way to each of its nodes; None and no way when it has none."""
    return _kept(payload) if len(payload) <= KEPT_BYTES else _tree_of(payload)


@functools.lru_cache(maxsize=1_024)
def _kept(payload: bytes) -> tuple[Any, tuple[Path, ...]]:
    return _tree_of(payload)


def _tree_of(payload: bytes) -> tuple[Any, tuple[Path, ...]]:
    try:
        root = read(payload)
    except (ValueError, RecursionError):
        return None, ()
    found: list[Path] = []
    _walk(root, (), found)
    return root, tuple(found)


def _walk(node: Any, path: Path, found: list[Path]) -> None:
    found.append(path)
    for number, child in enumerate(children(node)):
        _walk(child, (*path, number), found)


def children(node: Any) -> list[Any]:
    """What is directly inside a node."""
    if isinstance(node, Pairs):
        return [value for _, value in node.items]
    return node if isinstance(node, list) else []


def at(root: Any, path: Path) -> Any:
    """The node at the end of a way."""
    for step in path:
        root = children(root)[step]
    return root


def put(root: Any, path: Path, node: Any) -> Any:
    """The same tree with another node there; what is not on the way is shared."""
    if not path:
        return node
    step, rest = path[0], path[1:]
    if isinstance(root, Pairs):
        name, value = root.items[step]
        changed = (name, put(value, rest, node))
        return Pairs((*root.items[:step], changed, *root.items[step + 1 :]))
    return [*root[:step], put(root[step], rest, node), *root[step + 1 :]]


def write(node: Any) -> str:
    """The tree as JSON, or what stands for it."""
    if isinstance(node, Text):
        return str(node)
    if isinstance(node, Pairs):
        return "{" + ",".join(f"{json.dumps(k)}:{write(v)}" for k, v in node.items) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(write, node)) + "]"
    return json.dumps(node)
