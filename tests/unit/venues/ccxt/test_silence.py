from __future__ import annotations

import pytest

from arbit.domain.events import Event
from arbit.venues.ccxt.client import make_exchange
from arbit.venues.ccxt.feed import QUIET_MS, CcxtFeed
from arbit.venues.ccxt.settings import CcxtSettings
from tests.unit.venues.virtual import ScriptedReader, Sink, VirtualClock


def silence_ms(exchange_id: str) -> int:
    def nobody(event: Event) -> None:
        pass

    clock = VirtualClock()
    settings = CcxtSettings("v", exchange_id=exchange_id, watchdog_ms=2_500)
    feed = CcxtFeed(settings, Sink(), clock, nobody, {}, ScriptedReader(clock))
    return feed.silence_ms(make_exchange(settings, streams=True))


def test_kraken_speaks_every_second_so_silence_is_short() -> None:
    assert silence_ms("kraken") == 2_500


@pytest.mark.parametrize("exchange_id", ["binance", "okx", "bitstamp"])
def test_an_exchange_without_a_heartbeat_is_given_time_to_answer_a_ping(exchange_id: str) -> None:
    settings = CcxtSettings("v", exchange_id=exchange_id)
    keep_alive_ms = make_exchange(settings, streams=True).streaming["keepAlive"]
    assert min(2 * keep_alive_ms, QUIET_MS) <= silence_ms(exchange_id) <= QUIET_MS
