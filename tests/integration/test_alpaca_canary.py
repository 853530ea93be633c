"""Invariant 15 at Alpaca: no key and no secret in anything that is written, told or run with.

One life of the real `arbit live` at DEBUG, and `keys:check` and `fitness` beside it, while every
fault that Alpaca's face knows is switched on over its control face. Looked through, in every way
that a program might write bytes down, are what they print, every file they leave, the page of
metrics and the arguments of every process of theirs.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import sys
import traceback
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote

import aiohttp
import psutil
import pytest
import pytest_asyncio

from arbit.app.keys.alpaca import AlpacaKeysCheck
from arbit.config import load_settings
from arbit.domain.errors import ArbitError
from arbit.sandbox.alpaca import keys
from arbit.sandbox.faults import Fault, kinds_of
from arbit.sandbox.server import SandboxOptions, SandboxServer
from tests.integration.cli_desk import Desk
from tests.integration.live_desk import UNHINDERED
from tests.simulation.canaries import spellings

NAME = "sandbox-alpaca"
PREFIX = "ARBIT_VENUES__SANDBOX_ALPACA__"
KEY = "PKc7Zq1VxT9wB4nLyR2s"
SECRET = 'hJ8+Kq/2"vYtW9=dXz5%Nb7Lr3Gm1Fs6Qp4'  # with what JSON and addresses write otherwise
GUARD_S = 60.0
LOOK_S = 0.02
SHORT_S = 0.12  # for a fault that hits at once, or of which nobody can say when
LONG_S = 1.5  # for one that waits for an order, at most
WHOLE_S = 0.4

Wanted = tuple[str, Mapping[str, Any]]
# Of the order path: each waits for an order of its own, so several stand together.
ORDERS: tuple[tuple[Wanted, ...], ...] = (
    (("order_reset", {}), ("order_truncated", {}), ("order_odd", {"shape": "other_order"})),
    (("order_html", {}), ("order_status", {"status": 504}), ("order_status", {"when": "before"})),
    (
        ("order_denied", {"message": "potential wash trade detected. use complex orders"}),
        ("order_denied", {"message": "cost basis must be >= minimal amount of order 10"}),
        ("order_denied", {"status": 422, "code": 40010001, "message": "qty must be > 0"}),
        ("order_rejected", {}),
    ),
    (
        ("order_denied", {"status": 422, "message": "already exists", "accepted": True}),
        ("order_denied", {"status": 401, "code": 40110000, "message": "request is not authorized"}),
        *(("fill_share", {}), ("match_delay", {}), ("order_late", {}), ("order_silent", {})),
    ),
)
ACCOUNT: tuple[Wanted, ...] = (
    *(("exec_duplicate", {}), ("exec_reorder", {}), ("exec_gap", {}), ("updates_text", {})),
    *(("updates_late", {"delay_ms": 100}), ("read_lag", {"lag_ms": 100}), ("fees_daily", {})),
    *(("fee_rounding", {}), ("exec_mute", {}), ("fees_held", {})),
)
MARKET: tuple[Wanted, ...] = (
    *(("garbage", {"times": 30}), ("book_reset", {}), ("crossed_book", {}), ("quote_off", {})),
    *(("mute_symbol", {}), ("drop_delta", {}), ("late_snapshot", {}), ("stuck_book", {})),
    *(("slow", {}), ("mute_socket", {}), ("half_open", {}), ("pair_status", {})),
)
SAID: tuple[Wanted, ...] = (  # to whoever is connected, so somebody has to be
    ("stream_error", {"code": 500, "msg": f"who has {SECRET}?"}),
    ("stream_error", {"code": 407, "msg": "slow client", "close": True}),
)
REST: tuple[Wanted, ...] = (
    *(("rest_down", {}), ("rest_down", {"status": 503}), ("rest_html", {}), ("rest_slow", {})),
    *(("rate_limited", {}), ("unauthorized", {})),
)
CUT: Wanted = ("close", {"code": 1006})  # whoever comes back meets what stands beside it
BACK: tuple[tuple[Wanted, ...], ...] = (
    *((("slow_reap", {}), CUT), (("refuse_connects", {}), CUT), (("key_revoked", {}), CUT)),
    *((("subscribe_error", {"code": 500}), CUT), (("auth_error", {"code": 404}), CUT)),
)
# What ends trust in the books of account.
LAST: tuple[Wanted, ...] = (
    ("drift", {}),
    ("foreign_order", {}),
    ("overfill", {}),
    ("fee_extra", {}),
)
# What the commands beside it meet from their beginning to their end: one asks, one connects.
BESIDE: tuple[Wanted, ...] = (
    ("unauthorized", {"path": "/v2/account", "times": 1000}),
    ("auth_error", {"times": 1000}),
    CUT,  # so that the daemon meets it, too
)
# What is met without an order of anybody's, by whoever is connected or asks.
MET = frozenset(
    ("garbage", "book_reset", "crossed_book", "stream_error", "unauthorized", "auth_error")
)


class Stage:
    """The venue, what runs on it, and what all of it has told so far."""

    def __init__(self, desk: Desk, server: SandboxServer) -> None:
        self.desk = desk
        self.server = server
        self.told: dict[str, bytes] = {}
        self.arguments: set[str] = set()
        self.hit: set[str] = set()
        self.set: set[str] = set()
        self._running: list[Process] = []
        self._newest = 0

    async def begin(self, *arguments: str) -> Process:
        """A command at DEBUG, with the canaries for keys; what it prints is kept in files."""
        name = f"{arguments[0].replace(':', '_')}.{len(self._running)}.said"
        with (self.desk.work / name).open("wb") as said:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "arbit", *arguments),
                cwd=self.desk.work,
                env=self.desk.env(**UNHINDERED, **self.settings()),
                stdout=said,
                stderr=asyncio.subprocess.STDOUT,
            )
        self._running.append(process)
        return process

    def settings(self) -> dict[str, str]:
        """Where the venue is, and the canaries for keys."""
        at = self.server.addresses
        return {
            "ARBIT_RISK__BREAKER_FAILURES": "1000",
            "ARBIT_RISK__GRACE_S": "1",
            "ARBIT_LOG_LEVEL": "debug",
            f"{PREFIX}REST_URL": at["rest"],
            f"{PREFIX}DATA_URL": at["data"],
            f"{PREFIX}WS_URL": at["ws"],
            f"{PREFIX}PRIVATE_WS_URL": at["private_ws"],
            f"{PREFIX}API_KEY": KEY,
            f"{PREFIX}API_SECRET": SECRET,
        }

    async def control(self, method: str, path: str, body: object = None) -> None:
        """A request to the venue's control face, which must take it."""
        url = f"{self.server.addresses['rest']}/control/{path}"
        async with aiohttp.request(method, url, data=json.dumps(body)) as answer:
            assert answer.status == 200, await answer.text()

    async def faults(
        self,
        wanted: tuple[Wanted, ...],
        most_s: float,
        done: Callable[[], bool] = lambda: False,
    ) -> None:
        """Switch these on together, until each that counts is spent, it is done, or time is up."""
        standing: list[Fault] = []
        for name, given in wanted:
            before = list(self.server.faults.active)
            await self.control("POST", "faults", {"name": name, **given})
            self.set.add(name)
            new = [one for one in self.server.faults.active if one not in before]
            standing += new
            if not new:
                self.hit.add(name)  # one that happens at once
        counted = [one for one in standing if one.times is not None]
        await self.until(lambda: done() or self._spent(counted), most_s)
        self.hit |= {one.kind.name for one in standing if one.hits}
        await self.control("DELETE", "faults")
        (self.desk.work / "var" / f"resume.{NAME}").touch()  # an operator who never lets it rest

    def _spent(self, counted: list[Fault]) -> bool:
        return bool(counted) and not any(one in self.server.faults.active for one in counted)

    async def until(self, true: Callable[[], object], most_s: float) -> bool:
        """Look until it is true, or the time is up; meanwhile who runs is watched."""
        end_s = asyncio.get_running_loop().time() + most_s
        while not (done := true()) and asyncio.get_running_loop().time() < end_s:
            self._look_at_processes()
            await asyncio.sleep(LOOK_S)
        return bool(done)

    def heard_anew(self) -> bool:
        """Whether another socket than last time has subscribed to books."""
        clients = self.server.alpaca.stream.clients.values()
        newest = max((one.session.number for one in clients if one.wanted["orderbooks"]), default=0)
        heard, self._newest = self._newest, max(newest, self._newest)
        return newest > heard

    def _look_at_processes(self) -> None:
        for process in self._running:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                parent = psutil.Process(process.pid)
                for one in (parent, *parent.children(recursive=True)):
                    self.arguments.add("\x00".join(one.cmdline()))

    async def scrape(self, port: int) -> None:
        """The page of metrics."""
        async with aiohttp.request("GET", f"http://127.0.0.1:{port}/metrics") as answer:
            self.told[f"metrics {len(self.told)}"] = await answer.read()

    def written(self) -> Iterator[tuple[str, bytes]]:
        """Everything that they told, left behind, or were called with."""
        yield from self.told.items()
        yield "arguments", "\n".join(sorted(self.arguments)).encode()
        for path in sorted(self.desk.root.rglob("*")):
            yield "a file's name", str(path).encode()
            if path.is_file():
                yield str(path.relative_to(self.desk.root)), path.read_bytes()

    def leaks(self) -> list[str]:
        """Where a canary is, and which."""
        found = []
        parts = [(name, [*ways(one)]) for name, one in (("the key", KEY), ("the secret", SECRET))]
        for where, text in self.written():
            for name, spelt in parts:
                found += [f"{name} is in {where}: {one!r}" for one in spelt if one in text][:1]
        return found


