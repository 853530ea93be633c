"""A day of every command, in this process, with canaries for each secret that settings can hold.

The venue is our own exchange on loopback; receivers of alerts are addresses where nobody listens.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from arbit.domain.account import AccountId, Mode
from arbit.sandbox.keys import MAIN, TRADING, ApiKey
from arbit.sandbox.server import SandboxServer
from tests.integration.cli_desk import Desk
from tests.integration.server_thread import GUARD_S, served
from tests.security.hearing import Heard, hearing
from tests.simulation.canaries import KEY, SECRET

VENUE = "ARBIT_VENUES__SANDBOX__"
LEGS = "BTC/USD,ETH/BTC,ETH/USD"
# Everything else that is secret; each is told to every command.
ELSEWHERE: Mapping[str, str] = {
    "ARBIT_VENUES__KRAKEN__API_KEY": "Kr4kenKq9ZxVtW7pLmNc",
    "ARBIT_VENUES__KRAKEN__API_SECRET": "kR8sQyZ3vGhJ5wXfD2tBnM6cPqL9rTaE",
    "ARBIT_VENUES__ALPACA__API_KEY": "PKvZ8qXw3TjLh6RyNs5Gd",
    "ARBIT_VENUES__ALPACA__API_SECRET": "aLq7Wz2XcVb9NmKj4HgFd6SpYt8RuEwQ",
}
# Their addresses are secrets, too: as they are to be written once a port is known.
TOLD = {
    "ARBIT_ALERTS__WEBHOOK_URL": "https://127.0.0.1:{port}/wXq8Zv3NcRt6Jy9Ls/hook",
    "ARBIT_ALERTS__DEADMAN_URL": "https://127.0.0.1:{port}/dMz5Kp2WvQx7Hb4Tn/ping",
}
# Only what a command looks at that contacts nobody: no server of history and no node is there.
QUIET = {
    "ARBIT_HISTORY_URL": "postgresql://me:hTq6Ys9XwVz3PnRk@127.0.0.1:{port}/arbit",
    "ARBIT_ALERTS__DISCORD_URL": "https://discord.com/api/webhooks/1/dCz7Qw4XvNk9Tj2Rm",
}
OTHER = "127.0.0.2"  # no name of this machine's own that settings take without a second word
OPENED = {"ARBIT_METRICS_HOST": OTHER, "ARBIT_METRICS_ALLOW_REMOTE": "true"}
ALONE = frozenset({"sandbox"})  # a server until it is ended; it is given no settings at all


@dataclass
class Day:
    """What came of it: by command how it ended, whom it contacted, what it looked up and opened."""

    desk: Desk
    heard: Heard = field(default_factory=Heard)
    told: dict[str, bytes] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    contacted: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    named: dict[str, set[str]] = field(default_factory=dict)
    bound: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    venue: set[tuple[str, int]] = field(default_factory=set)
    receivers: set[tuple[str, int]] = field(default_factory=set)

    @property
    def secrets(self) -> dict[str, str]:
        """The part of each that is nobody's business."""
        whole = {**ELSEWHERE, **TOLD, **QUIET}
        parts = {
            name: max(text.replace("@", "/").split("/"), key=_oddness)
            for name, text in whole.items()
        }
        parts["ARBIT_HISTORY_URL"] = "hTq6Ys9XwVz3PnRk"
        return {"the key": KEY, "its secret": SECRET, **parts}

    def written(self) -> Iterator[tuple[str, bytes]]:
        """Everything that was told or left behind."""
        yield from self.told.items()
        for path in sorted(self.desk.root.rglob("*")):
            yield "a file's name", str(path).encode()
            if path.is_file():
                yield str(path.relative_to(self.desk.root)), path.read_bytes()


def _oddness(text: str) -> int:
    return len(set(text))


@contextmanager
def venue_beside() -> Iterator[SandboxServer]:
    """An exchange in a thread, whose trading key is the canary."""
    with served(profile="volatile") as running:
        running.exchange.keys[KEY] = ApiKey(KEY, SECRET, MAIN, TRADING)
        yield running


LOOKED_AT = {"door", "metrics"}  # of a daemon
LOOKS = 4  # so often its second may be over too soon on a slow machine


