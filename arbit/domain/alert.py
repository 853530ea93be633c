"""What a person is told when something needs one: frozen, short, and the same for every way out."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


class Severity(enum.IntEnum):
    """How much an alert matters. Closed; their order is their weight."""

    INFO = 1  # good to know
    WARNING = 2  # look at it today
    CRITICAL = 3  # look at it now: trading has stopped, or money lies where it should not

    @property
    def word(self) -> str:
        """As settings and receivers spell it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell. `text` is one of ours, closed; `detail` may hold a venue's words.

    `topic` is what it is about and `state` how that is now: the same state of a topic is told once
    in a while, another one at once. `back` says that the topic is well again. `count` is how many
    of the kind it stands for.
    """

    kind: str
    severity: Severity
    venue: str
    topic: str
    state: str
    text: str
    detail: str = ""
    cycle: str = ""
    order: str = ""
    run: str = ""
    back: bool = False
    count: int = 1
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one delivery. `why` is empty when it arrived, else one of a closed set of words.

    `retry_after_s` is what the receiver asked for, within our bounds; None when it asked nothing.
    `refused` says that it is there and does not want this one: the next may well arrive.
    """

    why: str = ""
    retry_after_s: float | None = None
    refused: bool = False

    @property
    def arrived(self) -> bool:
        """Whether the receiver has it."""
        return not self.why


Deliver = Callable[[Alert], Awaitable[Answer]]
