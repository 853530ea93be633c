"""The account's own taker fees, by TradeVolume, a page of markets at a time.

TradeVolume refuses a whole question for one market that it no longer knows. Which one it is, ever
smaller parts tell; it is not asked about again, so that the next question is a short one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from arbit.domain.errors import FrameError, VenueRefused
from arbit.domain.fee_ladder import Standing
from arbit.domain.money import EXACT
from arbit.domain.realised import MOST
from arbit.venues.answers import amount_of, object_of
from arbit.venues.kraken.names import Names
from arbit.venues.kraken.rest import PrivateRest

PAGE = 50
UNKNOWN_PAIR = "EQuery:Unknown asset pair"
MANY_PARTS = 30  # questions for the fees of one page, when some of its markets are gone
PERCENT = Decimal(100)


@dataclass(frozen=True, slots=True)
class Tier:
    """Where a market's fee stands on the venue's ladder; None where it is not told.

    Volumes are of 30 days, in the venue's currency for it; `next_fee` is a fraction.
    """

    from_volume: Decimal | None
    next_volume: Decimal | None
    next_fee: Decimal | None


class AccountFees:
    """Asks for them. `gone` are markets that the venue was heard to know no more, by symbol.

    `tiers` says of each market that was asked about where its fee stands.
    """

    def __init__(self, rest: PrivateRest, names: Names) -> None:
        self._rest = rest
        self._names = names
        self.gone: set[str] = set()
        self.tiers: dict[str, Tier] = {}
        self._volume: tuple[Decimal | None, str] = (None, "USD")  # as it was last told

    async def of(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """The fee of each market that is there, as a fraction; percent on the wire.

        FrameError when an answer makes no sense, VenueError when there is none. What was found to
        be gone until then stays known.
        """
        found: dict[str, Decimal] = {}
        pairs = self._names.pairs
        listed = [one for one in symbols if one in pairs and one not in self.gone]
        for start in range(0, len(listed), PAGE):
            asked = listed[start : start + PAGE]
            for name, entry in (await self._rows(asked)).items():
                percent = amount_of(object_of(entry, "TradeVolume").get("fee"), "fee")
                rate = EXACT.divide(percent, PERCENT)
                if not 0 <= rate <= MOST:  # reckoned with, it would hold every way home
                    raise FrameError(f"TradeVolume: a fee of {percent} %")
                symbol = self._names.symbol(name)
                if symbol in asked:  # by two of its names: the dearer one counts
                    found[symbol] = max(rate, found.get(symbol, rate))
                    self.tiers[symbol] = _tier(entry)
        if not found and any(symbol in pairs for symbol in symbols):
            raise FrameError("TradeVolume: no fee of any market")
        return found

    async def standing(self, symbols: Sequence[str]) -> Standing:
        """The same, and the volume of thirty days that they hold at."""
        return Standing(await self.of(symbols), *self._volume)

    def _hear_volume(self, told: Mapping[str, Any]) -> None:
        """The volume beside the fees; one that makes no sense is not told."""
        try:
            volume = amount_of(told.get("volume"), "volume")
        except FrameError:
            return
        if volume >= 0:
            currency = str(told.get("currency") or "ZUSD")
            whole = currency.removeprefix("Z") if len(currency) == len("ZUSD") else currency
            self._volume = (volume, whole[:16])

    async def _rows(self, asked: Sequence[str]) -> dict[str, Any]:
        """What TradeVolume says of these markets, without those that it no longer knows."""
        rows: dict[str, Any] = {}
        parts, questions = [list(asked)], 0
        while parts:
            part = parts.pop()
            names = ",".join(self._names.pairs[symbol] for symbol in part)
            questions += 1
            try:
                told = await self._rest.ask("TradeVolume", {"pair": names})
            except VenueRefused as refused:
                if UNKNOWN_PAIR not in refused.text:
                    raise
                half = len(part) // 2
                if not half:
                    self.gone.update(part)
                if questions >= MANY_PARTS:
                    raise
                parts += [some for some in (part[:half], part[half:]) if half]
                continue
            answer = object_of(told, "TradeVolume")
            self._hear_volume(answer)
            rows |= object_of(answer.get("fees"), "TradeVolume")
        return rows


def _tier(entry: Any) -> Tier:
    """As far as it is told: nothing is decided by it."""

    def told(name: str) -> Decimal | None:
        try:
            return amount_of(entry.get(name), name)
        except FrameError:
            return None

    next_fee = told("nextfee")
    return Tier(
        told("tiervolume"),
        told("nextvolume"),
        None if next_fee is None else EXACT.divide(next_fee, PERCENT),
    )
