"""Snapshots in virtual time: of wallets and of what venues hold, each exactly when it is due."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from arbit.app.trade import wallet as room
from arbit.app.trade.history import Snapshots
from arbit.app.trade.wallet import WalletWatch, wallet_watched
from arbit.clock import SystemClock
from arbit.config import Settings, WalletSettings
from arbit.domain.events import Event, WalletChanged
from arbit.domain.wallet import AssetKind, WalletBalance, WalletLook, WalletUnread, account_on
from arbit.persistence.recorder import Recorder
from arbit.persistence.sinks import ListSink
from arbit.telemetry.hub import Hub
from tests.unit.venues.virtual import SECOND, VirtualClock

D = Decimal
OWNER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
MINUTE = 60
HOUR = 60 * MINUTE


def look_of(block: int, *problems: str) -> WalletLook:
    account = account_on(1, OWNER)
    owned = WalletBalance(account, "ETH", AssetKind.NATIVE, "", D("1.5"), block)
    return WalletLook(block, (owned,), problems)


class Scripted:
    """A reader whose looks a test writes; each notes when it began."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.began_s: list[float] = []
        self.takes_s: dict[int, float] = {}
        self.answers: Callable[[int], WalletLook] = look_of

    async def read(self) -> WalletLook:
        n = len(self.began_s)
        self.began_s.append((self._clock.now_ns - 10 * SECOND) / SECOND)
        if n in self.takes_s:
            await self._clock.sleep(self.takes_s[n])
        return self.answers(n)


class Desk:
    """A watch over a scripted reader in virtual time, its rows and what it told."""

    def __init__(self, **said: Any) -> None:
        self.clock = VirtualClock()
        self.reader = Scripted(self.clock)
        self.recorder = Recorder(ListSink(), "wallet", self.clock)
        self.events: list[Event] = []
        self.watch = WalletWatch(
            WalletSettings(**said), self.reader, self.recorder, self.clock, self.events.append
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.watch.run())
            yield
            task.cancel()

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(one.state, one.detail) for one in self.events if isinstance(one, WalletChanged)]


async def test_a_wallet_is_looked_at_now_and_at_each_moment_that_is_due() -> None:
    desk = Desk(every_s=300)
    async with desk.running():
        await desk.clock.advance(HOUR)
    assert desk.reader.began_s == [300.0 * n for n in range(13)]
    assert desk.recorder.queued == 13
    assert desk.told == [("read", "")]


async def test_slow_looks_do_not_shift_the_cadence_and_missed_ones_are_not_made_up() -> None:
    desk = Desk(every_s=60)
    desk.reader.takes_s = {1: 25.0, 2: 200.0}
    async with desk.running():
        await desk.clock.advance(6 * MINUTE)
    assert desk.reader.began_s == [0.0, 60.0, 120.0, 360.0]


async def test_each_row_is_of_the_address_and_says_what_and_as_of_when() -> None:
    desk = Desk(every_s=60)
    sink = ListSink()
    recorder = desk.recorder = Recorder(sink, "wallet", desk.clock)
    desk.watch._recorder = recorder
    async with desk.running():
        await desk.clock.advance(1)
    await recorder.finish()
    ((table, row),) = sink.rows
    assert table == "wallet_snapshots"
    assert row == {
        "account": f"chain-1:{OWNER}",
        "at_ns": 10 * SECOND,
        "asset": "ETH",
        "total": D("1.5"),
        "held": D(0),
        "kind": "native",
        "contract": "",
        "block": 0,
    }


async def test_a_failure_is_told_once_and_so_is_its_end() -> None:
    desk = Desk(every_s=60)

    def answers(n: int) -> WalletLook:
        if 2 <= n < 30:
            raise WalletUnread("the node answered HTTP 500")
        return look_of(n, *(["USDC: no"] if n >= 40 else []))

    desk.reader.answers = answers
    async with desk.running():
        await desk.clock.advance(HOUR)
    assert desk.told == [
        ("read", ""),
        ("unread", "the node answered HTTP 500"),
        ("read", ""),
        ("unread", "USDC: no"),
    ]
    assert desk.recorder.queued == 61 - 28, "what was read is kept, what was not is not made up"


async def test_a_node_that_stands_still_is_told_and_one_that_lags_a_little_is_not() -> None:
    desk = Desk(every_s=60)
    desk.reader.answers = lambda n: look_of(100 + min(n, 20) - (n % 2))
    async with desk.running():
        await desk.clock.advance(30 * MINUTE)
        assert desk.told == [("read", "")]
        await desk.clock.advance(30 * MINUTE)
    assert desk.told == [("read", ""), ("unread", "the node stands still at block 120")]


class Books:
    """A ledger with one asset."""

    assets = ("USD",)

    def wallet(self, asset: str) -> Decimal:
        return D(5)

    held = exposure = wallet


