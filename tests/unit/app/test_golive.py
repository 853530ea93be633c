"""Who is let through without a shadow run, and what an override bounds."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from arbit.app.door.status import StatusTold, status_lines
from arbit.app.golive.gate import (
    Admission,
    ShadowTold,
    capped,
    evidence_lines,
    exempt,
    round_trip_ms,
    short,
    told_of,
)
from arbit.app.golive.shadow_lane import LaneShadow
from arbit.app.watch.feeds import AlpacaHosts
from arbit.clock import SystemClock
from arbit.config import Override, Settings, load_settings
from arbit.domain.account import AccountId, Mode
from arbit.domain.errors import BrokenRule, VenueRefused, VenueUnreachable
from arbit.domain.events import Event, IncidentSeen
from arbit.domain.records import Batch, JournalBusy, JournalFailed
from arbit.persistence.memory import MemoryJournal
from arbit.ports import Clock
from arbit.risk.golive import Verdict
from arbit.telemetry.alerts_table import sort_out
from tests.unit.venues.virtual import VirtualClock

D = Decimal
NOTHING: Any = {"allowed": False, "missing": (), "active_hours": 0, "age_h": None}


@pytest.mark.parametrize(("net", "lost"), [("0.000000", ""), ("-0.400000", ", net -0.400000 USD")])
def test_what_rebalances_cost_is_told_before_there_is_an_episode(net: str, lost: str) -> None:
    bare = {"episodes": 0, "mean": None, "bound": None, "reference": "USD", **NOTHING}
    told = ShadowTold(venue="kraken", account="kraken:paper", watched_h=2.0, net=net, **bare)
    assert short(told) == f"2.0 of 24 h, 0 of 30 episodes, nothing earned yet{lost}"


@pytest.mark.parametrize(("age_s", "told"), [(1_805.0, 0.6), (0.0, 0.0), (7_200.0, 2.0)])
def test_how_old_evidence_is_at_most_is_told_and_never_less(age_s: float, told: float) -> None:
    """Its hours are known by when they began: what was watched a moment ago may be half an hour."""
    shown = told_of("kraken", "kraken:paper", Verdict((), age_s=age_s), "USD")
    assert evidence_lines(shown)[0].endswith(f", the newest at most {told} h old")


def settings_of(**more: str) -> Settings:
    told = {f"ARBIT_{key}": text for key, text in more.items()}
    return load_settings(None, {}, [Override("test", key, text) for key, text in told.items()])


@pytest.mark.parametrize(
    ("venue", "told"),
    [
        ("sandbox", {}),
        ("sandbox-alpaca", {}),
        ("sandbox", {"REST_URL": "http://127.0.0.1:8", "WS_URL": "ws://127.0.0.1:8"}),
        ("sandbox", {"REST_URL": "http://localhost:8", "WS_URL": "ws://[::1]:8"}),
        ("alpaca", {}),
        ("alpaca", {"REST_URL": "https://paper-api.alpaca.markets"}),
    ],
)
def test_where_no_real_money_can_move_no_shadow_run_is_asked_for(
    venue: str, told: dict[str, str]
) -> None:
    given = {f"VENUES__{venue.upper().replace('-', '_')}__{key}": url for key, url in told.items()}
    assert exempt(settings_of(**given).venue(venue))


@pytest.mark.parametrize(
    ("venue", "told"),
    [
        ("kraken", {}),
        ("kraken", {"REST_URL": "http://127.0.0.1:8", "WS_URL": "ws://127.0.0.1:8"}),
        ("alpaca", {"ALPACA_HOST": "live"}),
        ("alpaca", {"REST_URL": "http://127.0.0.1:8"}),
        ("alpaca", {"REST_URL": "https://paper-api.alpaca.markets.example"}),
        ("alpaca", {"PRIVATE_WS_URL": "wss://example.org/stream"}),
        ("sandbox", {"REST_URL": "http://sandbox.lan:8", "WS_URL": "ws://127.0.0.1:8"}),
        ("sandbox", {"PRIVATE_WS_URL": "wss://ws.example.org"}),
        ("sandbox", {"REST_URL": "http://127.0.0.1.example.org", "WS_URL": "ws://127.0.0.1:8"}),
        ("sandbox", {"REST_URL": "http://192.168.1.5:8", "WS_URL": "ws://192.168.1.5:8"}),
        ("sandbox-alpaca", {"DATA_URL": "http://10.0.0.1:8"}),
    ],
)
def test_nowhere_else_is_one_let_through(venue: str, told: dict[str, str]) -> None:
    given = {f"VENUES__{venue.upper().replace('-', '_')}__{key}": url for key, url in told.items()}
    assert exempt(settings_of(**given).venue(venue)) == ""


@pytest.mark.parametrize(
    ("cap", "given", "cycle", "total"),
    [
        ("50", {}, "50", "50"),
        ("5000", {}, "1000", "5000"),
        ("50", {"SCAN__MAX_NOTIONAL_PER_CYCLE": "20"}, "20", "50"),
        ("50", {"RISK__MAX_TOTAL_NOTIONAL": "30"}, "50", "30"),
    ],
)
def test_a_cap_only_tightens(cap: str, given: dict[str, str], cycle: str, total: str) -> None:
    found = capped(settings_of(**given), D(cap))
    assert found.scan.max_notional_per_cycle == D(cycle)
    assert found.risk.max_total_notional == D(total)


def test_without_an_override_nothing_is_changed() -> None:
    settings = settings_of()
    assert capped(settings, None) is settings


async def test_an_override_is_written_down_alerted_and_told_by_status() -> None:
    admission = Admission("the shadow run is overridden: at most 50 USD", overridden=True)
    account = AccountId("kraken", Mode.LIVE, "abc")
    trader: Any = SimpleNamespace(setup=SimpleNamespace(account=account), golive=str)
    health: Any = SimpleNamespace(trader=trader)
    journal, heard = MemoryJournal(), list[Event]()
    shadow = LaneShadow(settings_of(), health, admission, SystemClock())
    await shadow.tell(journal, heard.append)
    (incident,), (event,) = journal.incidents, heard
    assert isinstance(event, IncidentSeen)
    assert (incident.kind, event.kind) == ("override", "override")
    assert incident.detail == event.detail == admission.line
    sorted_out = sort_out(event)
    assert sorted_out is not None
    assert "without a shadow run" in sorted_out.rule.text
    told = StatusTold("kraken", str(account), "live", synthetic=False, shadow=trader.golive())
    assert f"  {admission.line}" in status_lines(told)
    assert shadow.notes() == (admission.line,)
    assert shadow.beside(heard.append) == {}


def overridden(clock: Clock) -> LaneShadow:
    trader: Any = SimpleNamespace(
        setup=SimpleNamespace(account=AccountId("kraken", Mode.LIVE, "abc")), golive=str
    )
    health: Any = SimpleNamespace(trader=trader)
    return LaneShadow(settings_of(), health, Admission("x", overridden=True), clock)


async def test_an_override_that_cannot_be_written_down_is_none() -> None:
    journal = MemoryJournal()
    journal.fails = "the disk is full"
    with pytest.raises(JournalFailed):
        await overridden(SystemClock()).tell(journal, lambda _: None)


class Neighboured(MemoryJournal):
    """Another daemon commits meanwhile, so often."""

    commits = 0

    def write(self, batch: Batch) -> None:
        if self.commits:
            self.commits -= 1
            raise JournalBusy("another program holds the database")
        super().write(batch)


async def test_the_commits_of_a_neighbour_are_waited_for_and_do_not_end_a_start() -> None:
    clock, journal, heard = VirtualClock(), Neighboured(), list[Event]()
    journal.commits = 20
    telling = asyncio.ensure_future(overridden(clock).tell(journal, heard.append))
    await clock.advance(0.5)
    assert not telling.done()
    assert heard == [], "it is told when it is written"
    await clock.advance(1.0)
    await telling
    assert len(journal.incidents) == len(heard) == 1


async def test_one_that_never_lets_go_ends_it() -> None:
    clock, journal, heard = VirtualClock(), Neighboured(), list[Event]()
    journal.commits = 10**6
    telling = asyncio.ensure_future(overridden(clock).tell(journal, heard.append))
    await clock.advance(6.0)
    with pytest.raises(JournalBusy):
        await telling
    assert (journal.incidents, heard) == ([], [])


async def test_the_least_of_three_answers_of_alpaca_is_its_round_trip() -> None:
    took_ns = [9_000_001, 4_000_001, 7_000_000]

    async def question(path: str) -> tuple[None, Any]:
        assert path == "/v2/clock"
        return None, SimpleNamespace(sent_ns=5, heard_ns=5 + took_ns.pop(0))

    nobody: Any = SimpleNamespace(question=question)
    rest: Any = SimpleNamespace(client=AlpacaHosts(nobody, nobody))
    assert await round_trip_ms(rest, SystemClock()) == 5
    assert took_ns == []


async def test_a_venue_that_does_not_answer_lets_nobody_through() -> None:
    async def question(_: str) -> None:
        raise VenueRefused("500")

    nobody: Any = SimpleNamespace(question=question)
    rest: Any = SimpleNamespace(client=AlpacaHosts(nobody, nobody))
    with pytest.raises(VenueUnreachable, match="could not be measured"):
        await round_trip_ms(rest, SystemClock())
    unknown: Any = SimpleNamespace(client=object())
    with pytest.raises(BrokenRule):
        await round_trip_ms(unknown, SystemClock())
