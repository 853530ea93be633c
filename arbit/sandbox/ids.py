"""Ids in the venue's shape, never the same twice: the nth id is a scrambled n.

Multiplying by a number that has no factor in common with the modulus, and adding a constant, is
one-to-one, so distinct counts give distinct ids for as long as the seed stays the same. The log
keeps the first seed and the counts come from it, so that holds over restarts too.
"""

import random
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS: Final = 16
MODULUS: Final = 36**DIGITS
FACTOR: Final = 3_141_592_653_589_793_238_462_643  # ends in 3 and its digits do not sum to 3k


class Ids:
    """Makes ids from counts that start at 1."""

    def __init__(self, seed: int) -> None:
        self._offsets = {
            prefix: random.Random(f"{seed} {prefix}").randrange(MODULUS) for prefix in "OTLF"
        }

    def order(self, count: int) -> str:
        """For example ``OUF4EM-FRGI2-MQMWZD``."""
        return self._make("O", count)

    def trade(self, count: int) -> str:
        """A trade's id: the key in trade histories and the ``exec_id`` on the socket."""
        return self._make("T", count)

    def ledger(self, count: int) -> str:
        """A ledger entry's id."""
        return self._make("L", count)

    def flow(self, count: int) -> str:
        """The reference of a deposit or a withdrawal."""
        return self._make("F", count)

    def _make(self, prefix: str, count: int) -> str:
        value = (count * FACTOR + self._offsets[prefix]) % MODULUS
        text = ""
        for _ in range(DIGITS):
            value, digit = divmod(value, 36)
            text += ALPHABET[digit]
        return f"{prefix}{text[:5]}-{text[5:10]}-{text[10:]}"
