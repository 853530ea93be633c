"""Who is told what, how often, and what becomes of it while a receiver is down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import get_args

import pytest

from arbit.domain import events
from arbit.domain.alert import Alert, Answer, Severity
from arbit.domain.book import Disbelief
from arbit.domain.events import AlertsChanged, BreakerChanged, Event, IncidentSeen, VenueFailed
from arbit.telemetry import alerts_courier
from arbit.telemetry.alerts import MAX_TOPICS, Alerts, Manners
from arbit.telemetry.alerts_courier import MAX_CRITICAL, MAX_OTHERS, Courier
from arbit.telemetry.alerts_table import RULES, UNTOLD, alert_of, sort_out
from arbit.telemetry.hub import Hub
from arbit.telemetry.logs_clean import Redactor
from arbit.telemetry.webhook_bodies import MAX_CONTENT, discord_text, json_body
from tests.unit.venues.virtual import SECOND, VirtualClock

HALTED = BreakerChanged("kraken", "halted", "drift", "0.5 BTC more than the books say")
ACTIVE = BreakerChanged("kraken", "active", "", "")
LATE_FILL = IncidentSeen("kraken", "late_fill", "an order filled")


def alert_of_(event: Event, *, amounts: bool = False) -> Alert | None:
    found = sort_out(event)
    return None if found is None else alert_of(event, Redactor(()), found, amounts=amounts)


class Receiver:
    """Takes alerts, or answers as it is told to."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.why = ""
        self.retry_after_s: float | None = None
        self.hangs = False
        self.asked: list[Alert] = []
        self.taken: list[Alert] = []

    async def __call__(self, alert: Alert) -> Answer:
        self.asked.append(alert)
        if self.hangs:
            await self.clock.sleep(3.0)
            return Answer("timed out")
        if not self.why:
            self.taken.append(alert)
        return Answer(self.why, self.retry_after_s)


class Desk:
    """Alerts at one receiver, in virtual time."""

    def __init__(self, least: Severity = Severity.WARNING, **manners: object) -> None:
        self.clock = VirtualClock()
        self.receiver = Receiver(self.clock)
        self.changes: list[AlertsChanged] = []
        self.courier = Courier("discord", self.receiver, self.clock, self.changes.append)
        said = {"repeat_after_ns": 300 * SECOND, "per_minute": 10} | manners
        self.alerts = Alerts(Manners(least, **said), self.clock, [self.courier])  # type: ignore[arg-type]  # values by name
        self.hear: Callable[[Event], None] = self.alerts.witness("abcde")

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[Desk]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.alerts.run())
            yield self
            task.cancel()

    @property
    def states(self) -> list[str]:
        return [alert.state for alert in self.receiver.taken]


async def test_a_breaker_that_trips_is_told_once_and_so_is_its_coming_back() -> None:
    async with Desk().at_work() as desk:
        desk.hear(HALTED)
        await desk.clock.advance(2)
        (alert,) = desk.receiver.taken
        assert (alert.severity, alert.kind) == (Severity.CRITICAL, "breaker_changed")
        assert (alert.venue, alert.run) == ("kraken", "abcde")
        for _ in range(50):
            desk.hear(HALTED)
        desk.hear(ACTIVE)
        desk.hear(ACTIVE)
        await desk.clock.advance(2)
        assert desk.states == ["halted", "well"]  # though `info` is below what is told


async def test_what_is_well_again_and_never_was_told_of_is_not_told() -> None:
    async with Desk().at_work() as desk:
        desk.hear(ACTIVE)
        await desk.clock.advance(2)
        assert desk.receiver.taken == []


async def test_the_same_again_is_told_later_as_a_number() -> None:
    async with Desk().at_work() as desk:
        for _ in range(8):
            desk.hear(LATE_FILL)
        await desk.clock.advance(299)
        assert [alert.count for alert in desk.receiver.taken] == [1]
        await desk.clock.advance(3)
        assert [alert.count for alert in desk.receiver.taken] == [1, 7]
        assert desk.alerts.counts().merged == 7


