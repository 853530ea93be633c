"""What the doctor makes of venues that are there by halves, without any of them."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from arbit.app.doctor import network
from arbit.app.doctor.report import Ask, Finding, Found, Report, Verdict, well
from arbit.app.doctor_known import selftest
from arbit.app.doctor_known.judge import Wrong
from arbit.cli.doctor import _table
from arbit.clock import SystemClock
from arbit.config import Settings, VenueSettings, load_settings
from arbit.domain.account import ClockOffset
from arbit.domain.errors import BrokenRule, UserError, VenueUnreachable
from arbit.persistence.locks import AccountHeld

Patch = pytest.MonkeyPatch
S = 10**9


def settings_of(**said: str) -> Settings:
    return load_settings(None, said)


def ask(settings: Settings) -> Ask:
    return Ask(settings, (), SystemClock())


def kraken(**said: str) -> VenueSettings:
    return settings_of(**said).venue("kraken")


async def test_a_stream_that_does_not_open_can_be_done_without() -> None:
    told = await network._stream(kraken(), "ws://127.0.0.1:1")
    assert told.verdict is Verdict.FAIL
    assert told.fix.endswith("ARBIT_VENUES__KRAKEN__WS_ENABLED=false")
    polled = kraken(ARBIT_VENUES__KRAKEN__WS_ENABLED="false")
    assert (await network._stream(polled, "ws://127.0.0.1:1")).verdict is Verdict.SKIPPED
    other = settings_of().venue("bitstamp")
    assert (await network._stream(other, "")).verdict is Verdict.SKIPPED


@pytest.mark.parametrize(
    ("offset", "verdict"),
    [
        (None, "skipped"),
        (ClockOffset(0, S // 2, 0), "pass"),
        (ClockOffset(-2 * S, S // 2, 0), "warn"),
        (ClockOffset(9 * S, S // 2, 0), "fail"),
    ],
)
async def test_a_clock_is_judged_by_how_far_it_is_off(
    monkeypatch: Patch, offset: ClockOffset | None, verdict: str
) -> None:
    async def told(*_: Any) -> ClockOffset | None:
        return offset

    monkeypatch.setattr(network, "_offset", told)
    rest: Any = SimpleNamespace()
    assert (await network._clock(kraken(), rest, SystemClock())).verdict == verdict


async def test_a_venue_of_ccxt_tells_no_time_here() -> None:
    rest: Any = SimpleNamespace(client=None)
    assert await network._offset(settings_of().venue("bitstamp"), rest, SystemClock()) is None


async def test_a_key_is_judged_where_there_is_one_and_nobody_uses_it(monkeypatch: Patch) -> None:
    settings, rest = settings_of(), SimpleNamespace()

    async def key(venue: VenueSettings) -> Found:
        return await network._key(ask(settings), settings, venue, rest, {})  # type: ignore[arg-type]  # not asked for anything here

    assert (await key(settings.venue("bitstamp"))).seen == "this venue is not traded with"
    assert (await key(kraken())).verdict is Verdict.SKIPPED

    def held(*_: Any) -> None:
        raise AccountHeld("process 1")

    monkeypatch.setattr(network, "nonces_of", held)
    mine = kraken(
        ARBIT_VENUES__KRAKEN__API_KEY="k" * 20, ARBIT_VENUES__KRAKEN__API_SECRET="c2VjcmV0c2VjcmV0"
    )
    assert "a daemon has the account" in (await key(mine)).seen


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (VenueUnreachable("nobody"), network.UNREACHED),
        (TimeoutError(), network.UNREACHED),
        (UserError("half"), "correct what is set of it"),
    ],
)
async def test_what_breaks_off_a_look_is_told_beside_what_was_found(
    monkeypatch: Patch, error: Exception, fix: str
) -> None:
    async def looks(*_: Any) -> AsyncIterator[Found]:
        yield well("lists 3 markets", "kraken")
        raise error

    monkeypatch.setattr(network, "_looks", looks)
    settings = settings_of()
    found = await network._all(ask(settings), settings, [kraken()])
    assert [one.verdict.value for one in found] == ["pass", "fail"]
    assert found[1].fix.startswith(fix)


def test_no_child_is_started_for_a_look() -> None:
    with pytest.raises(BrokenRule):
        network._no_child()


def test_a_server_that_answers_is_well(monkeypatch: Patch) -> None:
    settings = settings_of(ARBIT_HISTORY_URL="postgresql://arbit@127.0.0.1/arbit")

    async def schema(_: str) -> str:
        return ""

    monkeypatch.setattr(network, "history_schema", schema)
    (told,) = network.check_history_server(ask(settings))
    assert (told.verdict, told.seen) == (Verdict.PASS, "it answers: no tables yet")
    quiet = Ask(settings, (), SystemClock(), network=False)
    assert [one.verdict for one in network.check_history_server(quiet)] == [Verdict.SKIPPED]


def test_a_person_at_a_terminal_reads_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    bad = Finding("disk", Verdict.FAIL, "full", "free some space", "space")
    _table(Report((Finding("python", Verdict.PASS, "3.11", ""), bad)))
    told = capsys.readouterr().out
    assert "disk space" in told
    assert "fix: free some space" in told
    assert "NOT WELL: 1 pass, 1 fail" in told


def test_the_self_test_falls_back_to_the_data_folder(tmp_path: Path, monkeypatch: Patch) -> None:
    real, made = tempfile.TemporaryDirectory, []

    def nowhere(**how: Any) -> Any:
        if "dir" not in how:
            raise FileNotFoundError(2, "No usable temporary directory found")
        made.append(how["dir"])
        return real(**how)

    def broken(_: Path) -> None:
        raise BrokenRule("the self-test waits for what never comes")

    monkeypatch.setattr(selftest.tempfile, "TemporaryDirectory", nowhere)  # type: ignore[attr-defined]  # the module's own
    monkeypatch.setattr(selftest, "play", broken)
    wrong = selftest.known_answers(tmp_path)
    assert wrong == [Wrong("start", "the self-test waits for what never comes")]
    assert made == [tmp_path]
