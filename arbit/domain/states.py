"""State machines as tables: a dict keyed by (state, event). An illegal pair changes nothing."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from arbit.domain.errors import BrokenRule

State = TypeVar("State", bound=enum.StrEnum)
Happening = TypeVar("Happening", bound=enum.StrEnum)


class IllegalTransition(BrokenRule):
    """A happening that the table does not know in this state."""


class StateTable(Generic[State, Happening]):
    """One machine: where it starts, what leads where, and which states are ends."""

    def __init__(
        self, name: str, start: State, rows: Mapping[tuple[State, Happening], State]
    ) -> None:
        self.name = name
        self.start = start
        self._rows = dict(rows)

    def after(self, state: State, happening: Happening) -> State:
        """The state that follows; IllegalTransition when the table has no such row."""
        try:
            return self._rows[state, happening]
        except KeyError:
            raise IllegalTransition(
                f"{self.name}: {happening.value} cannot happen in {state.value}"
            ) from None

    def allows(self, state: State, happening: Happening) -> bool:
        """Whether the table has a row for it."""
        return (state, happening) in self._rows

    def rows(self) -> Iterator[tuple[State, Happening, State]]:
        """Every row, in the order written."""
        for (state, happening), following in self._rows.items():
            yield state, happening, following

    def diagram(self) -> str:
        """The table as a Mermaid state diagram, one line a pair of states."""
        joined: dict[tuple[State, State], list[str]] = {}
        for state, happening, following in self.rows():
            joined.setdefault((state, following), []).append(happening.value)
        lines = ["stateDiagram-v2", f"    [*] --> {self.start.value}"]
        lines += [
            f"    {state.value} --> {following.value}: {', '.join(names)}"
            for (state, following), names in joined.items()
        ]
        return "\n".join(lines)
