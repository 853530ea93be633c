"""`arbit live` with tight limits on a sandbox that misbehaves: its log says that they hold."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arbit.sandbox import SandboxOptions, SandboxServer
from arbit.sandbox.book import ASK, BID
from tests.checker import compare
from tests.exposure import Limits, Meter

D = Decimal
Log = list[dict[str, Any]]
CAPS = {"BTC": D("0.003"), "ETH": D("0.07"), "SOL": D("1.3"), "XRP": D(400), "EUR": D(180)}
TOLD = Limits(
    asset_caps=CAPS,
    max_exposure=D(400),
    max_notional=D(150),
    max_cycles=3,
    moved_bps=D(1000),  # a shock of the volatile market
)
# Of what is owned: the exchange opens with 10,000 USD, 0.1 BTC, 3 ETH and no SOL.
OWNED = {"BTC": D("0.1025"), "ETH": D("3.06"), "SOL": D("0.9"), "USD": D(10_250)}
RESERVES = {"USD": D(9_680)}
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("match_delay", {"delay_ms": 120, "times": 10_000}),
    *(("fill_share", {"share": share, "skip": 4, "times": 2}) for share in (0.0, 0.5, 0.93)),
    ("fee_third", {"symbol": "ETH/USD", "times": 3}),
]


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def live(folder: Path, policy: str) -> tuple[dict[str, Any], Log, dict[str, Decimal]]:
    """A run with those limits: its report, the exchange's log, and what each asset was worth."""
    state = folder / "exchange"
    options = SandboxOptions(state=state, taker_fee_bps=D(1), tier="pro", control=False)
    async with SandboxServer("volatile", 3, options=options) as sandbox:
        for name, params in FAULTS:
            sandbox.faults.set(name, **params)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "arbit", "live", "--venue", "sandbox", "--policy", policy),
            *("--fee-bps", "1", "--cycles", "8", "--secs", "25", "--json"),
            cwd=folder,
            env=environment(sandbox),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(90):
            out, error = await process.communicate()
        prices = worth(sandbox)
    assert process.returncode == 0, error.decode()
    report: dict[str, Any] = json.loads(out)
    lines = (state / "events.ndjson").read_text().splitlines()
    return report, [json.loads(line) for line in lines], prices


def environment(sandbox: SandboxServer) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if "ARBIT" not in name}
    return kept | {
        "ARBIT_VENUES__SANDBOX__REST_URL": sandbox.rest_url,
        "ARBIT_VENUES__SANDBOX__WS_URL": sandbox.ws_url,
        "ARBIT_VENUES__SANDBOX__RATE_TIER": "pro",
        "ARBIT_LOCK_DIR": "locks",  # beside the data, in the test's own folder
        "ARBIT_SCAN__START_ASSETS": "USD",
        "ARBIT_SCAN__MAX_NOTIONAL_PER_CYCLE": str(TOLD.max_notional),
        "ARBIT_SCAN__MAX_CONCURRENT_CYCLES": str(TOLD.max_cycles),
        "ARBIT_RISK__MAX_EXPOSURE": str(TOLD.max_exposure),
        "ARBIT_RISK__ASSET_CAPS": json.dumps({one: str(most) for one, most in CAPS.items()}),
        "ARBIT_INVENTORY__CAPS": json.dumps({one: str(most) for one, most in OWNED.items()}),
        "ARBIT_INVENTORY__RESERVE_AMOUNT": ",".join(f"{a}={b}" for a, b in RESERVES.items()),
        "ARBIT_RISK__COOLDOWN_MS": "0",
        "ARBIT_RISK__MAX_DAILY_LOSS": "100000",
        "ARBIT_RISK__BREAKER_FAILURES": "1000",
        "ARBIT_RISK__UNWIND_BUDGET_BPS": "1000",
        "ARBIT_RISK__ORDER_RATE_PER_S": "20",
    }


def worth(sandbox: SandboxServer) -> dict[str, Decimal]:
    found = {}
    for symbol, pair in sandbox.market.pairs.items():
        base, quote = symbol.split("/")
        tops = [level for side in (BID, ASK) for level in pair.book.top(side, 1)]
        if quote == "USD" and tops:
            middle = D(sum(price for price, _ in tops)) / len(tops)
            found[base] = middle.scaleb(-pair.instrument.price_precision)
    return found


