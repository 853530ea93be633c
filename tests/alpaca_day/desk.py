"""An Alpaca of our own in a process of its own, and `arbit live` on it as its user runs it.

Nothing here is shared with the daemon: it is started as a command, and what it did is read from
its database and from the exchange's log (`tests.checker`).
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.checker import Database, Exchange, accounts_of, check, read_database, read_log
from tests.checker_sums import EXACT, add

NAME = "sandbox-alpaca"
PREFIX = "ARBIT_VENUES__SANDBOX_ALPACA__"
LOG = "alpaca-events.ndjson"
REPO = Path(__file__).parents[2]
CALL_S = 10.0
ENDS_S = 10.0
DEAR = "2"  # basis points: at the published 25 no market of ours has an edge
LIVES_MOST = 5  # starts that only recover, until nothing waits


@dataclass(frozen=True, slots=True)
class Day:
    """What is traded, and how the exchange states its fees."""

    cycles: int = 50
    seed: int = 1
    profile: str = "volatile"
    daily: bool = False  # one fee for each asset and day, instead of one for each trade
    rounding: str = "half_up"  # or down, or up
    cost_rounding: str = ""  # the same; empty: a cost is what price and quantity make
    pace: int = 1  # seconds of market in one of ours
    post_after_s: int = 20  # the sandbox's end of day
    requests_per_minute: int = 200
    limit_s: float = 900.0


class AlpacaDesk:
    """One exchange and one data folder, below `folder`."""

    def __init__(self, folder: Path, day: Day) -> None:
        self.day = day
        self.folder = folder
        self.state = folder / "exchange"
        self.data = folder / "var"
        self._exchange: subprocess.Popen[str] | None = None
        self._env: dict[str, str] = {}
        self._control = ("", 0)

    def __enter__(self) -> Self:
        self.data.mkdir(parents=True)
        day = self.day
        self._exchange = subprocess.Popen(
            [
                *(sys.executable, "-m", "arbit.sandbox", "--json", "--ends-with-parent"),
                *("--face", "alpaca", "--profile", day.profile, "--seed", str(day.seed)),
                *("--state", str(self.state), "--taker-fee-bps", DEAR),
                *("--pace", str(day.pace)),
                *("--fees-post-after-s", str(day.post_after_s)),
                *("--requests-per-minute", str(day.requests_per_minute)),
            ],
            cwd=REPO,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._exchange.stdout is not None
        ready = json.loads(self._exchange.stdout.readline())
        host, port = ready["rest"].removeprefix("http://").split(":")
        self._control = (host, int(port))
        kept = {name: value for name, value in os.environ.items() if "ARBIT" not in name}
        self._env = kept | {
            "PYTHONPATH": str(REPO),
            f"{PREFIX}REST_URL": ready["rest"],
            f"{PREFIX}DATA_URL": ready["data"],
            f"{PREFIX}WS_URL": ready["ws"],
            f"{PREFIX}PRIVATE_WS_URL": ready["private_ws"],
            "ARBIT_DATA_DIR": str(self.data),
            "ARBIT_LOCK_DIR": str(self.folder / "locks"),
        }
        self.fault(name="fee_rounding", mode=day.rounding)
        if day.cost_rounding:
            self.fault(name="cost_rounding", mode=day.cost_rounding)
        if day.daily:
            self.fault(name="fees_daily")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._exchange is not None:
            self._exchange.terminate()
            self._exchange.communicate(timeout=ENDS_S)

    def call(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The exchange's control face."""
        asked = http.client.HTTPConnection(*self._control, timeout=CALL_S)
        try:
            asked.request("POST", f"/control/{path}", json.dumps(body))
            answer = asked.getresponse()
            told: dict[str, Any] = json.loads(answer.read())
        finally:
            asked.close()
        assert answer.status == 200, told
        return told

    def fault(self, **wanted: Any) -> None:
        """Switch one on."""
        self.call("faults", wanted)

    def post_fees(self) -> int:
        """The end of the day, now; how many activities that made."""
        posted: int = self.call("post-fees", {})["posted"]
        return posted

    def live(self, *options: str) -> tuple[dict[str, Any], str]:
        """`arbit live` to its end: its report, and what is wrong with the end."""
        done = subprocess.run(
            [
                *(sys.executable, "-m", "arbit", "live", "--venue", NAME, "--json"),
                *("--fee-bps", DEAR, *options),
            ],
            env=self._env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=self.day.limit_s,
            check=False,
        )
        start = done.stdout.find("{\n")
        if done.returncode or start < 0:
            return {}, f"live {options} ended with {done.returncode}: {done.stderr[-600:]}"
        report: dict[str, Any] = json.loads(done.stdout[start:])
        return report, ""

    def database_checked(self) -> str:
        """What the daemon's own check of its books says, when it is not that all is well."""
        done = subprocess.run(
            [sys.executable, "-m", "arbit", "db", "check"],
            env=self._env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=self.day.limit_s,
            check=False,
        )
        return "" if done.returncode == 0 else f"db check: {done.stdout}{done.stderr}"

    def read(self) -> tuple[Exchange, Database]:
        """Both sides, from their files alone."""
        return both(self.state / LOG, self.data / "arbit.db")


