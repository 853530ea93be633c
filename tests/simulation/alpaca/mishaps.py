"""What happens at a time in Alpaca's house alone: to fees, to the key, to the limit on requests."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.simulation.alpaca.plan import DAY_S, ROUNDINGS
from tests.simulation.alpaca.venue import AlpacaVenue
from tests.simulation.loop import SECOND_NS

if TYPE_CHECKING:
    from tests.simulation.world import World


class HouseMishaps:
    """Puts these faults into effect. `beyond` is whether fees took more than is known."""

    def __init__(self, world: World, venue: AlpacaVenue) -> None:
        self._world = world
        self._venue = venue
        self._rng = random.Random(f"alpaca mishaps {world.plan.seed}")

    def actions(self) -> Mapping[str, Callable[[], bool]]:
        """By the name of the fault; each says whether it did anything."""
        return {
            "fee_rounding": self._fee_rounding,
            "fees_grouped": self._fees_grouped,
            "fees_held": self._fees_held,
            "fee_beyond": self._fee_beyond,
            "key_refused": self._key_refused,
            "limit_reached": self._limit_reached,
            "wash_trade": self._wash_trade,
        }

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._venue.at(self._world.loop.now_ns + int(seconds * SECOND_NS), action)

    def _fee_rounding(self) -> bool:
        """Fees are rounded another way from now on."""
        before, self._venue.hooks.rounding = self._venue.hooks.rounding, self._rng.choice(ROUNDINGS)
        return before != self._venue.hooks.rounding

    def _fees_grouped(self) -> bool:
        """Fees of a day and an asset are posted together from now on, or one by one."""
        posting = self._venue.exchange.posting
        posting.daily = not posting.daily
        posting.after_s = max(posting.after_s, DAY_S)
        return True

    def _fees_held(self) -> bool:
        """No fee is posted for a while."""
        posting = self._venue.exchange.posting
        if posting.held:
            return False
        posting.held = True

        def go_on() -> None:
            posting.held = False
            self._venue.moved()

        self._later(self._rng.choice((3.0, 20.0, 90.0)), go_on)
        return True

    def _fee_beyond(self) -> bool:
        """Trades are taken more than the rate that is known, from now on."""
        self._venue.hooks.beyond_bps = Decimal(self._rng.choice((1, 5, 15)))
        return True

    def _key_refused(self) -> bool:
        """The key is not known for a while."""
        lasts_ns = int(self._rng.choice((0.5, 2.0, 5.0)) * SECOND_NS)
        self._venue.refused_until_ns = self._world.loop.now_ns + lasts_ns
        return True

    def _limit_reached(self) -> bool:
        """Others have asked so much on this account that nothing more is answered for a while."""
        lasts_ns = int(self._rng.choice((1.0, 5.0)) * SECOND_NS)
        self._venue.limited_until_ns = self._world.loop.now_ns + lasts_ns
        return True

    def _wash_trade(self) -> bool:
        """The next order might trade with one of ours, says the venue."""
        self._world.swarm.words.append("wash")
        return True


def actions(world: World) -> Mapping[str, Callable[[], bool]]:
    """Those of this world."""
    venue = world.venue
    if not isinstance(venue, AlpacaVenue):
        raise TypeError("another house's venue")
    return HouseMishaps(world, venue).actions()
