"""Alpaca's house, put together."""

from __future__ import annotations

from collections.abc import Mapping

from tests.simulation.alpaca import books, judge, mishaps, plan
from tests.simulation.alpaca.life import AlpacaLife
from tests.simulation.alpaca.venue import AlpacaVenue
from tests.simulation.houses import House
from tests.simulation.plan import Plan

FULL = "the request limit has no room"
# An order that is not found is asked for until its deadline, half a minute and more after it left.
OWN_S, SOON_S = 30.0 + 60.0, 60.0


def _settings(drawn: Plan) -> Mapping[str, object]:
    """What the venue's settings are: the fee is the user's word, the venue tells none."""
    return {"taker_fee_bps": drawn.fee_bps}


HOUSE = House(
    name="alpaca",
    venue="sandbox-alpaca",
    full=FULL,
    flows=("USD", "USDT", "BTC"),
    plan_of=plan.plan_of,
    venue_of=AlpacaVenue,
    life_of=AlpacaLife,
    faults=(*plan.CALL_FAULTS, *plan.SHARED, *plan.TIMED_FAULTS, *plan.FATAL),
    settings=_settings,
    mishaps=mishaps.actions,
    join=judge.join,
    reckon=books.reckon,
    judge=judge.look,
    tells_fees=False,
    own_s=OWN_S,
    soon_s=SOON_S,
    dust_usd=12,  # a buy for USD is worth ten at least
    short=("Insufficient funds", "insufficient balance"),
)
