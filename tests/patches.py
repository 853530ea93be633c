"""Names that are something else for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Sets = Callable[[Any, str, Any], None]


@contextlib.contextmanager
def patched(plant: Callable[[Sets], None]) -> Iterator[None]:
    """What `plant` sets, while open; then all of it is as before, the last one first."""
    undo: list[tuple[Any, str, Any]] = []

    def sets(owner: Any, name: str, value: Any) -> None:
        # A class hands out its methods bound or bare: what it holds is kept.
        kept = owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)
        undo.append((owner, name, kept))
        setattr(owner, name, value)

    try:
        plant(sets)
        yield
    finally:
        for owner, name, value in reversed(undo):
            setattr(owner, name, value)


@contextlib.contextmanager
def replaced(targets: Iterable[tuple[Any, str, Any]]) -> Iterator[None]:
    """Each (owner, name) has this value while open."""

    def plant(sets: Sets) -> None:
        for owner, name, value in targets:
            sets(owner, name, value)

    with patched(plant):
        yield
