"""A sandbox exchange that runs on while daemons on it are killed, started again, and checked."""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.checker import compare

START_S = 30.0
RECOVER_S = 90.0
MATCH_MS = 150
# Rows that a start writes whether or not it found anything to do.
OF_EACH_START = {"leases", "flags", "runs"}


@dataclass(slots=True)
class Tally:
    """What a campaign has seen."""

    kills: int = 0
    recovered: int = 0
    orders: int = 0
    fills: int = 0
    unknown: int = 0
    findings: list[str] = field(default_factory=list)


class Desk:
    """One exchange and one data folder, below `folder`."""

    profile = "volatile"
    match_ms = MATCH_MS
    pace = 1

    def __init__(self, folder: Path, seed: int, *, transport: str = "ws") -> None:
        self.folder = folder
        self.data = folder / "var"
        self.state = folder / "exchange"
        self.random = random.Random(seed)
        self.tally = Tally()
        self._seed = seed
        self._transport = transport
        self._exchange: subprocess.Popen[str] | None = None
        self._env: dict[str, str] = {}
        self.ws_url = ""

    def __enter__(self) -> Self:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.data.mkdir(parents=True)
        self._exchange = subprocess.Popen(
            [
                *(sys.executable, "-m", "arbit.sandbox", "--json", "--ends-with-parent"),
                *("--profile", self.profile, "--seed", str(self._seed), "--connects", "100000"),
                *("--pace", str(self.pace)),
                *("--taker-fee-bps", "1", "--state", str(self.state), "--tier", "pro"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._exchange.stdout is not None
        ready = json.loads(self._exchange.stdout.readline())
        if self.match_ms:
            self._slow_down(ready["rest"])
        self.ws_url = ready["ws"]
        kept = {name: value for name, value in os.environ.items() if "ARBIT" not in name}
        self._env = kept | {
            "ARBIT_VENUES__SANDBOX__REST_URL": ready["rest"],
            "ARBIT_VENUES__SANDBOX__ORDER_TRANSPORT": self._transport,
            "ARBIT_VENUES__SANDBOX__RATE_TIER": "pro",
            "ARBIT_DATA_DIR": str(self.data),
            "ARBIT_LOCK_DIR": str(self.folder / "locks"),
            "ARBIT_RISK__MAX_CRASHES": "1000",
            "ARBIT_RISK__COOLDOWN_MS": "0",
            "ARBIT_RISK__BREAKER_FAILURES": "1000",
            "ARBIT_RISK__MAX_DAILY_LOSS": "1000000",
            "ARBIT_SCAN__MAX_NOTIONAL_PER_CYCLE": "200",
            "ARBIT_RISK__UNWIND_BUDGET_BPS": "1000",
            "ARBIT_RISK__COLLAR_BPS": "1000",
        }
        return self

    def _slow_down(self, rest_url: str) -> None:
        """Orders meet their books late: most kills then fall into the middle of a cycle."""
        host, port = rest_url.removeprefix("http://").split(":")
        asked = http.client.HTTPConnection(host, int(port), timeout=10)
        fault = {"name": "match_delay", "delay_ms": self.match_ms, "times": 1_000_000}
        asked.request("POST", "/sandbox/faults", json.dumps(fault))
        assert asked.getresponse().status == 200
        asked.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._exchange is not None:
            self._exchange.terminate()
            self._exchange.wait(10)

    def daemon(self, *options: str) -> subprocess.Popen[str]:
        """A daemon trading on the exchange."""
        return subprocess.Popen(
            [*(sys.executable, "-m", "arbit", "live", "--venue", "sandbox"), *options],
            env=self._env | {"ARBIT_VENUES__SANDBOX__WS_URL": self.ws_url},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill_once(self) -> None:
        """Start a daemon, let it trade for a random while, and kill it without a word."""
        (self.data / "resume.sandbox").touch()  # an operator who never lets it rest
        process = self.daemon("--fee-bps", "1")
        assert process.stdout is not None
        deadline = time.monotonic() + START_S
        os.set_blocking(process.stdout.fileno(), False)
        while time.monotonic() < deadline:  # the first words come when it is put together
            if _drained(process):
                break
            if process.poll() is not None:
                self.tally.findings.append("the daemon ended by itself at its start")
                return
            time.sleep(0.01)
        end = time.monotonic() + self.random.uniform(0.0, 4.0)
        while time.monotonic() < end and process.poll() is None:
            _drained(process)  # a pipe that is full would stop it
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
        self.tally.kills += 1

    def recover(self) -> dict[str, Any]:
        """A start that does nothing but recover; what it reported."""
        process = self.daemon("--fee-bps", "1", "--recover-only", "--json")
        said, _ = process.communicate(timeout=RECOVER_S)
        start = said.find("{\n")
        if process.returncode != 0 or start < 0:
            self.tally.findings.append(f"recovery ended with {process.returncode}: {said[-400:]}")
            return {}
        report: dict[str, Any] = json.loads(said[start:])
        if report["breaker"] == "halted" or report["open_cycles"]:
            self.tally.findings.append(f"recovery left {report['breaker']}, {report}")
        self.tally.recovered += report["recovered"]
        return report

    def check(self) -> Sequence[str]:
        """The exchange's log against the database."""
        found = compare(self.state / "events.ndjson", self.data / "arbit.db")
        self.tally.findings += found
        return found

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row that a recovery with nothing to do must leave as it was."""
        connection = sqlite3.connect(f"file:{self.data / 'arbit.db'}?mode=ro", uri=True)
        try:
            names = [
                row[0]
                for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            ]
            found = {}
            for name in names:
                if name not in OF_EACH_START:
                    sql = f"SELECT * FROM {name}"  # noqa: S608  its own names
                    found[name] = sorted(connection.execute(sql).fetchall(), key=repr)
            return found
        finally:
            connection.close()

    def count(self) -> None:
        """How much has been traded so far."""
        rows = self.rows()
        self.tally.orders, self.tally.fills = len(rows["orders"]), len(rows["fills"])


def _drained(process: subprocess.Popen[str]) -> bool:
    """Take what it has said so far; whether it has said anything."""
    assert process.stdout is not None
    try:
        return bool(os.read(process.stdout.fileno(), 1 << 16))
    except BlockingIOError:
        return False
