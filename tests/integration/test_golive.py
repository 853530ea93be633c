"""The go-live gate on real sockets: an exchange under a real venue's name, as far as it is one."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arbit.app.golive.gate import OVERRIDE, NotProven
from arbit.app.golive.shadow import paper_of, setup_of
from arbit.app.golive.shadow_told import shadows, shadows_lines
from arbit.app.live.lane import LiveOptions
from arbit.app.live.run import LiveRun
from arbit.app.private.kraken import kraken_side
from arbit.app.private.own_fees import FeesAsked, own_fees
from arbit.app.private.parts import Around
from arbit.app.store import DATABASE, account_of, open_journal
from arbit.app.trade.told import LiveReport, Preamble
from arbit.app.watch.feeds import Addresses, rest_side
from arbit.clock import SystemClock
from arbit.config import Override, Settings, load_settings
from arbit.domain.cycle import CycleState, Policy
from arbit.domain.records import Batch, CycleRecord, PlannedRecord
from arbit.domain.shadow import HOUR_NS, ShadowBatch, ShadowHour
from arbit.domain.triangle import Leg, Side
from arbit.persistence.journal import SqliteJournal
from arbit.persistence.lease import Lease
from arbit.persistence.migrate import upgrade
from arbit.persistence.past import last_runs
from arbit.sandbox import SandboxOptions, SandboxServer
from tests.integration.cli_desk import within
from tests.integration.live_desk import (
    UNHINDERED,
    Exchange,
    environment,
    folders,
    rows,
)

pytestmark = pytest.mark.unstalled

D = Decimal
CAP = D(50)
# The whole command: without the consent it would look at the paper account.
RECOVERS = "arbit live --venue kraken --i-accept-real-orders --recover-only"
SECRET = b"sandbox trade secret, made up and public, sixty-four bytes long!!"
KEY = {
    "ARBIT_VENUES__KRAKEN__API_KEY": "sandbox-trade-key",
    "ARBIT_VENUES__KRAKEN__API_SECRET": base64.b64encode(SECRET).decode(),
    "ARBIT_VENUES__KRAKEN__RATE_TIER": "pro",
    "ARBIT_VENUES__KRAKEN__TAKER_FEE_BPS": "1",
    "ARBIT_SCAN__START_ASSETS": "USD",
    "ARBIT_SCAN__LATENCY_MS": "60",
}
LEG_1 = re.compile(r"ab([0-9a-z]{6,})-1")


class Screen:
    """Keeps what is said before anything is traded."""

    every_s = 3600.0

    def __init__(self) -> None:
        self.said: list[Preamble] = []

    def preamble(self, said: Preamble) -> None:
        self.said.append(said)

    def refresh(self, run: object, trader: object, elapsed_s: float) -> None: ...

    def end(self) -> None: ...


def settings_of(folder: Path, sandbox: SandboxServer, **more: str) -> Settings:
    addresses = {
        "ARBIT_VENUES__KRAKEN__REST_URL": sandbox.rest_url,
        "ARBIT_VENUES__KRAKEN__WS_URL": sandbox.ws_url,
        "ARBIT_VENUES__KRAKEN__PRIVATE_WS_URL": sandbox.ws_url,
    }
    told = folders(folder) | UNHINDERED | KEY | addresses | more
    return load_settings(None, {}, [Override("test", key, text) for key, text in told.items()])


def exchange() -> SandboxServer:
    options = SandboxOptions(taker_fee_bps=D(1), tier="pro", control=False)
    return SandboxServer("volatile", 3, options=options)


async def live(settings: Settings, **options: Any) -> tuple[LiveReport, Screen]:
    screen = Screen()
    given = LiveOptions(("kraken",), **{"real": True, "seconds": 30.0, **options})
    (report,) = await LiveRun(settings, given, SystemClock(), screen)()
    return report, screen


def orders_at(sandbox: SandboxServer) -> list[Mapping[str, Any]]:
    return [one for one in sandbox.exchange.log.records if one["kind"] == "accept"]


def proven(settings: Settings) -> None:
    """A day of hours that earned, as dry runs would have left it."""
    venue, path = settings.venue("kraken"), settings.data_dir / DATABASE
    settings.data_dir.mkdir(parents=True, mode=0o700)
    upgrade(path)
    now_ns, account = time.time_ns(), paper_of(venue)
    setup = setup_of(settings, venue, {"BTC/USD": D("0.0001")})
    hours = tuple(
        ShadowHour(setup.name, (now_ns // HOUR_NS - ago) * HOUR_NS, HOUR_NS).plus(D(1), D(100))
        for ago in range(1, 36)
    )
    with Lease(settings.data_dir, path, account, now_ns, command="test") as lease:
        journal = SqliteJournal(path, account, lease.token)
        journal.write(Batch(shadow=ShadowBatch(setup, hours, 0, now_ns)))
        journal.close()


async def test_without_a_shadow_run_nothing_leaves_and_the_evidence_is_told(tmp_path: Path) -> None:
    async with exchange() as sandbox:
        settings = settings_of(tmp_path, sandbox)
        with pytest.raises(NotProven) as refused:
            await live(settings)
        assert refused.value.told.missing == (
            "no dry run of this account is kept in this data folder",
        )
        said = str(refused.value)
        for words in ("real orders are refused", "--dry-run", "--override-shadow-run", RECOVERS):
            assert words in said
        report, _ = await live(settings, recover_only=True)  # that begins nothing
        assert (report.ended, report.orders) == ("recovered", 0)
        assert orders_at(sandbox) == []
        report, screen = await live(settings, cycles=3, cap=CAP)
        accepted = orders_at(sandbox)
    assert sum(report.cycles.values()) >= 1
    assert accepted
    assert stakes(accepted) <= CAP
    assert screen.said[0].limits["per cycle"] == "50 USD"
    assert any("overridden: at most 50 USD" in one for one in screen.said[0].warnings)
    sql = "SELECT detail FROM incidents WHERE kind=?"
    ((told,),) = rows(settings.data_dir / DATABASE, sql, OVERRIDE)
    assert "at most 50 USD" in told
    assert "no dry run" in told


async def test_what_is_open_is_ended_before_a_start_is_refused(tmp_path: Path) -> None:
    """A supervisor starts again what was killed amid a cycle, a week after the dry runs."""
    async with exchange() as sandbox:
        settings = settings_of(tmp_path, sandbox)
        sql = "SELECT cycle_id, state FROM cycles WHERE ended_ns=0"
        path = settings.data_dir / DATABASE
        opened(settings)
        assert rows(path, sql) == [("abopen", "ready")]
        with pytest.raises(NotProven):
            await live(settings)
        assert rows(path, sql) == []
        assert orders_at(sandbox) == []  # it had not come as far as to send one
        with pytest.raises(NotProven):
            await live(settings)
        assert orders_at(sandbox) == []


def opened(settings: Settings) -> None:
    """A cycle that was written down, and then its daemon died."""
    venue, path = settings.venue("kraken"), settings.data_dir / DATABASE
    settings.data_dir.mkdir(parents=True, mode=0o700)
    upgrade(path)
    now_ns, account = time.time_ns(), str(account_of(venue, real=True))
    legs = (
        Leg("BTC/USD", Side.BUY, "USD", "BTC"),
        Leg("ETH/BTC", Side.BUY, "BTC", "ETH"),
        Leg("ETH/USD", Side.SELL, "ETH", "USD"),
    )
    plan = tuple(PlannedRecord(leg, D("0.001"), D(1), D("0.0001")) for leg in legs)
    cycle = CycleRecord("abopen", Policy.SEQUENTIAL, CycleState.READY, plan, now_ns)
    with Lease(settings.data_dir, path, account, now_ns, command="test") as lease:
        journal = SqliteJournal(path, account, lease.token)
        journal.write(Batch(cycles=(cycle,)))
        journal.close()


def stakes(accepted: Sequence[Mapping[str, Any]]) -> Decimal:
    """The most that cycles under way had started with at any moment, by their first orders."""
    last, stake, most = dict[str, int](), dict[str, Decimal](), D(0)
    for line, one in enumerate(accepted):
        last[one["cl_ord_id"].partition("-")[0]] = line
    for line, one in enumerate(accepted):
        if LEG_1.match(one["cl_ord_id"]):
            cost = D(one["qty"]) * D(one["price"])
            spent = cost if one["side"] == "buy" else D(one["qty"])
            stake[one["cl_ord_id"].partition("-")[0]] = spent
        most = max(most, sum((s for c, s in stake.items() if last[c] >= line), D(0)))
    return most


async def test_with_a_day_of_hours_that_earned_real_orders_leave(tmp_path: Path) -> None:
    async with exchange() as sandbox:
        far = {"ARBIT_SCAN__LATENCY_MS": "30000"}  # no machine is too busy for that
        settings = settings_of(tmp_path, sandbox, **far)
        proven(settings)
        nearer = settings_of(tmp_path, sandbox, ARBIT_SCAN__LATENCY_MS="30001")
        with pytest.raises(NotProven, match="latency of 30000 ms, 30001 ms are set now"):
            await live(nearer)
        dearer = settings_of(tmp_path, sandbox, **far, ARBIT_VENUES__KRAKEN__TAKER_FEE_BPS="2")
        with pytest.raises(NotProven, match="lower fees than are paid now: BTC/USD"):
            await live(dearer)
        other = settings_of(tmp_path, sandbox, **far, ARBIT_VENUES__KRAKEN__API_KEY="another-key")
        assert "key of another account" in "\n".join(shadows_lines(shadows(other, ["kraken"])))
        assert orders_at(sandbox) == []
        report, screen = await live(settings, cycles=1)
        assert orders_at(sandbox)
    assert sum(report.cycles.values()) >= 1
    assert any(one.startswith("shadow run: 35.0 of 24 h") for one in screen.said[0].warnings)


async def fees_of(settings: Settings, sandbox: SandboxServer) -> tuple[Any, str]:
    venue, clock = settings.venue("kraken"), SystemClock()
    at = Addresses(sandbox.rest_url, sandbox.ws_url)
    rest = rest_side(venue, at, clock)
    try:
        return await own_fees(FeesAsked(settings, venue, at, rest, ["BTC/USD", "ETH/USD"], clock))
    finally:
        await rest.client.close()


async def test_a_dry_run_with_a_key_asks_for_its_fees_and_for_nothing_else(tmp_path: Path) -> None:
    async with exchange() as sandbox:
        asked, receive = list[str](), sandbox.private.receive

        def told(name: str, *rest: object) -> object:
            asked.append(name)
            return receive(name, *rest)  # type: ignore[arg-type]  # handed on as it came

        sandbox.private.receive = told  # type: ignore[method-assign,assignment]  # it only listens
        fees, note = await fees_of(settings_of(tmp_path, sandbox), sandbox)
        assert (fees, note) == (dict.fromkeys(["BTC/USD", "ETH/USD"], D("0.0001")), "")
        assert asked == ["TradeVolume"]
        other = settings_of(tmp_path, sandbox, ARBIT_VENUES__KRAKEN__API_KEY="another-key")
        fees, note = await fees_of(other, sandbox)
        assert fees is None
        assert "the published ladder is used" in note
        none = settings_of(tmp_path, sandbox, ARBIT_VENUES__KRAKEN__API_KEY="")
        assert await fees_of(none, sandbox) == (None, "")
    assert set(asked) == {"TradeVolume"}


async def test_a_dry_run_asks_on_where_quick_starts_left_the_keys_nonces(tmp_path: Path) -> None:
    async with exchange() as sandbox:
        settings, clock = settings_of(tmp_path, sandbox), SystemClock()
        venue = settings.venue("kraken")
        account = account_of(venue, real=True)

        async def starts() -> Mapping[str, Decimal]:
            """A real start, as far as it has asked for its fees: then it is gone."""
            at = Addresses(sandbox.rest_url, sandbox.ws_url)
            async with AsyncExitStack() as stack:
                journal = stack.enter_context(open_journal(settings.data_dir, account, clock))
                around = Around(clock, journal, lambda _: None)
                side = await kraken_side(settings, venue, at, around, stack)
                return await side.reader.fees(["BTC/USD"])

        paid = {"BTC/USD": D("0.0001")}
        assert [await starts(), await starts()] == [paid, paid]
        for _ in range(2):
            fees, note = await fees_of(settings, sandbox)
            assert (fees, note) == ({"BTC/USD": D("0.0001"), "ETH/USD": D("0.0001")}, "")
        assert await starts() == paid, "whose nonces go on behind those of the dry runs"
        path = settings.data_dir / DATABASE
        (last,) = last_runs(path, None)
        assert (last.account, last.command) == (str(account), "live")
        asked = rows(path, "SELECT ended_how FROM runs WHERE command='dry run'")
        assert asked == [("clean",), ("clean",)]
        await fees_of(settings, sandbox)
        assert last_runs(path, None) == [last], "one that only asked is no run to look back on"


def test_a_refusal_leaves_with_3_and_tells_programs_the_same(tmp_path: Path) -> None:
    """Typed as its user types it; the exchange is on a loop of its own."""
    with Exchange(tmp_path) as sandbox:
        environ = environment(**folders(tmp_path) | KEY | sandbox.addresses("kraken"))
        asked = ("live", "--venue", "kraken", "--i-accept-real-orders", "--json")
        refused = within(tmp_path, environ, *asked)
        assert sandbox.orders() == []
        told = within(tmp_path, environ, "shadow", "--venue", "kraken", "--json")
    assert (refused.returncode, told.returncode) == (3, 3)
    found = json.loads(refused.stdout)["refused"]
    assert found["missing"] == json.loads(told.stdout)["venues"][0]["missing"]
    assert "real orders are refused" in refused.stderr
