"""Alpaca's ids are UUIDs: the nth is a scrambled n, never the same twice (see ``sandbox.ids``)."""

import random
from typing import Final

from arbit.sandbox.ids import Ids

MODULUS: Final = 16**30
FACTOR: Final = 0x9E3779B97F4A7C15F39CC0605CEDC5  # odd, so it has no factor in common with 16**30
PREFIXES: Final = "OTLFCA"


class Uuids(Ids):
    """Makes UUIDs of version 4 in looks from counts that start at 1."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._starts = {
            prefix: random.Random(f"{seed} uuid {prefix}").randrange(MODULUS) for prefix in PREFIXES
        }

    def client(self, count: int) -> str:
        """A client order id that the venue makes up where none was given."""
        return self._make("C", count)

    def activity(self, count: int) -> str:
        """The second half of a fee activity's id."""
        return self._make("A", count)

    def _make(self, prefix: str, count: int) -> str:
        text = f"{(count * FACTOR + self._starts[prefix]) % MODULUS:030x}"
        return f"{text[:8]}-{text[8:12]}-4{text[12:15]}-a{text[15:18]}-{text[18:]}"
