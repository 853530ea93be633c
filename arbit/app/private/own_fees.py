"""The account's own fees for a dry run, which sends nothing: one question, where there is a key.

Nothing that could send an order is made for it: a signed question and its answer. Its nonce goes on
where the key's are kept: a daemon that was just started again has used some that are ahead of the
clock, and the next one must go on behind ours. So it leaves a run that only asked, as `plan` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal

from arbit.app.private.kraken import FlagLevels, FlagNonces, refusal
from arbit.app.private.parts import Around, Forward, Ours
from arbit.app.store import account_of, nonces_of
from arbit.app.watch.feeds import Addresses, RestSide
from arbit.config import SANDBOXES, SPEAKS_KRAKEN, Settings, VenueSettings
from arbit.domain.errors import VenueRefused
from arbit.persistence.locks import AccountHeld
from arbit.persistence.past import DRY_RUN
from arbit.ports import Clock
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.kraken.private.parts import PrivateAround, PrivateAt, private_rest
from arbit.venues.kraken.reads import KrakenReads

Fees = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class FeesAsked:
    """Whose fees of which markets, and where. `rest` is the venue's public side."""

    settings: Settings
    venue: VenueSettings
    at: Addresses
    rest: RestSide
    symbols: Sequence[str]
    clock: Clock


async def own_fees(asked: FeesAsked) -> tuple[Fees | None, str]:
    """What this key's account pays, by symbol, as fractions; None where the ladder must do.

    And why it must, in words: a key that the venue refuses, or that a daemon has. Only Kraken
    tells. VenueUnreachable and FrameError are raised, and UserError for an unusable journal.
    """
    venue = asked.venue
    asks = venue.name in SPEAKS_KRAKEN and venue.name not in SANDBOXES
    if not asks or venue.api_key is None or venue.api_secret is None:
        return None, ""
    try:
        return await _told(asked), ""
    except AccountHeld as held:
        return None, f"{held}; the account was not asked for its fees: the published ladder is used"
    except VenueRefused as error:
        return None, f"{refusal(error.text)}; the published ladder is used instead of its fees"


async def _told(asked: FeesAsked) -> Fees:
    venue, clock, public = asked.venue, asked.clock, asked.rest.client
    account = account_of(venue, real=True)
    async with AsyncExitStack() as stack:
        kept = stack.enter_context(nonces_of(asked.settings, venue, account, clock, DRY_RUN))
        around, flags, mine = Around(clock, kept, lambda _: None), kept.recall().flags, Ours(kept)
        private = PrivateAround(
            clock=clock,
            nonces=FlagNonces(around, flags),
            levels=FlagLevels(around, flags),
            public=public,
            sink=Forward(),
            publish=around.publish,
            ours=mine,
        )
        signed = private_rest(venue, PrivateAt(asked.at.rest_url, asked.at.ws_url), private)
        stack.callback(lambda: signed.budget.close(clock.monotonic_ns()))
        stack.push_async_callback(signed.close)
        reads = KrakenReads(signed, public, OffsetTracker(clock), mine)
        return await reads.fees(asked.symbols)