async def test_a_storm_leaves_critical_ones_their_places() -> None:
    async with Desk(per_minute=5).at_work() as desk:
        for number in range(200):
            desk.hear(events.VenueStatusChanged(f"v{number}", "*", "maintenance"))
        desk.hear(HALTED)
        await desk.clock.advance(1)
        assert len(desk.receiver.taken) == 6
        assert "halted" in desk.states
        await desk.clock.advance(60)
        assert 10 <= len(desk.receiver.taken) <= 12  # the others as the rate allows


async def test_whatever_happens_nothing_grows_without_bound() -> None:
    desk = Desk(per_minute=60, repeat_after_ns=0)
    for number in range(2_000):
        desk.clock.now_ns += SECOND
        desk.hear(VenueFailed(f"v{number}", "x" * 100_000))
        desk.hear(events.VenueStatusChanged(f"v{number}", "*", "maintenance"))
    assert len(desk.alerts._topics) == MAX_TOPICS
    assert len(desk.courier._critical) == MAX_CRITICAL
    assert len(desk.courier._others) == MAX_OTHERS
    counts = desk.alerts.counts()
    assert counts.undelivered == {"discord": 2_000}  # those that were pushed out never arrive
    assert desk.courier.reading().lost == 2_000 - MAX_CRITICAL
    assert counts.dropped["discord"] >= 3_000
    assert all(len(letter.alert.detail) < 600 for letter in desk.courier._critical)


async def test_an_outage_keeps_critical_alerts_and_says_so_until_they_are_taken() -> None:
    async with Desk().at_work() as desk:
        desk.receiver.why = "answered 500"
        desk.hear(HALTED)
        desk.hear(LATE_FILL)
        await desk.clock.advance(1_900)
        assert desk.alerts.counts().undelivered == {"discord": 1}
        assert desk.alerts.counts().sent == {"discord": 0}
        first, *reminders = desk.changes
        assert (first.state, first.waiting, first.detail) == ("failing", 1, "answered 500")
        assert 2 <= len(reminders) <= 3  # one every ten minutes
        assert 10 < len(desk.receiver.asked) < 25  # its patience grows
        desk.receiver.why = ""
        await desk.clock.advance(400)
        assert desk.states == ["halted"]  # the lesser one was given up long ago
        assert desk.alerts.counts().undelivered == {"discord": 0}
        assert desk.changes[-1].state == "delivering"


async def test_a_receiver_that_hangs_holds_nobody_up() -> None:
    async with Desk().at_work() as desk:
        desk.receiver.hangs = True
        hub = Hub(asyncio.get_running_loop().call_soon)
        hub.listen(desk.hear)
        for _ in range(1_000):
            hub.publish(HALTED)
        await desk.clock.advance(30)
        assert hub.lost_events == 0
        assert hub.dropped_listeners == 0
        assert 2 <= len(desk.receiver.asked) <= 8


async def test_one_that_is_never_taken_does_not_block_those_behind_it() -> None:
    async with Desk().at_work() as desk:
        deliver = desk.receiver

        async def picky(alert: Alert) -> Answer:
            return Answer("answered 400") if alert.kind == "venue_failed" else await deliver(alert)

        desk.courier._deliver = picky
        desk.hear(VenueFailed("kraken", "boom"))
        desk.hear(HALTED)
        await desk.clock.advance(30)
        assert desk.states == ["halted"]
        assert desk.alerts.counts().undelivered == {"discord": 1}


async def test_the_wait_that_a_receiver_asks_for_is_heeded_within_bounds() -> None:
    async with Desk().at_work() as desk:
        desk.receiver.why, desk.receiver.retry_after_s = "answered 429", 100.0
        desk.hear(HALTED)
        await desk.clock.advance(99)
        assert len(desk.receiver.asked) == 1
        desk.receiver.retry_after_s = 1e9
        await desk.clock.advance(2)
        assert len(desk.receiver.asked) == 2
        await desk.clock.advance(alerts_courier.LONGEST_WAIT_S + 1)
        assert len(desk.receiver.asked) == 3