def both(log: Path, database: Path) -> tuple[Exchange, Database]:
    """The account that traded, as the exchange's log has it and as the daemon's database has it."""
    names = [one for one in accounts_of(database) if ":sandbox:" in one]
    assert len(names) == 1, f"expected one sandbox account, found {names}"
    busy = [one for one in read_log(log).values() if one.requested or one.fills]
    assert len(busy) == 1, f"expected one account that traded, found {len(busy)}"
    return busy[0], read_database(database, names[0])


def differences(exchange: Exchange, database: Database) -> dict[str, Decimal]:
    """Of each asset, the exchange's balance less the ledger's wallet. No slack is allowed."""
    off = {asset: EXACT.plus(amount) for asset, amount in exchange.balances.items()}
    for line in database.ledger:
        if line["book"] == "wallet":
            amount = EXACT.minus(Decimal(line["amount"]))
            off[line["asset"]] = add(off.get(line["asset"], Decimal(0)), amount)
    return off


def waiting(database: Database) -> int:
    """Fees that are reckoned and not yet known."""
    return sum(1 for row in database.late.values() if not row["ref"])


def untold(exchange: Exchange) -> int:
    """Fees that the exchange has taken and not yet stated."""
    stated = {one for fee in exchange.posted.values() for one in fee["trades"]}
    return sum(
        1 for one, fill in exchange.fills.items() if Decimal(fill["fee"]) and one not in stated
    )


def verdict(exchange: Exchange, database: Database, wanted_cycles: int) -> dict[str, Any]:
    """Every count, and every disagreement in words; none is the only good end."""
    off = differences(exchange, database)
    ends = [row["state"] for row in database.cycles.values() if row["ended_ns"]]
    pending, unposted = waiting(database), untold(exchange)
    found = check(exchange, database)
    found += [f"{asset}: {by:f} more at the exchange" for asset, by in sorted(off.items()) if by]
    if pending or unposted:
        found.append(f"fees: {unposted} not posted, {pending} wait")
    if len(ends) < wanted_cycles:
        found.append(f"cycles: {len(ends)} of {wanted_cycles}")
    return {
        "cycles": len(ends),
        "cycles_by_end": {one: ends.count(one) for one in sorted(set(ends))},
        "orders": len(database.orders),
        "orders_at_the_exchange": len(exchange.accepts),
        "fills": len(database.fills),
        "fills_at_the_exchange": len(exchange.fills),
        "fees_posted": len(exchange.posted),
        "fees_booked": sum(1 for row in database.posted.values() if row["state"] == "fits"),
        "fees_off_the_guess": sum(1 for one in database.ledger if one["kind"] == "late_fee") // 2,
        "pending_left": pending,
        "differences": {asset: format(by, "f") for asset, by in sorted(off.items())},
        "findings": found,
    }
