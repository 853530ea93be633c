"""What an operator sees of alerts that do not arrive, and of a kill; nothing moves a cursor."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from typer.testing import CliRunner

from arbit.app.door import asking, overview
from arbit.app.door.status import StatusTold, WhyTold, status_lines, why_lines
from arbit.app.live import door_answers
from arbit.app.live.door_answers import DoorSetup, LaneDoor
from arbit.app.trade.trader import Trader
from arbit.cli import app
from arbit.config import RiskSettings, load_settings
from arbit.domain.account import AccountId, Mode
from arbit.domain.alert import Severity
from arbit.domain.errors import UserError
from arbit.domain.events import Event, KillChanged
from arbit.domain.health import Health, Judged
from arbit.domain.readings import ReceiverReading
from arbit.domain.records import Flag
from arbit.risk import kill as switch
from arbit.risk.breaker import Breaker, BreakerState, Reason
from arbit.risk.kill import KillSwitch, Orders
from arbit.risk.kill_watch import KillWatch
from arbit.telemetry.alerts_table import alert_of, sort_out
from arbit.telemetry.logs_clean import Redactor
from tests.unit.telemetry.test_alerts import Desk
from tests.unit.venues.virtual import VirtualClock

ALERTS = [
    {"receiver": "discord", "failing": False, "why": "", "undelivered": 0, "lost": 0}
    | {"oldest_s": None},
    {"receiver": "webhook", "failing": True, "why": "answered 500", "undelivered": 3, "lost": 1}
    | {"oldest_s": 754.2},
    {"receiver": "deadman", "failing": True, "why": "timed out", "undelivered": 0, "lost": 0}
    | {"oldest_s": None},
]
EVIL = "\x1b]0;owned\x07\x1b[2J\r\n[red]x[/red]\u202e\x9b31m"
SHOWN = "\\x1b]0;owned\\x07\\x1b[2J\\r\\n[red]x[/red]\\u202e\\x9b31m"


def test_status_and_why_say_which_receiver_fails_and_what_it_has_not_taken() -> None:
    lines = [
        (
            "  ALERTS: webhook FAILS (answered 500): 3 critical undelivered, the oldest for "
            "13 min; 1 of them given up"
        ),
        "  ALERTS: deadman FAILS (timed out)",
    ]
    status = status_lines(StatusTold("kraken", "kraken:live:0", "live", False, alerts=ALERTS))
    assert [line for line in status if "ALERTS" in line] == lines
    why = why_lines(WhyTold("kraken", "kraken:live:0", "live", alerts=ALERTS))
    assert [line for line in why if "ALERTS" in line] == lines
    assert not any("ALERTS" in one for one in status_lines(StatusTold("k", "k", "live", False)))


def answering(monkeypatch: pytest.MonkeyPatch, told: dict[str, Any]) -> None:
    """Whatever is asked, one daemon answers this."""
    lock = Path("kraken:live:0.lock")
    monkeypatch.setattr(overview, "folder_of", lambda _: None)
    monkeypatch.setattr(overview, "locks_of", lambda *_: [lock])
    monkeypatch.setattr(overview, "is_held", lambda _: True)
    monkeypatch.setattr(overview, "_past", lambda *_: iter(()))
    monkeypatch.setattr(overview, "answer", lambda *_: {"told": told})


@pytest.mark.parametrize("command", ["status", "why"])
def test_words_of_a_daemon_move_no_cursor_and_colour_nothing(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    said = dict.fromkeys(("venue", "account", "mode", "detail", "state", "guard"), EVIL)
    more: dict[str, Any] = {"alerts": [ALERTS[1] | {"receiver": EVIL, "why": EVIL}]}
    if command == "status":
        more |= {"synthetic": False, "held": [EVIL], "breaker_why": EVIL, "killed": EVIL}
        more |= {"feeds": {EVIL: EVIL}, "refusals": {EVIL: 1}, "profit": {EVIL: EVIL}}
    else:
        more |= {"stops": [EVIL], "choices": [EVIL], "sentence": EVIL, "fees": EVIL}
    answering(monkeypatch, said | more)
    found = CliRunner().invoke(app, [command])
    assert found.exit_code == 0
    assert found.stdout.replace("\n", "").isprintable()
    assert SHOWN in found.stdout, "markup is text like any other"
    as_json = CliRunner().invoke(app, [command, "--json"]).stdout
    assert as_json.count("\n") == 1
    assert as_json.strip().isprintable()
    (told,) = json.loads(as_json)["accounts"]
    assert told["alerts"][0]["oldest_s"] == 754.2


def test_words_of_one_that_does_not_answer_and_of_the_past_are_cleaned_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = [
        overview.Silent(EVIL, EVIL, EVIL),
        overview.Past("kraken:live:0", SimpleNamespace(), lines=[EVIL]),  # type: ignore[arg-type]  # of no use here
    ]
    monkeypatch.setattr(overview, "statuses", lambda *_: told)
    found = CliRunner().invoke(app, ["status"])
    assert found.exit_code == 1
    assert found.stdout.count("\n") == 2
    assert found.stdout.replace("\n", "").isprintable()


def test_a_refusal_of_a_daemon_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Line:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def sendall(self, _: bytes) -> None:
            pass

        def recv(self, _: int) -> bytes:
            return json.dumps({"refused": EVIL}).encode() + b"\n"

    monkeypatch.setattr(asking, "connected", lambda *_: Line())
    with pytest.raises(UserError) as refused:
        asking.answer(Path("d.sock"), {"ask": "status"})
    assert str(refused.value) == SHOWN


# --- asked again and again -----------------------------------------------------------------------


class Lane:
    """As much of a lane as answers `heard`, and counts the looks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.looks, self.killed = VirtualClock(), 0, ""
        trader = SimpleNamespace(
            setup=SimpleNamespace(account=AccountId("kraken", Mode.SANDBOX)),
            orders=SimpleNamespace(resume_waits=lambda: False),
        )
        setup = SimpleNamespace(venue=SimpleNamespace(name="kraken"))
        health: Any = SimpleNamespace(
            trader=trader, run_of=SimpleNamespace(desk=SimpleNamespace(setup=setup)), look=self.look
        )
        monkeypatch.setattr(door_answers, "heard_of", lambda *_: {"killed": self.killed})
        made = DoorSetup(load_settings(), health, self.clock, lambda _: None)
        self.door = LaneDoor(made)

    def look(self) -> Judged:
        self.looks += 1
        return Judged(Health.HEALTHY, "", "")

    async def heard(self) -> str:
        caller: Any = SimpleNamespace()
        told = await self.door.answer({"ask": "heard"}, caller)
        return str(told["told"]["killed"])