def ways(secret: str) -> Iterator[bytes]:
    """Parts of it in every spelling: plain, hex, base64, quoted, escaped, and all of it backwards.

    Base64 at each of the three places where it may begin within what was encoded.
    """
    yield from spellings(secret.encode())
    yield from spellings(json.dumps(secret)[1:-1].encode())
    yield secret[::-1].encode()
    yield quote(secret).encode()
    yield secret.encode().hex().upper().encode()
    for before in (b"", b"x", b"xx"):
        whole = base64.b64encode(before + secret.encode())
        yield whole[4 : len(whole) - 4]


@pytest_asyncio.fixture
async def stage(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """An Alpaca whose trading key is the canary."""
    monkeypatch.setattr(keys, "TRADE_KEY", KEY)
    monkeypatch.setattr(keys, "TRADE_SECRET", SECRET)
    options = SandboxOptions(
        taker_fee_bps=Decimal(2), fees_post_after_s=1.0, requests_per_minute=0, pace=3
    )
    async with SandboxServer("volatile", 1, 0, options, face="alpaca") as server:
        made = Stage(desk, server)
        try:
            yield made
        finally:
            for process in made._running:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


def over(processes: Sequence[Process]) -> bool:
    """Whether all of them have ended."""
    return all(one.returncode is not None for one in processes)


async def ended(process: Process) -> int:
    """Its exit code, in time."""
    async with asyncio.timeout(GUARD_S):
        return await process.wait()


def groups() -> Iterator[tuple[tuple[Wanted, ...], float]]:
    """Which faults stand together, and for how long at most."""
    first, *others = ORDERS
    yield first, GUARD_S  # these are met for certain
    for several in others:
        yield several, LONG_S
    yield ACCOUNT, WHOLE_S
    placed = (*ORDERS, *BACK, ACCOUNT, MARKET, SAID, REST, LAST, BESIDE)
    named = {name for one in placed for name, _ in one}
    yield tuple((name, {}) for name in kinds_of("alpaca") if name not in named), WHOLE_S
    for one in (*MARKET, *SAID, *REST, *LAST):
        yield (one,), SHORT_S
    for several in BACK:
        yield several, WHOLE_S


async def test_no_key_and_no_secret_gets_out_whatever_goes_wrong(stage: Stage) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    live = await stage.begin("live", "--venue", NAME, "--fee-bps", "2", "--metrics-port", str(port))
    taken = partial(getattr, stage.server.exchange.books, "orders_taken")
    assert await stage.until(lambda: taken() or live.returncode is not None, GUARD_S)
    assert live.returncode is None, (stage.desk.work / "live.0.said").read_text()
    for wanted, most_s in groups():
        if wanted and wanted[0] in SAID:
            assert await stage.until(stage.heard_anew, GUARD_S)
        await stage.faults(wanted, most_s)
    await stage.scrape(port)
    beside = [
        await stage.begin("keys:check", "--venue", NAME),
        await stage.begin("fitness", "--venue", NAME, "--secs", "1"),
    ]
    await stage.faults(BESIDE, GUARD_S, partial(over, beside))
    assert all(one.returncode in range(4) for one in beside)
    assert live.returncode is None, (stage.desk.work / "live.0.said").read_text()[-2000:]
    live.terminate()
    assert await ended(live) in {0, 3}
    assert stage.set == set(kinds_of("alpaca"))
    assert stage.hit >= MET
    assert stage.hit >= {name for name, _ in ORDERS[0]}
    said = {path.name: path.read_text() for path in stage.desk.work.glob("*.said")}
    assert "[debug" in said["live.0.said"]
    assert "500 who has ***?" in said["live.0.said"]
    assert "407 slow client" in said["live.0.said"]
    assert "401" in said["keys_check.1.said"]
    assert any("402" in text for text in said.values())
    assert any("--metrics-port" in one for one in stage.arguments)
    assert stage.leaks() == []


@pytest.mark.parametrize(
    "fault",
    [
        *(("rest_down", {"times": 1000}), ("rest_html", {"times": 1000})),
        *(("unauthorized", {"times": 1000}), ("order_truncated", {"times": 1000})),
        ("order_denied", {"times": 1000, "message": "forbidden.", "code": 40310000}),
        ("order_denied", {"times": 1000, "status": 403, "message": f"not with {SECRET}"}),
        ("auth_error", {"times": 1000, "code": 402, "msg": f"{SECRET} is unknown"}),
        *(("auth_error", {"code": 404, "times": 1000}), ("refuse_connects", {"times": 1000})),
    ],
    ids=lambda one: one[0],
)
async def test_what_a_check_of_the_keys_tells_names_neither(stage: Stage, fault: Wanted) -> None:
    """A question that fails for good: the error, and all that stands behind it."""
    name, given = fault
    settings = load_settings(None, stage.settings())
    await stage.control("POST", "faults", {"name": name, **given})
    told = ""
    try:
        told = repr(await AlpacaKeysCheck(settings, NAME)())
    except ArbitError as error:
        behind = [error, error.__cause__, error.__context__]
        told = "".join(
            "".join(traceback.format_exception(one)) + repr(one) for one in behind if one
        )
    assert told
    stage.told["what was told"] = f"{told}\n{settings!r}".encode()
    assert stage.leaks() == []


@pytest.mark.parametrize("secret", [KEY, SECRET])
@pytest.mark.parametrize(
    "way",
    [
        str,
        lambda one: one[3:17],
        quote,
        partial(quote, safe=""),
        json.dumps,
        lambda one: json.dumps(one).replace("/", "\\/"),
        lambda one: one[::-1],
        lambda one: one.encode().hex(),
        lambda one: one.encode().hex().upper(),
        lambda one: base64.b64encode(one.encode()).decode(),
        lambda one: base64.urlsafe_b64encode(one.encode()).decode(),
        lambda one: base64.b64encode(b"k:" + one.encode()).decode(),
        lambda one: base64.b64encode(b"key:" + one.encode()).decode(),
        lambda one: repr({"APCA-API-SECRET-KEY": one}),
    ],
)
def test_a_canary_is_seen_however_it_is_spelt(desk: Desk, secret: str, way: object) -> None:
    assert callable(way)
    stage = Stage(desk, SandboxServer("calm", 1, face="alpaca"))
    (desk.work / "log").write_text(f"nothing\nan error: {way(secret)}\nnothing\n")
    assert len(stage.leaks()) == 1
    (desk.work / "log").write_text("nothing at all")
    assert stage.leaks() == []
