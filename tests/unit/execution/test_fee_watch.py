"""Fees are read again: at once when a fill was dearer, patiently, and once a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from arbit.domain.errors import VenueError, VenueUnreachable
from arbit.domain.events import IncidentSeen
from arbit.domain.money import BPS
from arbit.domain.refusal import RefusalCode, Refused
from arbit.execution import fee_watch
from arbit.execution.fee_watch import CHEAPER_NS, DAY_NS, FeeWatch
from tests.unit.execution.beside import beside
from tests.unit.execution.world import FEE, FEES, Script, ScriptedVenue, World

D = Decimal
DEARER = D("0.002")
SECOND = 1_000_000_000


@dataclass(slots=True)
class Asked(ScriptedVenue):
    """A venue that takes `FEE`, and answers what the test has it say."""

    says: Decimal | VenueError = FEE
    fees_asked_ns: list[int] = field(default_factory=list)

    async def fees(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        self.fees_asked_ns.append(self.clock.now_ns)
        assert set(symbols) == set(FEES)
        if isinstance(self.says, VenueError):
            raise self.says
        return dict.fromkeys(symbols, self.says)


class Watched(World):
    """A daemon that reckoned with `reckoned` at a venue that takes `FEE` and says `says`."""

    venue_of = Asked

    def __init__(
        self, *scripts: Script, reckoned: Decimal, says: Decimal | VenueError = FEE
    ) -> None:
        self.fees = dict.fromkeys(FEES, reckoned)
        super().__init__(*scripts)
        self.says(says)
        self.watch = FeeWatch(self.setup, self.engine, self.venue, list(FEES), D(0))

    def says(self, what: Decimal | VenueError) -> None:
        assert isinstance(self.venue, Asked)
        self.venue.says = what

    @property
    def asked(self) -> list[int]:
        assert isinstance(self.venue, Asked)
        return self.venue.fees_asked_ns

    def told(self, kind: str) -> list[str]:
        kept = [one.detail for one in self.journal.incidents if one.kind == kind]
        said = [e.detail for e in self.events if isinstance(e, IncidentSeen) and e.kind == kind]
        assert kept == said
        return kept

    @property
    def reckoned(self) -> set[Decimal]:
        return {fee.rate for fee in self.setup.fees.fees.values()}

    def watching(self) -> AbstractAsyncContextManager[None]:
        return beside(self, self.watch.run)


async def test_a_dearer_fee_stops_new_cycles_until_the_venue_was_asked() -> None:
    world = Watched(reckoned=FEE / 2, says=VenueUnreachable("nobody answers"))
    async with world.watching():
        await world.trade()
        refused = world.engine.take(world.plan(), world.clock.now_ns)
        assert isinstance(refused, Refused)
        assert refused.code is RefusalCode.FEES
        assert "took a fee of 10 bps, 5 were expected" in refused.figures["why"]
        assert world.engine.refusals == {"fees": 1}, "as metrics show all of them"

        world.says(FEE)
        await world.clock.advance(61)
        assert world.reckoned == {FEE}
        world.fees = FEES
        await world.trade()
    assert world.engine.ends == {"done": 2}
    assert len(world.told("fee")) == 1, "not one a fill"
    (said,) = world.told("fees")
    assert said == (
        "the venue was asked for its fees: BTC/USD, ETH/BTC, ETH/USD from 5 bps to 10 bps; at your "
        "fees (up to 10 bps a leg) a gap of 30.1 bps is needed before a cycle earns anything"
    )
    world.agrees()


async def test_what_is_open_goes_on_and_reckons_with_what_was_taken() -> None:
    world = Watched(reckoned=FEE / 2, says=VenueUnreachable("nobody answers"))
    async with world.watching():
        await world.trade()
    assert world.end == "done"
    first, *later = [row.intent.fee_rate for row in world.journal.orders.values()]
    assert first == FEE / 2
    assert later == [FEE, FEE]


async def test_a_way_home_is_priced_with_what_was_taken() -> None:
    world = Watched(
        Script(), Script(shape="reject"), reckoned=D(0), says=VenueUnreachable("nobody answers")
    )
    async with world.watching():
        await world.trade()
    assert world.end == "unwound"
    home = [row.intent for row in world.journal.orders.values()][-1]
    assert home.fee_rate == FEE


async def test_what_the_venue_does_not_explain_is_believed_and_trading_goes_on() -> None:
    world = Watched(reckoned=FEE / 2, says=FEE / 2)
    async with world.watching():
        await world.trade()
        await world.clock.advance(3)
        assert world.reckoned == {FEE}, "each of the three markets took it"
        world.fees = FEES
        await world.trade()
    assert world.engine.ends == {"done": 2}
    (said,) = world.told("fees")
    assert "to 10 bps, as fills took, though the venue says 5 bps" in said


async def test_a_venue_that_does_not_answer_is_asked_ever_more_patiently() -> None:
    world = Watched(reckoned=FEE / 2, says=VenueUnreachable("nobody answers"))
    async with world.watching():
        await world.trade()
        await world.clock.advance(600)
        pauses = [(b - a) / SECOND for a, b in zip(world.asked, world.asked[1:], strict=False)]
    assert pauses[:5] == pytest.approx([2, 4, 8, 16, 32], abs=0.5)
    assert pauses[5:] == pytest.approx([60] * len(pauses[5:]), abs=0.5)
    assert len(world.asked) > 10
    assert world.setup.fees.doubt(), "and nothing begins meanwhile"
    assert world.told("fees") == [
        "the venue does not say its fees: nobody answers; nothing new begins until it does"
    ]


async def test_a_cheaper_fee_is_asked_about_without_a_stop_and_seldom() -> None:
    world = Watched(reckoned=FEE * 2, says=FEE * 2)
    async with world.watching():
        await world.trade()
        await world.clock.advance(1)
        assert len(world.asked) == 1
        assert world.engine.take(world.plan(), world.clock.now_ns) is None
        await world.clock.advance(CHEAPER_NS / SECOND - 10)
        assert len(world.asked) == 1, "a venue that insists is not asked at every fill"
        world.says(FEE)
        await world.clock.advance(20)
        assert world.reckoned == {FEE}
    (said,) = world.told("fees")
    assert "from 20 bps to 10 bps" in said
    assert world.told("fee") == []


@pytest.fixture
def rare_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day has a third of a million looks, and nothing happens at most of them."""
    monkeypatch.setattr(fee_watch, "LOOK_S", 10.0)


@pytest.mark.untraced
@pytest.mark.usefixtures("rare_looks")
async def test_fees_are_read_once_a_day_whatever_happens() -> None:
    world = Watched(reckoned=FEE, says=FEE)
    async with world.watching():
        await world.clock.advance(DAY_NS / SECOND - 1)
        assert world.asked == []
        await world.clock.advance(20)
        assert len(world.asked) == 1
        assert world.told("fees") == [], "nothing is new"
        world.says(FEE * 2)
        await world.clock.advance(DAY_NS / SECOND + 20)
    assert len(world.asked) == 2
    assert world.reckoned == {FEE * 2}
    assert len(world.told("fees")) == 1


@pytest.mark.usefixtures("rare_looks")
async def test_a_user_keeps_what_he_set_unless_fills_take_more() -> None:
    world = Watched(reckoned=FEE, says=FEE / 2)
    world.setup.fees._stated = dict.fromkeys(FEES, FEE * 3).get
    async with world.watching():
        await world.clock.advance(DAY_NS / SECOND + 20)
    assert world.reckoned == {FEE * 3}
    assert max(world.reckoned) * BPS == 30
