"""The venues whose rules a simulation can play: what differs between them, and nothing else.

`kraken` is played unless a plan says otherwise. A house's own pieces are imported when it is asked
for: its faces, its plan, its daemon's private side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.simulation import figures, ready
from tests.simulation import plan as plans
from tests.simulation.daemon import Life
from tests.simulation.plan import CALL_FAULTS, FATAL_FAULTS, TIMED_FAULTS, Plan
from tests.simulation.strains import WORDS
from tests.simulation.venue import SimVenue

if TYPE_CHECKING:
    from tests.simulation.world import World

Actions = Callable[["World"], Mapping[str, Callable[[], bool]]]


def _nothing_more(world: World) -> Mapping[str, Callable[[], bool]]:
    del world
    return {}


def _as_it_is(plan: Plan) -> Mapping[str, object]:
    return {"rate_tier": plan.tier, "order_transport": plan.transport}


def _no_more(world: World) -> None:
    """Nothing to watch beside what every venue is watched for."""


def _stated(world: World, exchange: Any, database: Any) -> None:
    """What the venue's log says is what an account's owner is told."""


def _content(world: World, database: Any) -> None:
    """Nothing to add to what every venue is judged by."""


@dataclass(frozen=True, slots=True)
class House:
    """What a venue's simulation is made of.

    `venue` is its name in the settings, `full` what its gateway says when the request limit has no
    room, `flows` the assets that deposits are of, `own_s` how long it may take of its own until it
    trades again (`soon_s` in most seeds), `dust_usd` what a cycle may leave behind. `reckon` makes
    of the venue's log what an account's owner knows of it, `judge` looks at the end at what only
    this venue's rules demand, `tells_fees` is False where a fill's fee is stated later.
    """

    name: str
    venue: str
    full: str
    flows: tuple[str, ...]
    plan_of: Callable[[int], Plan]
    venue_of: Callable[..., SimVenue]
    life_of: Callable[..., Life]
    faults: Sequence[str]
    settings: Callable[[Plan], Mapping[str, object]] = _as_it_is
    mishaps: Actions = _nothing_more
    join: Callable[[World], None] = _no_more
    reckon: Callable[[World, Any, Any], None] = _stated
    judge: Callable[[World, Any], None] = _content
    tells_fees: bool = True
    own_s: float = ready.OWN_S
    soon_s: float = figures.READY_OWN_S
    dust_usd: int = 6  # minima are about four dollars, and prices move a little
    short: Sequence[str] = ("Insufficient funds",)


KRAKEN = House(
    name="kraken",
    venue="sandbox",
    full=ready.COUNTER_FULL,
    flows=("USD", "EUR", "BTC"),
    plan_of=plans.plan_of,
    venue_of=SimVenue,
    life_of=Life,
    faults=(*CALL_FAULTS, *TIMED_FAULTS, *FATAL_FAULTS, *WORDS),
)
NAMES = ("kraken", "alpaca")


def house_of(name: str) -> House:
    """The house of this name. LookupError for one that nobody built."""
    if name == KRAKEN.name:
        return KRAKEN
    if name not in NAMES:
        raise LookupError(f"no house {name!r}: expected one of {', '.join(NAMES)}")
    found: House = import_module(f"tests.simulation.{name}.house").HOUSE
    return found
