"""An exchange that runs on by itself, and daemons that trade on it, as processes of a test.

Nothing here sleeps for an effect: a test waits for what a daemon logs or the exchange writes down.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from arbit.app.store import DATABASE, HISTORY
from arbit.persistence.migrate import upgrade
from tests.integration.signals import undelivered

REPO = Path(__file__).parents[2]
GUARD_S = 45.0  # how long anything may take before it is a failure
LOOK_S = 0.005
HELD_MS = 600_000  # longer than any test: until it is let go
# Real orders to an exchange of a test under a real venue's name: that it is on this machine excuses
# no dry run, for a tunnel to a real one is too. The cap is beyond every other limit.
REAL = (
    *("--i-accept-real-orders", "--override-shadow-run"),
    *("--max-notional", "1000000"),
)
# What a test of storage or breaker is not about must not stop it: losses, rests, crash counts.
UNHINDERED = {
    "ARBIT_RISK__MAX_DAILY_LOSS": "1000000",
    "ARBIT_RISK__COOLDOWN_MS": "0",
    "ARBIT_RISK__MAX_CRASHES": "1000",
    "ARBIT_RISK__UNWIND_BUDGET_BPS": "1000",
    "ARBIT_RISK__ORDER_RATE_PER_S": "100",
    "ARBIT_RISK__BREAKER_PAUSE_S": "1",
}


def environment(**extra: str) -> dict[str, str]:
    """Ours without a setting of the machine's own, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARBIT")}
    return kept | {"PYTHONPATH": str(REPO)} | extra


def folders(folder: Path) -> dict[str, str]:
    """The settings that keep everything below one folder, the locks of its accounts too."""
    return {"ARBIT_DATA_DIR": str(folder / "var"), "ARBIT_LOCK_DIR": str(folder / "locks")}


@cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / DATABASE
        upgrade(path)
        return path.read_bytes()


def furnish(folder: Path) -> None:
    """Put what a first start makes into a folder that has nothing yet.

    Making it is most of such a start's work; that it is made, and how, other tests show.
    """
    var = folder / "var"
    if var.exists():
        return
    var.mkdir(mode=0o700)
    for name in (DATABASE, HISTORY):
        (var / name).touch(mode=0o600)
        (var / name).write_bytes(_empty_database())


def until(
    true: Callable[[], object], what: str, seen: Sequence[str] = (), within_s: float = GUARD_S
) -> None:
    """Look until it is true; `seen` is shown when it never is."""
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "\n".join([f"never: {what}", *seen[-20:]])
        time.sleep(LOOK_S)


