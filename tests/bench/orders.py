"""From a decision to its order's bytes on the socket: ours beside ccxt's, in one run.

`python -m tests.bench.orders [--rounds 80]`. Side by side, one of each in turn (an order comes out
of the blue, never warmed by the one before), on one exchange:

- ours: from the gate's approval, which is the decision, until the gateway has handed the frame to
  its socket: the cycle and its order made, the last look, the journal's commit, the encoding; once
  with the journal on disk, once with one in memory. What the review itself costs, every rule of it,
  is shown beside (`... from the plan`): ccxt has nothing to set against it;
- ccxt.pro's `create_order_ws` of the same order until its frame is handed to its socket, its own
  throttle of one order a second set aside (`options.ws.cost = 0`);
- a bare `sqlite3` commit of one row, WAL, `synchronous=FULL`, on the same disk.

Holds when our median is at most ccxt's plus 1.5 commits, and at most ccxt's without the journal.
Both are shown with the review in them as well.
Then once more, the journal on disk, while another thread writes history to another file.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from arbit.app.store import open_journal
from arbit.clock import SystemClock
from arbit.domain.account import AccountId, Mode
from arbit.domain.order import OrderIntent, Outcome
from arbit.domain.plan import Plan
from arbit.domain.refusal import Refused
from arbit.risk.envelope import Approved
from arbit.sandbox.keys import OTHER_KEY, OTHER_SECRET
from arbit.venues.ccxt.loader import exchange_class
from tests.shapes.rig import Daemon, Rig, rig

COMMITS = Decimal("1.5")
WARM = 16  # rounds that are not counted
MOST = 80  # counted rounds: the venue's own counter of a pair takes few more orders in a burst
REFUSAL = "EOrder:Post only order"  # each order is over at once, and moves nothing


def median(times_us: list[float]) -> float:
    """The middle one."""
    return sorted(times_us)[len(times_us) // 2]


def p99(times_us: list[float]) -> float:
    """The slowest but one in a hundred."""
    return sorted(times_us)[min(len(times_us) - 1, len(times_us) * 99 // 100)]


class Commit:
    """A bare durable commit of one row."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=FULL")
        self._file.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)")

    def once(self) -> float:
        """One, in microseconds."""
        began = time.perf_counter_ns()
        self._file.execute("BEGIN IMMEDIATE")
        self._file.execute("INSERT INTO t (text) VALUES (?)", ("x" * 300,))
        self._file.execute("COMMIT")
        return (time.perf_counter_ns() - began) / 1e3


class Ours:
    """One of our daemons, stamped where its frame has been handed to the socket."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        daemon.sights.kept = {}
        orders, gate = daemon.side.gateway.orders, daemon.setup.gate
        send, review = orders.send, gate.review
        self._written_ns = self._decided_ns = 0

        def reviewing(plan: Plan, cycle_id: str, now_ns: int) -> Approved | Refused:
            verdict = review(plan, cycle_id, now_ns)
            self._decided_ns = time.perf_counter_ns()
            return verdict

        gate.review = reviewing  # type: ignore[method-assign]  # stamps, and does the same

        def stamping(
            intent: OrderIntent, venue_ns: int, token: str, write: Callable[[bytes], None]
        ) -> Awaitable[Outcome]:
            def stamped(frame: bytes) -> None:
                write(frame)
                self._written_ns = time.perf_counter_ns()

            return send(intent, venue_ns, token, stamped)

        orders.send = stamping  # type: ignore[method-assign]  # stamps, and does the same
        self._plan = daemon.plan()
        self._over = asyncio.Event()
        daemon.engine.on_end = lambda _: self._over.set()

    async def once(self) -> tuple[float, float]:
        """One order in microseconds, from its decision and from its plan; its end is awaited."""
        self._written_ns = 0
        self._over.clear()
        began = time.perf_counter_ns()
        refused = self._daemon.engine.take(self._plan, self._daemon.clock.monotonic_ns())
        took = ((self._written_ns - self._decided_ns) / 1e3, (self._written_ns - began) / 1e3)
        assert not isinstance(refused, Refused), str(refused)
        assert min(took) > 0, "nothing was written"
        await self._over.wait()  # woken by the refusal, as ccxt is: neither sleeps by a clock
        return took


class Theirs:
    """ccxt.pro's `create_order_ws`, stamped at the same place."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._written_ns = 0
        self._number = 0

    def stamp(self, socket: Any) -> None:
        """Stamp what leaves by this socket."""
        send = socket.send_str

        async def stamped(text: str, *rest: Any) -> None:
            await send(text, *rest)
            if "add_order" in text:
                self._written_ns = time.perf_counter_ns()

        socket.send_str = stamped

    async def once(self, daemon: Daemon) -> float:
        """One order of the same terms, in microseconds; its refusal is awaited."""
        leg = daemon.plan().legs[0]
        self._number += 1
        params = {"timeInForce": "IOC", "clientOrderId": f"cc{self._number}"}
        order = (leg.leg.symbol, "limit", leg.leg.side.value)
        self._written_ns = 0
        began = time.perf_counter_ns()
        try:
            await self._exchange.create_order_ws(
                *order, float(leg.qty), float(leg.limit_price), params
            )
        except Exception as error:  # its refusal arrives as one of many classes
            if REFUSAL not in str(error):
                raise
        return (self._written_ns - began) / 1e3


