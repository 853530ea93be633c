"""The private side of Kraken and of the sandbox that speaks as it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal

from arbit.app.private.parts import Around, Forward, Ours, Real
from arbit.app.watch.feeds import Addresses, rest_side
from arbit.config import Settings, VenueSettings
from arbit.domain.account import AccountUnfit, KeyFacts
from arbit.domain.errors import VenueRefused
from arbit.domain.market import Market
from arbit.domain.order import Remedy
from arbit.domain.records import Flag
from arbit.venues.clockoffset import off_clock
from arbit.venues.kraken.budgets import Level
from arbit.venues.kraken.gateway import KrakenGateway
from arbit.venues.kraken.keyfacts import judged
from arbit.venues.kraken.outcomes import judge
from arbit.venues.kraken.private.parts import (
    OrderTimes,
    PrivateAround,
    PrivateAt,
    private_side,
)
from arbit.venues.kraken.reads import KrakenReads
from arbit.venues.kraken.rest import BAD_NONCE
from arbit.venues.kraken.rest_orders import RestOrders

NONCE = "nonce"
REQUESTS = "requests"  # how full the key's request counter is


@dataclass(frozen=True, slots=True)
class KrakenReal(Real):
    """Orders go to Kraken, or to the sandbox that speaks as it does. `venue` admits its key."""

    gateway: KrakenGateway
    reader: KrakenReads
    rest_orders: RestOrders
    venue: VenueSettings

    def judge(self, facts: KeyFacts) -> Sequence[str]:
        """AccountUnfit for a key that must not be traded with; `notes` say what might be better.

        The one judgement of a key: `keys:check` asks it, so does every start, and so does a daemon
        as long as it trades. Handed back is what was not among the notes before.
        """
        notes = judged(facts, self.venue, self.clock.wall_ns())
        fresh = [one for one in notes if one not in self.notes]
        self.notes.extend(fresh)
        return fresh

    async def admitted(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """Whether this key may be traded with, by our clock, and the account's own fees.

        AccountUnfit (exit code 3) when it may not: a key that can withdraw is never used.
        """
        try:
            self.judge(await self.reader.key())
            offset = await self.reader.clock_offset()
            if why := off_clock(offset):
                raise AccountUnfit(why)
            self.reader.offsets.take(offset)
            return await self.reader.fees(symbols)
        except VenueRefused as error:
            raise AccountUnfit(refusal(error.text)) from None

    async def key_again(self) -> Sequence[str]:
        """As any. The venue's words against the key are as good as a fact; others prove nothing."""
        try:
            return self.judge(await self.reader.key())
        except VenueRefused as error:
            if any(judge(one).remedy is Remedy.HALT for one in error.text.split("; ")):
                raise AccountUnfit(refusal(error.text)) from None
            raise

    def keeping(self, markets: Mapping[str, Market]) -> dict[str, Market]:
        """These markets, with the decimals that the venue's balances keep of their assets."""
        of = self.reader.names.digits.get
        return {
            symbol: replace(one, base_digits=of(one.base), quote_digits=of(one.quote))
            for symbol, one in markets.items()
        }


def refusal(words: str) -> str:
    """What the venue's words say of a key, for whoever has to do something about it."""
    if BAD_NONCE in words:
        return (
            f"the venue refuses our nonce ({words}), which says nothing of the key itself: another "
            "program uses it too, or it was used from another data folder a short while ago"
        )
    return f"the venue refuses this API key: {words}"


class FlagNonces:
    """A `NonceStore` in the journal. While that fails the clock alone keeps nonces rising."""

    def __init__(self, around: Around, flags: Mapping[str, Flag]) -> None:
        """`flags` are what the journal remembers."""
        self._around = around
        self._flag = flags.get(NONCE)

    def load(self) -> int:
        """The last one saved; 0 when there is none."""
        flag = self._flag
        return int(flag.value) if flag is not None and flag.value.isdigit() else 0

    def save(self, nonce: int) -> bool:
        """Keep it; False when the journal cannot."""
        return self._around.keep(NONCE, str(nonce))


class FlagLevels:
    """A `LevelStore` in the journal. When that fails the next start begins a little too full."""

    def __init__(self, around: Around, flags: Mapping[str, Flag]) -> None:
        """`flags` are what the journal remembers."""
        self._around = around
        self._flag = flags.get(REQUESTS)

    def load(self) -> Level | None:
        """The last one saved; None when there is none that can be read."""
        words = self._flag.value.split() if self._flag is not None else []
        try:
            return Level(float(words[0]), float(words[1]), int(words[2]))
        except (IndexError, ValueError):
            return None

    def save(self, level: Level) -> None:
        """Keep it."""
        self._around.keep(REQUESTS, f"{level.level:.3f} {level.ahead:.3f} {level.wall_ns}")


async def kraken_side(
    settings: Settings, venue: VenueSettings, at: Addresses, around: Around, stack: AsyncExitStack
) -> KrakenReal:
    """The private side of a venue that speaks Kraken. UserError without a key."""
    public, sink, mine = rest_side(venue, at, around.clock), Forward(), Ours(around.journal)
    memory = around.journal.recall()
    stack.push_async_callback(public.client.close)
    side = private_side(
        venue,
        PrivateAt(at.rest_url, at.ws_url),
        OrderTimes(settings.risk.deadline_ms, settings.risk.resolve_margin_ms),
        PrivateAround(
            clock=around.clock,
            nonces=FlagNonces(around, memory.flags),
            levels=FlagLevels(around, memory.flags),
            sent=memory.last_sent,
            public=public.client,
            sink=sink,
            publish=around.publish,
            ours=mine,
        ),
    )
    stack.push_async_callback(side.close)
    return KrakenReal(side.gateway, side.reader, sink, around.clock, mine, side.orders, venue)
