"""A storm of faults, drawn from a seed: whatever comes, no evaluation uses an untrue book."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

import pytest

from arbit.venues.kraken.session import KrakenSession
from tests.integration.kraken_feed_rig import Options, Rig, nothing_untrue, rigged

pytestmark = pytest.mark.unstalled

STORM_S = 8.0
SLOWEST_MS = 300
LONGEST_S = 3.2

Params = dict[str, Any]


@dataclass(frozen=True)
class Weather:
    """A fault, its parameters, how long it stays, and whether it hits one symbol or socket."""

    name: str
    params: Params
    for_s: float = 0.0
    symbol: bool = True
    one_socket: bool = False


WEATHER = (
    Weather("corrupt_digit", {"field": "qty"}),
    Weather("corrupt_digit", {"field": "price"}),
    Weather("wrong_checksum", {}),
    Weather("drop_delta", {"nth": 2}),
    Weather("duplicate_snapshot", {}),
    Weather("late_snapshot", {"delay_ms": 200, "stale": True}),
    Weather("late_snapshot", {"delay_ms": 200}),
    Weather("poison", {"shape": "checksum_text"}),
    Weather("poison", {"shape": "deep"}),
    Weather("mute_symbol", {}, 1.2),
    Weather("mute_symbol", {"until_resubscribe": True}, 1.2),
    Weather("refuse_subscribe", {}, 0.7),
    Weather("pair_status", {"status": "post_only"}, 0.4),
    Weather("system_status", {"status": "maintenance"}, 0.3, symbol=False),
    Weather("slow", {"delay_ms": SLOWEST_MS}, 0.6, symbol=False, one_socket=True),
    Weather("mute_socket", {"pongs": True}, LONGEST_S, symbol=False, one_socket=True),
    Weather("half_open", {}, LONGEST_S, symbol=False, one_socket=True),
    Weather("close", {"code": 1006}, symbol=False, one_socket=True),
    Weather("close", {"code": 1012, "on_connect": True}, symbol=False),
    Weather("refuse_connects", {}, 0.5, symbol=False),
)


async def storm(rig: Rig, seed: int) -> set[str]:
    """Every kind of weather at least once, then whatever chance brings; then it clears up."""
    chance = random.Random(seed)
    coming = list(WEATHER)
    chance.shuffle(coming)
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + STORM_S
    seen: set[str] = set()
    while loop.time() < ends_at or coming:
        weather = coming.pop() if coming else chance.choice(WEATHER)
        seen.add(weather.name)
        symbol = chance.choice(rig.symbols) if weather.symbol else "*"
        sockets = list(rig.sandbox.stream.clients) if weather.one_socket else []
        connection = chance.choice(sockets) if sockets else None
        fault = rig.sandbox.faults.set(
            weather.name, symbol=symbol, connection=connection, **weather.params
        )
        if weather.for_s:
            loop.call_later(weather.for_s, rig.sandbox.faults.clear, fault)
        await asyncio.sleep(chance.expovariate(4.0))
    await asyncio.sleep(LONGEST_S)  # a silence that ends unnoticed would have swallowed news
    rig.sandbox.faults.clear()
    return seen


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("rest", [False, True])
async def test_in_a_storm_of_faults_no_evaluation_uses_an_untrue_book(
    seed: int, rest: bool
) -> None:
    options = Options(seed=seed, symbols_per_socket=6, rest=rest, backoff_cap_ms=1_000)
    async with rigged(options) as rig:
        rig.witness.slack_ms += SLOWEST_MS
        assert len(await storm(rig, seed)) == len({weather.name for weather in WEATHER})
        await rig.all_back()
        assert rig.feed.counts.failed > 3
        assert rig.feed.counts.bad_frames > 0
        assert rig.feed.counts.reconnects > 2
        if not rest:  # with REST beside it, a book may be believed while its stream is not
            unproved = [note.symbol for note, proved, ours in rig.verdicts() if ours and not proved]
            assert unproved == []
        await nothing_untrue(rig, at_least=500)


async def test_the_witness_of_the_storm_sees_a_feed_that_does_not_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(KrakenSession, "_agrees", lambda *_: True)
    async with rigged(Options(seed=1, symbols_per_socket=6)) as rig:
        rig.witness.slack_ms += SLOWEST_MS
        await storm(rig, 1)
        assert rig.witness.violations != []
