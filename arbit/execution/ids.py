"""Client ids: ours can be told from anybody's, and none is ever used twice.

At most 18 of `[A-Za-z0-9_-]` (Kraken's limit for free text): a prefix, five random characters of
this run, the cycle's number, the leg and the attempt. The random part changes with each start, and
an order for a cycle of an earlier run ends with three characters of this one's, so that not even a
restored backup repeats an id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from arbit.domain.errors import BrokenRule

PREFIX = "ab"
MAX_LENGTH = 18
EPOCH_LENGTH = 5
TAIL_LENGTH = 3
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_OURS = re.compile(rf"{PREFIX}[0-9a-z]{{{EPOCH_LENGTH}}}[0-9a-z]+-[0-3][0-9a-z]{{1,5}}")


def ours(client_id: str) -> bool:
    """Whether an order with this client id was sent by us, in this run or another."""
    return len(client_id) <= MAX_LENGTH and _OURS.fullmatch(client_id) is not None


@dataclass(slots=True)
class Ids:
    """The ids of one run. `epoch` is five random characters of `[0-9a-z]`."""

    epoch: str
    cycles: int = 0

    def __post_init__(self) -> None:
        if not re.fullmatch(rf"[0-9a-z]{{{EPOCH_LENGTH}}}", self.epoch):
            raise BrokenRule(f"ids: {self.epoch!r} is no run's epoch")

    def cycle(self) -> str:
        """The next cycle's id."""
        self.cycles += 1
        return f"{self.epoch}{_base36(self.cycles)}"

    def order(self, cycle_id: str, leg_index: int, attempt: int) -> str:
        """The id of an order: leg 1 to 3, or 0 for an unwind; attempts count from 1."""
        tail = "" if cycle_id.startswith(self.epoch) else self.epoch[:TAIL_LENGTH]
        client_id = f"{PREFIX}{cycle_id}-{leg_index}{_base36(attempt)}{tail}"
        if not ours(client_id):
            raise BrokenRule(f"ids: {client_id!r} is no client id")
        return client_id


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits
