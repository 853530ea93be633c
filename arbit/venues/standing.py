"""Whether the venue as a whole trades, by its own word over REST.

REST goes on answering while a venue is in maintenance, with books that nobody can trade on. So a
book that came over REST is worth something only beside a young word that the venue is online.
"""

from __future__ import annotations

from arbit.domain.errors import VenueRefused, VenueUnreachable
from arbit.domain.events import VenueSaid
from arbit.ports import Clock, Listener
from arbit.venues.looks import LookingReader, StatusLook

SECOND_NS = 1_000_000_000
RENEW_NS = 8 * SECOND_NS  # asked again when older than this,
MAX_WORD_AGE_NS = 10 * SECOND_NS  # and not trusted when older than that
CLOSED_RENEW_NS = 2 * SECOND_NS  # a venue that is not online is asked more often


class Standing:
    """The venue's last word, asked for again when it is old. One question serves all symbols.

    A venue that has no such question is taken to be online, and that is said once.
    """

    def __init__(self, venue: str, reader: LookingReader, clock: Clock, publish: Listener) -> None:
        self._venue = venue
        self._reader = reader
        self._clock = clock
        self._publish = publish
        self._word: StatusLook | None = None
        self._told: bool | None = True

    async def online(self, max_age_ns: int = MAX_WORD_AGE_NS) -> bool:
        """True when a word not older than `max_age_ns` says so. VenueError without such a word."""
        word = self._word
        if word is not None and word.online is None:
            return True
        age_ns = self._clock.monotonic_ns() - word.sent_ns if word is not None else 0
        if word is None or age_ns > (max_age_ns if word.online else CLOSED_RENEW_NS):
            try:
                word = self._word = await self._reader.look_status()
            except VenueRefused as error:  # it refused the question, not one of the markets
                raise VenueUnreachable(f"its status: {error}") from None
            self._tell(word)
        return word.online is not False

    def _tell(self, word: StatusLook) -> None:
        if word.online is self._told:
            return
        self._told = word.online
        text = {
            True: "online again, by its word over REST",
            False: "not online, by its word over REST: no book is taken from there",
            None: "it has no word on its status over REST; its books are taken all the same",
        }[word.online]
        self._publish(VenueSaid(self._venue, text))