@asynccontextmanager
async def theirs(one: Rig, daemon: Daemon) -> AsyncIterator[Theirs]:
    """An exchange object that is connected, authenticated and warm."""
    made = exchange_class("kraken", streams=True)
    settings = {"apiKey": OTHER_KEY, "secret": OTHER_SECRET, "enableRateLimit": False}
    exchange = made(settings | {"options": {"ws": {"cost": 0}}})
    rest, stream = one.server.rest_url, one.server.ws_url
    exchange.urls["api"]["public"] = exchange.urls["api"]["private"] = rest
    names = ("public", "private", "publicV2", "privateV2")
    exchange.urls["api"]["ws"].update(dict.fromkeys(names, stream))
    try:
        await exchange.load_markets()
        them = Theirs(exchange)
        await them.once(daemon)
        for client in exchange.clients.values():
            them.stamp(client.connection)
        yield them
    finally:
        await exchange.close()


@asynccontextmanager
async def desk(journal: Any = None) -> AsyncIterator[tuple[Rig, Daemon]]:
    """An exchange that refuses every order, and a daemon of ours on it with this journal."""
    risk = {"order_rate_per_s": 100.0, "breaker_failures": 1_000}
    async with rig("ws", **risk) as one:
        one.server.faults.set("order_error", error=REFUSAL, method="add_order", times=10**6)
        one.journal = journal or one.journal
        async with one.daemon() as daemon:
            yield one, daemon


class Recorder:
    """Another thread that writes batches of history to a file of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        file = sqlite3.connect(self._path, isolation_level=None)
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)")
        while not self._stop.wait(0.02):
            file.execute("BEGIN")
            file.executemany("INSERT INTO t (text) VALUES (?)", [("x" * 200,)] * 200)
            file.execute("COMMIT")
        file.close()


async def measure(rounds: int, folder: Path) -> dict[str, list[float]]:
    """One of each contestant in turn, `rounds` times; microseconds."""
    found: dict[str, list[float]] = defaultdict(list)
    commit = Commit(folder / "bare.db")
    account = AccountId("sandbox", Mode.SANDBOX, "bench")
    async with AsyncExitStack() as stack:
        disk = stack.enter_context(open_journal(folder / "var", account, SystemClock()))
        _, on_disk = await stack.enter_async_context(desk(disk))
        here, in_memory = await stack.enter_async_context(desk())
        them = await stack.enter_async_context(theirs(here, in_memory))
        durable, light = Ours(on_disk), Ours(in_memory)
        for number in range(WARM + rounds):
            if number == WARM:
                found.clear()
            found["commit"].append(commit.once())
            _note(found, "disk", await durable.once())
            _note(found, "memory", await light.once())
            found["ccxt"].append(await them.once(in_memory))
    loaded = folder / "loaded"
    with open_journal(loaded, account, SystemClock()) as disk, Recorder(folder / "history.db"):
        async with desk(disk) as (_, on_disk):
            durable = Ours(on_disk)
            for _ in range(rounds):
                _note(found, "beside", await durable.once())
    return found


def _note(found: dict[str, list[float]], name: str, took: tuple[float, float]) -> None:
    decided, planned = took
    found[name].append(decided)
    found[f"{name} from the plan"].append(planned)


def report(found: dict[str, list[float]], say: Callable[[str], Any]) -> bool:
    """Say how it went; whether it holds."""
    for name, times in found.items():
        middle = f"median {median(times):8.1f} us   p99 {p99(times):8.1f} us"
        say(f"{name:21} {middle}   n {len(times)}\n")
    allowed = median(found["ccxt"]) + float(COMMITS) * median(found["commit"])
    with_disk = median(found["disk"]) / allowed
    reviewed = median(found["disk from the plan"]) / allowed
    without = median(found["memory"]) / median(found["ccxt"])
    from_plan = median(found["memory from the plan"]) / median(found["ccxt"])
    say(f"journal on disk: {with_disk:.2f} of ccxt + 1.5 commits, holds at 1.00")
    say(f" (with the review {reviewed:.2f})\n")
    say(f"journal in memory: {without:.2f} of ccxt, holds at 1.00")
    say(f" (with the review {from_plan:.2f})\n")
    say(f"p99 beside a loaded recorder: {p99(found['beside']):.1f} us\n")
    return max(with_disk, without) <= 1.0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=MOST)
    options = parser.parse_args()
    if not 1 <= options.rounds <= MOST:
        parser.error(f"--rounds {options.rounds}: expected 1 to {MOST}")
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(options.rounds, Path(folder)))
    return 0 if report(found, sys.stdout.write) else 1


if __name__ == "__main__":
    sys.exit(main())