async def test_however_often_it_is_asked_what_was_heard_a_lane_looks_four_times_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lane, over = Lane(monkeypatch), asyncio.Event()

    async def asks() -> None:
        while not over.is_set():
            await lane.heard()
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(asks()) for _ in range(8)]
        # The first answer is made at once, and told again to nobody who asked after it.
        await lane.clock.advance(10)
        over.set()
        for caller in callers:
            caller.cancel()
    assert 30 <= lane.looks <= 42


async def test_what_was_heard_is_never_older_than_the_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lane = Lane(monkeypatch)
    assert await lane.heard() == ""
    lane.clock.now_ns += 1
    lane.killed = "KILL"
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(lane.heard())
        await lane.clock.advance(0.3)
    assert asked.result() == "KILL"


# --- a kill --------------------------------------------------------------------------------------


def watching(switch_of: KillSwitch, told: list[Event], flag: Flag | None = None) -> Watching:
    """A watch, its breaker as the journal remembers it, and what that keeps."""
    kept = list[Flag]()
    breaker = Breaker("kraken", RiskSettings(), VirtualClock(), told.append, kept.append)
    breaker.restore(flag)
    return Watching(KillWatch("kraken", switch_of, breaker, told.append), breaker, kept)


@dataclass
class Watching:
    watch: KillWatch
    breaker: Breaker
    kept: list[Flag]


def turns(told: list[Event]) -> list[Event]:
    return [one for one in told if isinstance(one, KillChanged)]


def alerts(told: list[Event]) -> list[str]:
    """What is told to somebody, in order."""
    return [found.rule.text for one in told if (found := sort_out(one)) and not found.rule.back]