def free_port() -> int:
    """One where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def place_of(url: str) -> tuple[str, int]:
    """Where an address leads."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def words_of() -> Sequence[tuple[str, ...]]:
    """Every command, in an order in which each has something to tell."""
    at = ("--venue", "sandbox")
    whose = ("--account", str(AccountId.of_key("sandbox", Mode.SANDBOX, KEY)))
    return (
        ("config", "init"),
        ("config", "show", *at),
        ("config", "show", "--json"),
        ("config", "check", "--json"),
        ("db", "upgrade"),
        ("fitness", *at, "--symbols", LEGS, "--simulate", "--secs", "0.3", "--json"),
        ("live", *at, "--symbols", LEGS, "--fee-bps", "1", "--secs", "1", "--json"),
        ("live", *at, "--symbols", LEGS, "--dry-run", "--secs", "0.3", "--log-json"),
        ("keys:check", *at, "--symbols", LEGS),
        ("keys:check", *at, "--symbols", LEGS, "--balances", "--json"),
        ("markets", *at),
        ("triangles", *at, "--symbols", LEGS),
        ("plan", *at, "--symbols", LEGS),
        ("convert", *at, "100", "USD", "BTC"),
        ("rebalance", *at),
        ("status",),
        ("why", "--json"),
        ("pause", "sandbox"),
        ("resume", "sandbox"),
        ("kill",),
        ("unkill",),
        ("report", *whose, "--json"),
        ("report", *whose, "--html", "report.html"),
        ("shadow", "--json"),
        ("export", *whose, "--format", "koinly", "--out", "out.csv"),
        ("db", "current"),
        ("db", "check"),
        ("db", "backup"),
        ("doctor", *at),
        ("alerts:test",),
    )


class Acting:
    """Types one command after the other, and looks at a daemon from beside it."""

    def __init__(self, desk: Desk, server: SandboxServer) -> None:
        port = free_port()
        self.day = Day(desk)
        self.day.venue = {place_of(server.rest_url), place_of(server.ws_url)}
        self.day.receivers = {("127.0.0.1", port)}
        self._metrics = free_port()
        self._env = {
            f"{VENUE}REST_URL": server.rest_url,
            f"{VENUE}WS_URL": server.ws_url,
            f"{VENUE}API_KEY": KEY,
            f"{VENUE}API_SECRET": SECRET,
            f"{VENUE}RATE_TIER": "pro",
            "ARBIT_LOG_LEVEL": "debug",
            "ARBIT_INVENTORY__TARGETS": "BTC=0.5",
            "ARBIT_RISK__MAX_EXPOSURE": "100000",
            "ARBIT_ALERTS__ALLOW_PRIVATE": "127.0.0.1",
            "ARBIT_METRICS_PORT": str(self._metrics),
            **ELSEWHERE,
            **{name: text.format(port=port) for name, text in TOLD.items()},
        }
        self._quiet = {name: text.format(port=port) for name, text in QUIET.items()}

    def play(self) -> Day:
        """All of it."""
        for words in words_of():
            self._type(words)
            for _ in range(LOOKS):
                if "--fee-bps" in words and not self.day.told.keys() >= LOOKED_AT:
                    self._type(words)  # it was over before its page and its door were looked at
        return self.day

    def _type(self, words: Sequence[str]) -> None:
        day, name = self.day, " ".join(words)
        env = self._env | (self._quiet if words[0] == "config" else {})
        env |= OPENED if words[0] == "fitness" else {}
        over = threading.Event()
        with hearing() as heard, ThreadPoolExecutor(1) as beside:
            looking = beside.submit(self._look, heard, over) if "--fee-bps" in words else None
            try:
                done: subprocess.CompletedProcess[str] = day.desk.within(*words, **env)
            finally:
                over.set()
            if looking is not None:
                looking.result(GUARD_S)
        day.codes[name] = day.codes.get(name, 0) or done.returncode
        for stream, text in (("stdout", done.stdout), ("stderr", done.stderr)):
            day.told[f"{name}: {stream}"] = day.told.get(f"{name}: {stream}", b"") + text.encode()
        day.contacted.setdefault(name, set()).update(heard.places)
        day.named.setdefault(name, set()).update(heard.names)
        day.bound.setdefault(name, set()).update(heard.bound)
        day.heard.files |= heard.files
        day.heard.started += heard.started

    def _look(self, heard: Heard, over: threading.Event) -> None:
        """The daemon's page, and what it answers at its door."""
        heard.ours.add(threading.get_ident())
        while not over.wait(0.02) and not self.day.told.keys() >= LOOKED_AT:
            with suppress(OSError, HTTPException):
                at = f"http://127.0.0.1:{self._metrics}/metrics"
                with urllib.request.urlopen(at, timeout=5) as page:
                    self.day.told["metrics"] = page.read()
            with suppress(OSError):
                self.day.told["door"] = b"".join(self._ask(one) for one in ("status", "why"))

    def _ask(self, question: str) -> bytes:
        (path,) = list((self.day.desk.work / "var").glob("*.sock")) or [Path("nowhere")]
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(5)
            door.connect(str(path))
            door.sendall(json.dumps({"ask": question}).encode() + b"\n")
            answer = b""
            while piece := door.recv(65_536):
                answer += piece
        return answer


def day_of(folder: Path) -> Day:
    """A whole one, in a folder of its own, on the standard loop."""
    for name in ("work", "home", "tmp"):
        (folder / name).mkdir()
    desk: Any = Desk(folder)
    with venue_beside() as server, mock.patch("arbit.app.loop._factory", return_value=None):
        return Acting(desk, server).play()