@pytest.mark.timeout(400)  # each of the runs has a limit of its own
@pytest.mark.parametrize("policy", ["sequential", "parallel"])
async def test_on_the_exchanges_own_log_no_limit_is_passed_even_for_a_moment(
    tmp_path: Path, policy: str
) -> None:
    for name in ("first", "again", "once_more", "at_last"):
        folder = made(tmp_path / name)
        report, log, prices = await live(folder, policy)
        told = replace(TOLD, prices=prices, sequential=policy == "sequential")
        meter = Meter(told, log)
        print(report["cycles"], report["refusals"], {k: f"{v:f}" for k, v in meter.most.items()})
        assert meter.findings == []
        most, least = owned(log)
        print({k: f"{v:f}" for k, v in most.items()}, f"USD at least {least['USD']:f}")
        assert {one: most[one] for one in OWNED if most[one] > OWNED[one]} == {}
        assert {one: least[one] for one in RESERVES if least[one] < RESERVES[one]} == {}
        assert compare(folder / "exchange" / "events.ndjson", folder / "var" / "arbit.db") == []
        # Every run is judged. A held cycle, after a stop of the machine, ends all trading, a market
        # may offer the caps nothing to refuse (the collar came first), and a machine may be too
        # slow for all of it: then once more.
        if not unseen(report, meter.most, least):
            break

    assert unseen(report, meter.most, least) == []
    assert planted(told, log, meter) == []


def unseen(
    report: dict[str, Any], most: Mapping[str, Decimal], least: Mapping[str, Decimal]
) -> list[str]:
    """What a run has not come to, without which its limits were not tried."""
    seen = {
        "eight cycles": sum(report["cycles"].values()) >= 8,
        "none of them held": not report["cycles"].get("held"),
        "caps that refuse": refused(report) > 0,
        "a cycle nearly as large as it may be": D(140) < most["notional"] <= 150,
        "money spent down towards the reserve": least["USD"] < D(9_900),
    }
    return [what for what, came in seen.items() if not came]


def refused(report: dict[str, Any]) -> int:
    """How often the caps or the most cycles at once were what stood in a cycle's way."""
    return int(report["refusals"].get("asset_cap", 0) + report["refusals"].get("concurrency", 0))


def owned(log: Log) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """The most and the least that was there of each asset after any trade."""
    there: dict[str, Decimal] = {}
    for one in log:
        if one["kind"] == "opening":
            there[one["asset"]] = D(one["amount"])
    most, least = dict(there), dict(there)
    for one in log:
        if one["kind"] != "fill":
            continue
        base, quote = one["symbol"].split("/")
        sign = 1 if one["side"] == "buy" else -1
        for asset, amount in (
            (base, sign * D(one["qty"])),
            (quote, -sign * D(one["cost"])),
            (one["fee_asset"], -D(one["fee"])),
        ):
            there[asset] = there.get(asset, D(0)) + amount
        for asset, amount in there.items():
            most[asset] = max(most.get(asset, amount), amount)
            least[asset] = min(least.get(asset, amount), amount)
    return most, least


def planted(told: Limits, log: Log, meter: Meter) -> list[str]:
    """Violations put into the limits or into the log that the meter does not see."""
    tighter: dict[str, dict[str, Any]] = {
        "notional": {"max_notional": meter.most["notional"] - D("0.01")},
        "cycles": {"max_cycles": int(meter.most["cycles"]) - 1},
        "USD": {"asset_caps": {"USD": meter.most["USD"] - D("0.01")}},
        "BTC": {"asset_caps": {"BTC": meter.most["BTC"] - D("0.00000001")}},
        "USD in USD": {"max_exposure": meter.most["USD"] - D("0.01")},
    }
    unseen = [
        what
        for what, change in tighter.items()
        if not any(what in one for one in Meter(replace(told, **change), log).findings)
    ]
    spot = next(at for at, one in enumerate(log) if one["kind"] == "accept")
    larger = {**log[spot], "qty": str(D(log[spot]["qty"]) * 4)}
    altered = Meter(told, [*log[:spot], larger, *log[spot + 1 :]]).findings
    return unseen if altered else [*unseen, "a larger order"]
