"""What a dry run keeps as evidence: which time, which episodes, and what a kill leaves of it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from arbit.app.golive.shadow import ShadowKeeper, key_of, setup_of, terms_of
from arbit.app.store import DATABASE
from arbit.config import Override, Settings, load_settings
from arbit.domain.cycle import CycleState
from arbit.domain.refusal import RefusalCode
from arbit.domain.route import ConversionKind
from arbit.domain.shadow import HOUR_NS, Evidence, ShadowBatch, ShadowHour
from arbit.execution.converting import Delivered
from arbit.persistence import shadow
from arbit.persistence.lease import Lease
from arbit.persistence.memory import MemoryJournal
from arbit.ports import Journal
from arbit.risk.golive import why_not
from tests.unit.execution.converting_world import Fine, convert, found
from tests.unit.persistence.made import NOON_NS, cycle, opened

D = Decimal
ACCOUNT = "kraken:paper"
SECOND_NS = 1_000_000_000


def settings_of(**more: str) -> Settings:
    told = {f"ARBIT_{key}": text for key, text in more.items()}
    return load_settings(None, {}, [Override("test", key, text) for key, text in told.items()])


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now_ns = 5 * SECOND_NS
        self.base_ns = NOON_NS

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.base_ns + self.now_ns


def any_clock() -> Any:
    """A keeper only reads it."""
    return Clock()


@dataclass
class World:
    """A lane as a keeper sees it. `stops` and `waits` say why nothing would be taken."""

    journal: Journal
    kept: Evidence
    settings: Settings
    waits: str = ""
    stops: tuple[RefusalCode, str] | None = None
    price: Decimal | None = field(default_factory=lambda: D(1))

    def __post_init__(self) -> None:
        self.clock = any_clock()
        self.lane = SimpleNamespace(pulses=0, sighted_pulses=0)
        self.engine = SimpleNamespace(on_end=None, on_conversion=None)
        venue, rates = self.settings.venue("kraken"), {"BTC/USD": D("0.004")}
        desk: Any = SimpleNamespace(
            lane=self.lane, setup=SimpleNamespace(venue=venue, watch=SimpleNamespace(rates=rates))
        )
        trader = SimpleNamespace(
            engine=self.engine,
            setup=SimpleNamespace(settings=self.settings, desk=desk),
            sights=SimpleNamespace(last_price=lambda _asset: self.price),
        )
        health: Any = SimpleNamespace(
            run_of=SimpleNamespace(desk=desk),
            trader=trader,
            waits=lambda: self.waits,
            stops=lambda: self.stops,
        )
        terms = terms_of(self.settings, venue, rates)
        self.keeper = ShadowKeeper(health, self.journal, self.clock, self.kept, terms)

    def seconds(self, count: int, *, sighted: bool = True) -> None:
        """So many seconds pass, each with a pulse and a look."""
        for _ in range(count):
            self.clock.now_ns += SECOND_NS
            self.lane.pulses += 1
            self.lane.sighted_pulses += sighted
            self.keeper.look()

    def ends(self, profit_ref: str | None, *, traded: bool = True) -> None:
        """A cycle of 50 USD is over."""
        net = None if profit_ref is None else D(profit_ref)
        record = cycle("c", CycleState.DONE, ended_ns=1, profit_ref=net)
        self.engine.on_end(SimpleNamespace(record=record, traded=traded))

    def converted(
        self,
        profit_ref: str | None,
        kind: ConversionKind = ConversionKind.REBALANCE,
        *,
        traded: bool = True,
    ) -> None:
        """A conversion of 50 USD is over."""
        net = None if profit_ref is None else D(profit_ref)
        record = cycle("r", CycleState.DONE, ended_ns=1, profit_ref=net)
        record = replace(record, kind=kind)
        self.engine.on_conversion(SimpleNamespace(record=record, traded=traded))

    @property
    def told(self) -> tuple[float, int, Decimal]:
        hours = self.keeper.evidence.hours
        return (
            sum(one.watched_ns for one in hours) / SECOND_NS,
            sum(one.episodes for one in hours),
            sum((one.net for one in hours), D(0)),
        )


def world(**given: Any) -> World:
    told = {"journal": MemoryJournal(), "kept": Evidence(), "settings": settings_of()}
    return World(**{**told, **given})


def test_time_counts_while_books_are_believed_and_a_gap_would_be_taken() -> None:
    one = world()
    one.seconds(10)
    one.seconds(10, sighted=False)
    one.stops = (RefusalCode.BREAKER, "it rests")
    one.seconds(10)
    one.stops, one.waits = None, "recovery is not over"
    one.seconds(10)
    one.waits = ""
    one.seconds(5)
    assert one.told[0] == 15


def test_a_process_that_stood_still_has_watched_nothing_meanwhile() -> None:
    one = world()
    one.clock.now_ns += 3_600 * SECOND_NS
    one.lane.pulses = one.lane.sighted_pulses = 1
    one.keeper.look()
    assert one.told[0] == 1.5, "what a pulse stands for at most"


def test_an_hour_is_never_watched_for_longer_than_an_hour() -> None:
    one = world()
    one.seconds(3_000)
    one.clock.base_ns -= 3_000 * SECOND_NS  # the wall clock is set back
    one.seconds(3_000)
    assert all(hour.watched_ns <= HOUR_NS for hour in one.keeper.evidence.hours)
    assert one.told[0] <= 2 * 3_600


def test_each_cycle_that_traded_counts_with_what_it_brought() -> None:
    one = world()
    one.ends("0.5")
    one.ends("-2")
    one.ends("0", traded=False)  # gone when the first order arrived
    assert one.told == (0.0, 2, D("-1.5"))
    (hour,) = one.keeper.evidence.hours
    assert (hour.worst, hour.stake) == (D(-2), D(50))


def test_what_nobody_can_price_is_counted_as_lost() -> None:
    one = world()
    one.ends(None)
    assert one.told[2] == -50
    one.price = None
    one.ends(None)
    assert one.told[2] == -1050, "all that a cycle may start with"


def test_what_a_rebalance_of_its_own_cost_is_a_loss_of_its_hour_and_no_episode() -> None:
    one = world()
    one.ends("0.5")
    one.converted("-0.2")
    one.clock.now_ns += HOUR_NS // SECOND_NS * SECOND_NS
    one.converted("-0.1")
    one.converted("-0.3")
    assert one.told == (0.0, 1, D("-0.1"))
    first, second = one.keeper.evidence.hours
    assert (first.episodes, first.net, first.worst, first.stake) == (1, D("0.3"), D("-0.2"), D(50))
    assert (second.episodes, second.net, second.worst) == (0, D("-0.4"), D("-0.3"))
    assert not second.stake
    assert one.keeper.verdict().missing, "too few, and nothing that cannot be trusted"
    assert not any("cannot be trusted" in why for why in one.keeper.verdict().missing)


async def test_it_is_the_cost_that_the_engine_reckons_with() -> None:
    made, one = Fine(), world()
    made.engine.on_conversion = one.keeper.converted
    async with made.running():
        wanted = found(made, "USD", "BTC", "50", 1)
        done = await convert(made, wanted, ConversionKind.REBALANCE)
    assert isinstance(done, Delivered)
    assert done.cost_ref
    assert one.told == (0.0, 0, -done.cost_ref)


def test_what_cost_nothing_or_was_the_owners_act_leaves_no_trace() -> None:
    one = world()
    one.converted("0.4")  # it gained by the middle prices: that is no edge
    one.converted("-0.4", traded=False)
    one.converted("-0.4", ConversionKind.CONVERT)
    one.converted("-0.4", ConversionKind.SWEEP)
    assert one.keeper.evidence.hours == ()


def test_a_rebalance_that_nobody_can_price_has_lost_all_that_it_spent() -> None:
    one = world()
    one.converted(None)
    assert one.told == (0.0, 0, D(-50))
    one.price = None
    one.converted(None)
    assert one.told == (0.0, 0, D(-1050)), "all that one may spend"


def test_a_cost_is_written_at_the_next_look_and_read_again_by_the_next_run(tmp_path: Path) -> None:
    with opened(tmp_path, ACCOUNT) as journal:
        one = world(journal=journal)
        one.converted("-0.25")
        one.seconds(1)
        kept = shadow.read(tmp_path / DATABASE, ACCOUNT)
        (hour,) = kept.hours
        assert (hour.episodes, hour.net, hour.worst) == (0, D("-0.25"), D("-0.25"))
        second = world(journal=journal, kept=kept)
        second.converted("-0.5")
        assert second.told[1:] == (0, D("-0.75"))


def test_an_episode_is_written_at_the_next_look_and_time_each_quarter_of_a_minute() -> None:
    journal = MemoryJournal()
    one, writes = world(journal=journal), list[int]()
    one.seconds(14)
    writes.append(journal.writes)
    one.ends("1")
    one.seconds(1)
    writes.append(journal.writes)
    one.seconds(20)
    assert [*writes, journal.writes] == [0, 1, 2]
    journal.fails = "the disk is full"
    one.ends("1")
    one.seconds(3)
    journal.fails = ""
    one.seconds(1)
    assert sum(hour.episodes for hour in journal.shadow_hours.values()) == 2


def test_what_a_kill_leaves_is_taken_up_by_the_next_run(tmp_path: Path) -> None:
    with opened(tmp_path, ACCOUNT) as journal:
        first = world(journal=journal)
        first.seconds(16)
        first.ends("0.5")
        first.seconds(1)
        first.seconds(14)  # not written down yet
        killed = tmp_path / "killed"
        killed.mkdir()
        for end in ("", "-wal"):
            shutil.copy(f"{tmp_path / DATABASE}{end}", f"{killed / DATABASE}{end}")
    kept = shadow.read(killed / DATABASE, ACCOUNT)
    assert (kept.hours[0].episodes, kept.hours[0].watched_ns) == (1, 17 * SECOND_NS)
    with opened(killed, ACCOUNT) as journal:
        second = world(journal=journal, kept=kept)
        second.ends("0.25")
        second.seconds(1)
        assert second.told == (18.0, 2, D("0.75"))
        (hour,) = shadow.read(killed / DATABASE, ACCOUNT).hours
    assert (hour.episodes, hour.net) == (2, D("0.75"))


def test_evidence_of_other_terms_stands_beside_it_and_old_rows_go(tmp_path: Path) -> None:
    with opened(tmp_path, ACCOUNT) as journal:
        other = world(settings=settings_of(SCAN__LATENCY_MS="20"))
        old = ShadowHour(other.keeper.setup.name, NOON_NS - 24 * 31 * HOUR_NS)
        near = replace(old, hour_ns=NOON_NS - HOUR_NS)
        far = replace(old, hour_ns=NOON_NS + HOUR_NS)
        batch = ShadowBatch(other.keeper.setup, (old, near, far), 0, NOON_NS + 2 * HOUR_NS)
        shadow.write(journal._connection, ACCOUNT, batch)
        one = world(journal=journal, kept=shadow.read(tmp_path / DATABASE, ACCOUNT))
        one.ends("1")
        one.seconds(1)
        kept = shadow.read(tmp_path / DATABASE, ACCOUNT)
    assert len(kept.setups) == 2
    hours = {(hour.setup, hour.hour_ns) for hour in kept.hours}
    assert hours == {(near.setup, near.hour_ns), (one.keeper.setup.name, NOON_NS)}


def test_no_more_setups_are_kept_than_a_bound(tmp_path: Path) -> None:
    settings, venue = settings_of(), settings_of().venue("kraken")
    with opened(tmp_path, ACCOUNT) as journal, ExitStack():
        for number in range(shadow.MAX_SETUPS + 5):
            setup = replace(setup_of(settings, venue, {}), name=f"s{number}")
            hour = ShadowHour(setup.name, NOON_NS + number * HOUR_NS)
            shadow.write(journal._connection, ACCOUNT, ShadowBatch(setup, (hour,), 1, 2 * NOON_NS))
    kept = shadow.read(tmp_path / DATABASE, ACCOUNT)
    assert len(kept.setups) == len(kept.hours) == shadow.MAX_SETUPS
    assert "s4" not in kept.setups
    assert "s5" in kept.setups


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE shadow_hours SET net='much'",
        "UPDATE shadow_hours SET net='NaN'",
        "UPDATE shadow_hours SET episodes='x'",
        "UPDATE shadow_setups SET fees='{'",
        "UPDATE shadow_setups SET fees='[]'",
    ],
)
def test_a_row_that_cannot_be_read_is_a_problem_and_no_guess(tmp_path: Path, change: str) -> None:
    with opened(tmp_path, ACCOUNT) as journal:
        one = world(journal=journal)
        one.ends("1")
        one.seconds(1)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection, connection:
        connection.execute(change)
    assert shadow.read(tmp_path / DATABASE, ACCOUNT).problem


def test_the_last_runs_of_both_accounts_say_what_time_it_was(tmp_path: Path) -> None:
    live = "kraken:live:0123456789ab"
    with opened(tmp_path, ACCOUNT):
        pass
    for at_ns in (NOON_NS + 7, NOON_NS + 5, NOON_NS + 3):
        with Lease(tmp_path, tmp_path / DATABASE, live, at_ns, command="test"):
            pass
    assert shadow.read(tmp_path / DATABASE, ACCOUNT).latest_ns == NOON_NS
    assert shadow.read(tmp_path / DATABASE, ACCOUNT, (live,)).latest_ns == NOON_NS + 5


@pytest.mark.parametrize(
    "changed",
    [
        {"SCAN__MIN_EDGE_BPS": "3"},
        {"SCAN__START_ASSETS": "EUR"},
        {"RISK__ALLOW_REST_BOOKS": "true"},
        {"ROTATION__MARGIN_PERCENT": "33"},
        {"VENUES__KRAKEN__SYMBOLS": "BTC/USD,ETH/BTC,ETH/USD"},
        {"VENUES__KRAKEN__WS_URL": "ws://127.0.0.1:9"},
        {"VENUES__KRAKEN__REST_URL": "http://127.0.0.1:9"},
        {"VENUES__KRAKEN__WS_ENABLED": "false"},
        {"SCAN__LATENCY_MS": "59"},
        {"SCAN__MAX_NOTIONAL_PER_CYCLE": "999"},
        {"INVENTORY__REBALANCE": "true"},
    ],
)
def test_other_settings_of_what_is_traded_make_other_evidence(changed: dict[str, str]) -> None:
    now, then = settings_of(), settings_of(**changed)
    setup = setup_of(then, then.venue("kraken"), {})
    assert why_not(setup, terms_of(now, now.venue("kraken")))
    same = setup_of(now, now.venue("kraken"), {})
    assert why_not(same, terms_of(now, now.venue("kraken"))) == ""


@pytest.mark.parametrize(
    "changed",
    [
        {"INVENTORY__TARGETS": "BTC=0.06"},
        {"INVENTORY__BAND_PERCENT": "21"},
        {"INVENTORY__REBALANCE_COST_BPS": "51"},
        {"INVENTORY__REBALANCE_COST_PER_DAY": "6"},
        {"INVENTORY__REBALANCE_AFTER_S": "601"},
        {"INVENTORY__REBALANCE_EVERY_S": "901"},
    ],
)
def test_what_decides_on_rebalances_counts_where_they_are_made(changed: dict[str, str]) -> None:
    for on in ("true", "false"):
        usual = {"INVENTORY__REBALANCE": on, "INVENTORY__TARGETS": "BTC=0.05"}
        now, then = settings_of(**usual), settings_of(**(usual | changed))
        setup = setup_of(then, then.venue("kraken"), {})
        assert bool(why_not(setup, terms_of(now, now.venue("kraken")))) == (on == "true")


def test_a_key_is_known_by_its_fingerprint_alone() -> None:
    key = "MADEUPKEYMADEUPKEY"
    venue = settings_of(VENUES__KRAKEN__API_KEY=key).venue("kraken")
    assert len(key_of(venue)) == 12
    assert key not in repr(setup_of(settings_of(), venue, {}))
    assert key_of(settings_of().venue("kraken")) == ""
