"""Whether every private message has arrived, by the numbers that they carry.

The channel pages count the messages of a subscription; others read the same field as counting those
of a connection (docs.kraken.com, channels executions and balances). Both are understood: the first
message for which the two differ shows which it is.
"""

from __future__ import annotations

import enum


class Arrived(enum.Enum):
    """What a message's number says."""

    NEXT = "next"
    AGAIN = "again"  # at or before the last one: old news
    GAP = "gap"  # something in between has not arrived


class Sequences:
    """The numbers of one connection."""

    def __init__(self) -> None:
        self._own: dict[str, int] = {}
        self._shared: bool | None = None  # None while nothing has shown it
        self._last = 0  # of all channels together
        self._last_channel = ""
        self._sure: dict[str, int] = {}  # of a channel that has leapt: where it was before

    def take(self, channel: str, number: int, *, snapshot: bool) -> Arrived:
        """A message of this channel carries this number."""
        begins = channel not in self._own
        if begins and not snapshot and number != 1:
            arrived = Arrived.GAP  # a channel begins with its snapshot, or with its first event
        else:
            arrived = self._judge(channel, number)
            if arrived is Arrived.AGAIN and number > self._sure.get(channel, number):
                arrived = Arrived.GAP  # what was skipped comes after all: the leap was none
        if arrived is Arrived.GAP:
            self._sure[channel] = min(self._own.get(channel, 0), number)
        elif arrived is Arrived.NEXT:
            self._sure.pop(channel, None)
        if arrived is not Arrived.AGAIN:
            self._own[channel] = number
            self._last_channel = channel
            self._last = max(self._last, number)
        return arrived

    def _judge(self, channel: str, number: int) -> Arrived:
        own = self._own.get(channel, 0)
        by_own, by_all = number == own + 1, number == self._last + 1
        if self._shared is None and by_own != by_all:
            self._shared = by_all
        if by_all if self._shared else by_own:
            return Arrived.NEXT
        if not self._shared:
            return Arrived.AGAIN if 0 < number <= own else Arrived.GAP
        if number > own and (number < self._last or channel != self._last_channel):
            self._shared = False  # another channel has used this number: each has its own count
            return Arrived.GAP
        return Arrived.AGAIN if 0 < number <= self._last else Arrived.GAP