async def test_at_the_end_what_waits_is_tried_at_once_and_no_longer_than_allowed() -> None:
    async with Desk().at_work() as desk:
        desk.receiver.why = "answered 500"
        desk.hear(HALTED)
        await desk.clock.advance(500)
        desk.receiver.why = ""
        async with asyncio.TaskGroup() as group:
            group.create_task(desk.alerts.finish(3.5))
            await desk.clock.advance(1)
        assert desk.states == ["halted"]
        assert [one.state for one in desk.changes] == ["failing", "delivering"]
    async with Desk().at_work() as desk:
        desk.receiver.hangs = True
        desk.hear(HALTED)
        began_ns = desk.clock.now_ns
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(desk.alerts.finish(3.5))
            await desk.clock.advance(4)
            assert ending.done()
        assert desk.clock.now_ns - began_ns == 4 * SECOND
        assert desk.changes[-1] == AlertsChanged("alerts", "discord", "lost", 1, "the run is over")


def test_every_event_is_told_or_named_as_one_that_is_not() -> None:
    kinds = set(get_args(Event))
    assert set(RULES) | UNTOLD == kinds
    assert not set(RULES) & UNTOLD


@pytest.mark.parametrize("kind", sorted(RULES, key=repr))
def test_every_rule_makes_an_alert_of_its_own_words(kind: type[Event]) -> None:
    for word, rule in RULES[kind].items():
        alert = alert_of_(made(kind, word))
        assert alert is not None
        assert (alert.severity, alert.text, alert.back) == (rule.severity, rule.text, rule.back)


def made(kind: type[Event], word: str) -> Event:
    """An event of this kind whose telling field is this word."""
    values: dict[str, object] = {"symbols": ("A/B",), "age_ms": 1}
    values["symbol"] = "*"
    names = kind.__dataclass_fields__
    said = {name: values.get(name, word) for name in names}
    return kind(**said)  # type: ignore[arg-type]  # values by name


def test_of_a_venue_s_status_only_that_of_the_whole_is_told() -> None:
    assert alert_of_(events.VenueStatusChanged("kraken", "BTC/USD", "cancel_only")) is None
    assert alert_of_(events.VenueStatusChanged("kraken", "*", "maintenance")) is not None
    assert alert_of_(events.BookDisbelieved("kraken", "BTC/USD", Disbelief.STALE)) is None


def test_amounts_are_blanked_unless_they_are_asked_for() -> None:
    ended = events.CycleEnded("kraken", "USD>BTC>ETH>USD", "held", "-12.5", "USD", "0.5 BTC, 3e-8")
    blank, full = alert_of_(ended), alert_of_(ended, amounts=True)
    assert blank is not None
    assert full is not None
    assert blank.detail == "USD>BTC>ETH>USD: # USD: # BTC, #"
    assert full.detail == "USD>BTC>ETH>USD: -12.5 USD: 0.5 BTC, 3e-8"


async def test_no_secret_is_told_whoever_said_it() -> None:
    secret = "https://discord.example/api/webhooks/1/canary-of-the-webhook"
    desk = Desk(redact=Redactor([secret, "canary/key+1=="]))
    async with desk.at_work():
        desk.hear(
            VenueFailed("kraken", f"{secret} and canary-of-the-webhook, canary%2Fkey%2B1%3D%3D")
        )
        await desk.clock.advance(1)
        (alert,) = desk.receiver.taken
        assert "canary" not in repr(alert)
        assert "***" in alert.detail


def test_words_of_others_mean_nothing_to_discord() -> None:
    alert = alert_of_(
        VenueFailed("kraken", "@everyone ```\n# big\n[click](https://evil)" + "x" * 5_000)
    )
    assert alert is not None
    text = discord_text(alert)
    assert len(text) <= MAX_CONTENT
    assert text.count("```") == 2
    first, *_, last = text.split("```")
    assert "everyone" not in first + last
    assert set(json_body(alert)) == {
        *("version", "severity", "event", "state", "venue", "text", "detail"),
        *("count", "resolved", "run", "cycle", "order", "at"),
    }
