"""The venue's book checksum, read from its documentation and from nothing else here.

Top ten asks from the lowest, then top ten bids from the highest; of each level the price digits
then the quantity digits, without the point and without leading zeros; CRC-32 (ISO-HDLC) of that
ASCII text, unsigned. With integers at the wire's precision those digits are ``str(int)``.
"""

from collections.abc import Iterable
from typing import Final
from zlib import crc32

CHECKSUM_LEVELS: Final = 10

Level = tuple[int, int]


def book_checksum(asks: Iterable[Level], bids: Iterable[Level]) -> int:
    """CRC of at most ten ``(price, qty)`` integer levels a side, both given best first."""
    digits = [f"{price}{qty}" for price, qty in asks]
    digits += [f"{price}{qty}" for price, qty in bids]
    return crc32("".join(digits).encode("ascii"))