class Exchange:
    """The sandbox as a server of its own; `log` is what truly happened."""

    def __init__(self, state: Path, seed: int = 1, profile: str = "volatile") -> None:
        self.log = state / "events.ndjson"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "arbit.sandbox", "--json", "--ends-with-parent"),
                *("--profile", profile, "--seed", str(seed), "--taker-fee-bps", "1"),
                *("--tier", "pro", "--state", str(state)),
            ],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self.pid = self._process.pid
        self.rest_url: str = ready["rest"]
        self.ws_url: str = ready["ws"]
        self._frozen = ""
        self._read = 0  # so many bytes of its log are in `_lines`
        self._lines: list[bytes] = []
        self._found: dict[str, tuple[int, list[dict[str, Any]]]] = {}  # in so many lines, by kind

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.communicate(timeout=GUARD_S)

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()

    def addresses(self, venue: str) -> dict[str, str]:
        """The settings that point a venue here."""
        prefix = f"ARBIT_VENUES__{venue.upper()}__"
        return {
            f"{prefix}REST_URL": self.rest_url,
            f"{prefix}WS_URL": self.ws_url,
            f"{prefix}PRIVATE_WS_URL": self.ws_url,
            f"{prefix}RATE_TIER": "pro",
        }

    def fault(self, name: str, **wanted: object) -> None:
        """Switch a fault on."""
        self._ask("POST", "/sandbox/faults", json.dumps({"name": name, **wanted}))

    def heal(self) -> None:
        """Switch every fault off."""
        self._ask("DELETE", "/sandbox/faults", "")

    def _ask(self, method: str, path: str, body: str) -> None:
        host, port = self.rest_url.removeprefix("http://").split(":")
        with closing(http.client.HTTPConnection(host, int(port), timeout=GUARD_S)) as asked:
            asked.request(method, path, body)
            answer = asked.getresponse()
            assert answer.status == 200, answer.read()

    def records(self, kind: str, after_ns: int = 0) -> list[dict[str, Any]]:
        """What it wrote down of one kind, from a wall time on."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            *whole, rest = log.read().split(b"\n")  # the last one is empty, or being written
            self._read = log.tell() - len(rest)
        self._lines += whole
        seen, found = self._found.get(kind, (0, []))
        word = f'"kind":"{kind}"'.encode()
        found += [json.loads(line) for line in self._lines[seen:] if word in line]
        self._found[kind] = (len(self._lines), found)
        return [one for one in found if one["at"] > after_ns]

    def orders(self, after_ns: int = 0) -> list[dict[str, Any]]:
        """Requests to place an order, as they came in."""
        return [one for one in self.records("request", after_ns) if "order" in one["method"]]

    def all_arrived(self) -> int:
        """Whatever was sent to it until now has come in; the wall time by which it has.

        It lies in the exchange's sockets already: of two questions the second one is answered in a
        later turn than it was read in.
        """
        for _ in range(2):
            self._ask("GET", "/sandbox/faults", "")
        return time.time_ns()

    def hold_an_order(self) -> str:
        """Wait for an order that meets its book only when it is let go, its book still; its id."""
        since_ns = time.time_ns()
        self.fault("match_delay", delay_ms=HELD_MS, times=1)
        until(lambda: self._held(since_ns), "an order that is held")
        order = self._held(since_ns)[0]
        self._frozen = str(order["symbol"])
        self._ask("POST", f"/sandbox/freeze?symbol={self._frozen}", "")
        return str(order["cl_ord_id"])

    def let_go(self, client_id: str) -> None:
        """A held order meets its book, which moves again."""

        def ended() -> bool:
            return any(one["cl_ord_id"] == client_id for one in self.records("end"))

        self._ask("POST", "/sandbox/release", "")
        until(ended, f"an end of {client_id}")
        self._ask("POST", f"/sandbox/thaw?symbol={self._frozen}", "")

    def _held(self, since_ns: int) -> list[dict[str, Any]]:
        """Orders that were accepted and are not over. Any other is over in the turn it came in."""
        accepted = self.records("accept", since_ns)
        if accepted:
            self._ask("GET", "/sandbox/faults", "")  # when it answers, that turn is over
        over = {one["order_id"] for one in self.records("end", since_ns)}
        return [one for one in accepted if one["order_id"] not in over]


class Daemon:
    """`arbit live` as its user runs it; every line of its log is kept."""

    furnished = True

    def __init__(self, folder: Path, venue: str, *options: str, **settings: str) -> None:
        if self.furnished:
            furnish(folder)
        self.database = folder / "var" / DATABASE
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "arbit", "live", "--venue", venue, "--fee-bps", "1"),
                *("--json", "--log-json", *options),
            ],
            cwd=folder,
            env=environment(**folders(folder) | UNHINDERED | settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self.lines: list[str] = []
        self._report = ""
        self._readers = [
            threading.Thread(target=self._keep_lines),
            threading.Thread(target=self._keep_report),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._over()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def events(self, name: str, **fields: str) -> list[dict[str, Any]]:
        """What it has logged under this name, with these fields."""
        lines = [line for line in list(self.lines) if name in line and line.startswith("{")]
        told = [json.loads(line) for line in lines]
        wanted = {"event": name, **fields}
        return [one for one in told if wanted.items() <= one.items()]

    def wait_for(self, name: str, **fields: str) -> dict[str, Any]:
        """Wait until it has logged such an event; the first one."""

        def seen() -> bool:
            assert self.running, f"it has ended: {self.said}"
            return bool(self.events(name, **fields))

        until(seen, f"{name} {fields}", self.lines)
        return self.events(name, **fields)[0]

    def wait_until_it_trades(self) -> None:
        """Wait until an order of its own has filled."""
        self.wait_for("order_ended", state="filled")

    def metric(self, line: str) -> bool:
        """Whether /metrics shows this line now."""
        pages: list[str] = []

        def answered() -> bool:
            pages.extend(self._page())
            return bool(pages)

        until(answered, "a page of metrics", self.lines)
        return line in pages[-1].splitlines()

    def _page(self) -> list[str]:
        """The page, or nothing: a question that takes two seconds to come is not waited for."""
        url = self.wait_for("metrics_served")["url"]
        host, port = str(url).removeprefix("http://").removesuffix("/metrics").split(":")
        with closing(http.client.HTTPConnection(host, int(port), timeout=GUARD_S)) as asked:
            try:
                asked.request("GET", "/metrics")
                return [asked.getresponse().read().decode()]
            except (OSError, http.client.HTTPException):
                return []

    def signal(self, number: int) -> None:
        """Send it a signal; when this returns it is delivered, and a second one is a second one."""
        self._process.send_signal(number)
        if sys.platform == "linux":
            until(lambda: not undelivered(self.pid, number), f"signal {number}, delivered")
        else:
            time.sleep(0.2)

    def stop(self) -> int:
        """Ask it to stop, as a service manager does, and wait; its exit code."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._over()

    def ended(self) -> int:
        """Wait until it has ended; its exit code."""
        return self._over()

    @property
    def said(self) -> str:
        """Everything it wrote, report and log."""
        return self._report + "\n".join(self.lines)

    @property
    def report(self) -> dict[str, Any]:
        """Its report; it must have ended in order."""
        found: dict[str, Any] = json.loads(self._report)
        return found

    def only_line(self) -> str:
        """The one line that a refused start says, and nothing else."""
        assert self._report == ""
        (line,) = self.lines
        return line

    def _over(self) -> int:
        code = self._process.wait(GUARD_S)
        for reader in self._readers:
            reader.join(GUARD_S)
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        return code

    def _keep_lines(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line.rstrip("\n"))

    def _keep_report(self) -> None:
        assert self._process.stdout is not None
        self._report = self._process.stdout.read()


class FirstDaemon(Daemon):
    """One that is the first to write into its folder."""

    furnished = False


def arbit(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A short command in the same folder."""
    return subprocess.run(
        [sys.executable, "-m", "arbit", *options],
        cwd=folder,
        env=environment(**folders(folder)),
        capture_output=True,
        text=True,
        timeout=GUARD_S,
        check=False,
    )


def rows(database: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """What a database answers, beside the daemon that writes it."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=GUARD_S)) as asked:
        return asked.execute(sql, values).fetchall()


def one_clear_line(text: str, *parts: str) -> None:
    """One line, without a traceback, that says all of these."""
    assert "\n" not in text.strip()
    assert not re.search(r"Traceback|Error:", text)
    for part in parts:
        assert part in text