def test_a_kill_is_told_once_and_so_is_its_end(tmp_path: Path) -> None:
    told = list[Event]()
    desk = watching(KillSwitch(tmp_path, venue="kraken"), told)
    watch = desk.watch
    for _ in range(3):
        watch.look()
    assert told == []
    switch.kill(tmp_path, "kraken")
    for _ in range(3):
        watch.look()
    switch.kill(tmp_path)  # a second reason is no second kill
    watch.look()
    switch.unkill(tmp_path, "kraken")
    watch.look()
    assert turns(told) == [KillChanged("kraken", "on", str(tmp_path / "KILL.kraken"))]
    assert (desk.breaker.reason, len(desk.kept)) == (Reason.KILL, 1), "halted, and once"
    switch.unkill(tmp_path)
    watch.look()
    watch.look()
    assert turns(told)[1:] == [KillChanged("kraken", "off", "")]
    assert desk.breaker.state() is BreakerState.HALTED, "to switch it off is no word to go on"
    assert alerts(told) == ["the kill switch is on: no order leaves"], "of one kill, one alert"
    assert KillSwitch(tmp_path / "gone").on()


def test_a_start_under_a_kill_is_halted_and_one_after_it_tells_that_nobody_has_resumed(
    tmp_path: Path,
) -> None:
    before, told = list[Event](), list[Event]()
    switch.kill(tmp_path)
    first = watching(KillSwitch(tmp_path), before)
    first.watch.look()
    under = watching(KillSwitch(tmp_path), told, first.kept[-1])
    under.watch.look()
    assert under.breaker.state() is BreakerState.HALTED
    assert alerts(told) == alerts(before) == ["the kill switch is on: no order leaves"]
    assert under.kept == [], "it was halted already"
    switch.unkill(tmp_path)
    told.clear()
    after = watching(KillSwitch(tmp_path), told, first.kept[-1])
    for _ in range(2):
        after.watch.look()
    assert alerts(told) == ["killed before, and not resumed since: no order leaves"]
    after.breaker.resume()
    after.watch.look()
    assert [one.state for one in turns(told) if isinstance(one, KillChanged)] == ["waits", "off"]


async def test_a_resume_while_the_kill_is_on_closes_nothing(tmp_path: Path) -> None:
    desk, clock, orders = watching(KillSwitch(tmp_path), []), VirtualClock(), Orders(tmp_path, "k")
    trader = object.__new__(Trader)
    engine = SimpleNamespace(kills=desk.watch, open_cycles=1)
    trader.__dict__.update(engine=engine, orders=orders, breaker=desk.breaker)
    trader.__dict__.update(auditor=SimpleNamespace(), setup=SimpleNamespace(clock=clock))
    going = asyncio.get_running_loop().create_task(trader._heed_operator())
    switch.kill(tmp_path)
    await clock.advance(0.5)
    assert desk.breaker.state() is BreakerState.HALTED
    orders.resume()
    await clock.advance(0.5)
    assert not orders.resume_waits(), "it is used up"
    switch.unkill(tmp_path)
    await clock.advance(0.5)
    assert desk.breaker.state() is BreakerState.HALTED
    orders.resume()
    await clock.advance(0.5)
    assert desk.breaker.state() is BreakerState.ACTIVE
    going.cancel()


def test_a_start_with_the_switch_on_is_told(tmp_path: Path) -> None:
    told = list[Event]()
    watching(KillSwitch(tmp_path, on=True), told).watch.look()
    assert turns(told) == [KillChanged("kraken", "on", "ARBIT_RISK__KILL_SWITCH")]


async def test_somebody_is_told_of_a_kill_critically_and_once_and_of_its_end() -> None:
    async with Desk().at_work() as desk:
        for _ in range(4):
            desk.hear(KillChanged("kraken", "on", "/srv/somebody/var/KILL"))
        await desk.clock.advance(2)
        (alert,) = desk.receiver.taken
        assert (alert.severity, alert.text) == (
            Severity.CRITICAL,
            "the kill switch is on: no order leaves",
        )
        assert alert.detail == "KILL", "a chat room needs no path of ours"
        desk.hear(KillChanged("kraken", "off"))
        desk.hear(KillChanged("kraken", "off"))
        await desk.clock.advance(2)
        assert [one.state for one in desk.receiver.taken] == ["on", "well"]


def test_another_file_is_named_in_the_alert() -> None:
    event = KillChanged("kraken", "on", "/run/stop.7")
    found = sort_out(event)
    assert found is not None
    assert alert_of(event, Redactor(()), found, amounts=True).detail == "stop.7"


def test_a_reading_is_what_status_tells() -> None:
    assert set(ALERTS[0]) == set(ReceiverReading.__dataclass_fields__)