@pytest.mark.parametrize("every_s", [1, 60, 3600])
async def test_what_a_venue_holds_is_written_down_each_time_it_is_due(every_s: int) -> None:
    clock, sink = VirtualClock(), ListSink()
    recorder = Recorder(sink, "kraken:paper", clock)
    settings = Settings.model_validate({"inventory": {"snapshot_every_s": every_s}})
    trader: Any = SimpleNamespace(
        started=True,
        ledger=Books(),
        auditor=SimpleNamespace(),
        setup=SimpleNamespace(settings=settings),
        engine=SimpleNamespace(refusals={"funds": 2}),
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(Snapshots(recorder, trader, clock).run())
        await clock.advance(1.5 * every_s)
        trader.engine.refusals |= {"funds": 5, "skew": 1}
        await clock.advance(1.5 * every_s)
        trader.engine.refusals["skew"] = 2
        task.cancel()
    await recorder.finish()
    owned = [row for table, row in sink.rows if table == "inventory_snapshots"]
    refused = [row for table, row in sink.rows if table == "venue_status"]
    assert {row["subject"] for row in refused} == {"refusals"}
    assert [(row["status"], row["detail"]) for row in refused] == [
        ("funds", "2"),
        ("funds", "3"),  # since the row before
        ("skew", "1"),
        ("skew", "1"),  # at the end
    ]
    seen = [(row["why"], (row["at_ns"] - 10 * SECOND) / SECOND) for row in owned]
    assert seen == [
        ("start", 0.0),
        ("cadence", float(every_s)),
        ("cadence", 2.0 * every_s),
        ("cadence", 3.0 * every_s),
        ("end", 3.0 * every_s),
    ]


def test_history_keeps_a_minute_unless_told_otherwise() -> None:
    assert Settings().inventory.snapshot_every_s == 60


class Seen:
    """What this process imports and dials while a test watches."""

    def __init__(self) -> None:
        self.on = False
        self.tried: list[str] = []

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if self.on and event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"}:
            self.tried.append(f"{event} {args[1:] if event != 'socket.getaddrinfo' else args}")
        if self.on and event == "import" and str(args[0]).startswith(("web3", "arbit.wallet")):
            self.tried.append(f"import {args[0]}")


SEEN = Seen()


@pytest.fixture(scope="module")
def hook() -> Seen:
    sys.addaudithook(SEEN)  # for good: Python has no way to take one away
    return SEEN


@pytest.fixture
def seen(hook: Seen) -> Iterator[Seen]:
    hook.tried, hook.on = [], True
    yield hook
    hook.on = False


async def looked_at(settings: Settings, enough: Callable[[], bool] = lambda: True) -> None:
    hub = Hub(asyncio.get_running_loop().call_soon)
    async with wallet_watched(settings, hub, SystemClock()), asyncio.timeout(30):
        await asyncio.sleep(0.1)
        while not enough():
            await asyncio.sleep(0.01)


async def test_with_no_node_set_nothing_tries(tmp_path: Path, seen: Seen) -> None:
    """Addresses and tokens alone ask nobody, import nothing and write nothing."""
    wallet = WalletSettings(addresses=(OWNER,), erc20={"USDC": OWNER})
    await looked_at(Settings(data_dir=tmp_path / "var", wallet=wallet))
    assert seen.tried == []
    assert not (tmp_path / "var").exists()


async def test_the_same_hook_sees_one_that_tries(tmp_path: Path, seen: Seen) -> None:
    pytest.importorskip("web3", reason="needs web3 (requirements-dev.lock)")
    for name in [one for one in sys.modules if one.startswith("arbit.wallet")]:
        del sys.modules[name]  # so that this import is seen as well
    dead = "http://127.0.0.1:9/canary"
    wallet = WalletSettings.model_validate({"rpc_url": dead, "addresses": [OWNER]})
    settings = Settings(data_dir=tmp_path / "var", wallet=wallet)
    await looked_at(settings, lambda: any("('127.0.0.1', 9)" in one for one in seen.tried))
    assert "import arbit.wallet.reader" in seen.tried


class Breaks:
    """A reader with a bug."""

    async def read(self) -> WalletLook:
        raise ZeroDivisionError("canary")


async def test_a_bug_in_the_looking_ends_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "reader_of", lambda _: Breaks())
    told: list[Event] = []
    hub = Hub(asyncio.get_running_loop().call_soon)
    hub.listen(told.append)
    wallet = WalletSettings.model_validate({"rpc_url": "https://node", "addresses": [OWNER]})
    went_on = False
    async with wallet_watched(Settings(data_dir=tmp_path, wallet=wallet), hub, SystemClock()):
        for _ in range(100):
            await asyncio.sleep(0.01)
            if told:
                break
        went_on = True
    assert went_on
    assert told == [WalletChanged("wallet", "broken", "ZeroDivisionError")]


async def test_a_database_that_fails_leaves_trading_alone(tmp_path: Path) -> None:
    desk = Desk(every_s=60)
    sink = ListSink()
    sink.fails = "no space left"
    desk.watch._recorder = recorder = Recorder(sink, "wallet", desk.clock)
    async with desk.running(), asyncio.TaskGroup() as group:
        writing = group.create_task(recorder.run())
        await desk.clock.advance(HOUR)
        writing.cancel()
    assert len(desk.reader.began_s) == 61
    await recorder.finish()
    assert recorder.lost == 61
