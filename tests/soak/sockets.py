"""Minutes in real time over sockets: an exchange and a daemon, each a process of its own.

The daemon trades; faults come and go; an operator pauses, kills and resumes. Once it has warmed up
its memory, tasks, descriptors and the lateness of its loop are held against bounds.
"""

from __future__ import annotations

import http.client
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from arbit.config import venue_key
from arbit.risk.kill import Orders, kill, unkill
from tests.bench.processes import Talker, talking
from tests.soak.figures import growth, rate_per_s, slope_per_hour

VENUE = "sandbox"
ASK_S = 1.0
READY_S = 60.0
# Memories that are bounded by a count fill for as long: the resident set, read every second for an
# hour, rose by 8 MB in ten minutes, by 1.5 MB more in the next twenty, and then not by 0.3 MB.
WARM_SHARE, WARM_MOST_S = 1 / 2, 1_800.0
TROUBLE_EVERY_S = 12.0
LASTS_S = 3.0
JUDGED_S = 540.0  # a slope over less than this is noise
RSS_MB_PER_H, LATE_MS, FLAT = 1.0, 20.0, 3
SETTINGS = {
    "ARBIT_RISK__MAX_DAILY_LOSS": "1000000",
    "ARBIT_RISK__COOLDOWN_MS": "100",
    "ARBIT_RISK__MAX_CRASHES": "1000",
    "ARBIT_RISK__UNWIND_BUDGET_BPS": "1000",
    "ARBIT_RISK__BREAKER_PAUSE_S": "2",
    "ARBIT_RISK__BREAKER_FAILURES": "3",
    "ARBIT_SCAN__MIN_EDGE_BPS": "2",
    "ARBIT_LOG_LEVEL": "error",
    # Money that comes and goes takes bitcoin out of its band; the daemon brings it back.
    "ARBIT_INVENTORY__TARGETS": "BTC=0.1",
    "ARBIT_INVENTORY__BAND_PERCENT": "10",
    "ARBIT_INVENTORY__CAPS": "BTC=0.2",
    "ARBIT_INVENTORY__RESERVE_AMOUNT": "USD=500",
    "ARBIT_INVENTORY__REBALANCE": "true",
    "ARBIT_INVENTORY__REBALANCE_COST_BPS": "100",
    "ARBIT_INVENTORY__REBALANCE_COST_PER_DAY": "1000000",
    "ARBIT_INVENTORY__REBALANCE_AFTER_S": "2",
    "ARBIT_INVENTORY__REBALANCE_EVERY_S": "2",
}
MOVED_BTC = "0.03"  # a deposit, and what is taken out again
LATES = ("late_p50_ms", "late_p999_ms", "late_most_ms", "own_p999_ms", "own_most_ms")
# Faults of the sandbox's own table, as its /sandbox/faults takes them.
FAULTS: tuple[dict[str, Any], ...] = (
    {"name": "order_error", "times": 6, "error": "EOrder:Order minimum not met"},
    {"name": "order_silent", "times": 2},
    {"name": "order_late", "times": 3},
    {"name": "fill_share", "times": 5},
    {"name": "match_delay", "times": 3},
    {"name": "mute_symbol", "symbol": "BTC/USD"},
    {"name": "drop_delta", "symbol": "ETH/USD"},
    {"name": "corrupt_digit", "symbol": "BTC/EUR"},
    {"name": "exec_duplicate", "times": 5},
    {"name": "exec_gap", "times": 1},
)


@dataclass(slots=True)
class Told:
    """What a soak over sockets came to. Figures are of the time after it had warmed up."""

    minutes: float
    rate: float
    judged: bool = False  # long enough for a slope to be more than noise
    warm_s: float = 0.0
    messages_per_s: float = 0.0
    orders: int = 0
    cycles: dict[str, int] = field(default_factory=dict)
    rebalances: dict[str, int] = field(default_factory=dict)
    troubles: dict[str, int] = field(default_factory=dict)
    breaker: dict[str, int] = field(default_factory=dict)
    rss_mb: float = 0.0
    rss_mb_per_h: float = 0.0
    tasks: float = 0.0
    tasks_growth: float = 0.0
    descriptors: float = 0.0
    descriptors_growth: float = 0.0
    late_p50_ms: float = 0.0
    late_p999_ms: float = 0.0
    late_most_ms: float = 0.0
    own_p999_ms: float = 0.0  # without what other processes had its core
    own_most_ms: float = 0.0
    starved_s: float = 0.0

    def broken(self) -> list[str]:
        """The bounds that do not hold, in words."""
        found = []
        if self.judged and self.rss_mb_per_h >= RSS_MB_PER_H:
            found.append(f"memory grows by {self.rss_mb_per_h:.2f} MB/h, below {RSS_MB_PER_H}")
        for name, grown in (("tasks", self.tasks_growth), ("files", self.descriptors_growth)):
            if grown > FLAT:
                found.append(f"{name} grow by {grown:g}, at most {FLAT} allowed")
        if self.own_p999_ms >= LATE_MS:
            found.append(f"the loop is {self.own_p999_ms:.1f} ms late at p99.9, below {LATE_MS:g}")
        if not self.orders:
            found.append("nothing was traded")
        if self.judged and not self.breaker:
            found.append("the breaker never tripped: nothing was soaked")
        if self.judged and not self.rebalances.get("done"):
            found.append("nothing was rebalanced: little was soaked")
        return found

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


class Exchange:
    """The sandbox's process, and its control."""

    def __init__(self, talker: Talker) -> None:
        self._talker = talker
        self.addresses = talker.hear()

    def settings(self) -> dict[str, str]:
        """The settings that point the daemon here."""
        said = self.addresses
        found = {
            "rest_url": said["rest"],
            "ws_url": said["ws"],
            "private_ws_url": said.get("private_ws", said["ws"]),
            "rate_tier": "pro",
            "taker_fee_bps": "1",
            "backoff_cap_s": "1",
            "connect_attempts_per_10min": "120",
        }
        return {venue_key(VENUE, name): text for name, text in found.items()}

    def fault(self, wanted: dict[str, Any]) -> bool:
        """Switch a fault on; whether it is one."""
        return self._ask("POST", json.dumps(wanted)) == 200

    def heal(self) -> None:
        """Switch every fault off."""
        self._ask("DELETE", "")

    def move(self, asset: str, amount: str) -> bool:
        """Bring money in from outside or, below zero, take it out; whether it could."""
        self._talker.say({"asset": asset, "amount": amount})
        return bool(self._talker.hear()["moved"])

    def _ask(self, method: str, body: str) -> int:
        host, port = self.addresses["rest"].removeprefix("http://").split("/")[0].split(":")
        with closing(http.client.HTTPConnection(host, int(port), timeout=10)) as asked:
            asked.request(method, "/sandbox/faults", body)
            answer = asked.getresponse()
            answer.read()
            return answer.status


class Troubles:
    """What happens to the daemon now and then, one after the other in a seeded order."""

    def __init__(self, exchange: Exchange, data: Path, seed: int) -> None:
        self._exchange, self._data = exchange, data
        self._orders = Orders(data, VENUE)
        self._rng = random.Random(seed)
        self._kinds: list[tuple[str, Callable[[], bool]]] = [
            *((str(one["name"]), lambda one=one: exchange.fault(one)) for one in FAULTS),
            ("pause", self._pause),
            ("kill", self._kill),
            ("deposit", lambda: exchange.move("BTC", MOVED_BTC)),
            ("withdrawal", lambda: exchange.move("BTC", f"-{MOVED_BTC}")),
        ]
        self._waiting: list[tuple[str, Callable[[], bool]]] = []
        self.counts: Counter[str] = Counter()

    def strike(self) -> None:
        """The next one."""
        if not self._waiting:
            self._waiting = self._rng.sample(self._kinds, len(self._kinds))
        name, happen = self._waiting.pop()
        if happen():
            self.counts[name] += 1

    def mend(self) -> None:
        """All is well again, and an operator says that it may go on."""
        self._exchange.heal()
        unkill(self._data)
        self._orders.resume()

    def _pause(self) -> bool:
        self._orders.pause()
        return True

    def _kill(self) -> bool:
        kill(self._data)
        return True


def run(minutes: float, rate: float, seed: int = 1) -> Told:
    """The whole of it."""
    with tempfile.TemporaryDirectory() as folder, desk(Path(folder), rate, seed) as (market, talk):
        samples = _watched(talk, market, minutes * 60.0, seed, Path(folder))
    return _judged(Told(minutes, rate), samples)


@contextmanager
def desk(folder: Path, rate: float, seed: int) -> Iterator[tuple[Exchange, Talker]]:
    """An exchange and a daemon on it."""
    with talking("tests.soak.exchange", [rate, seed], core=1) as market:
        exchange = Exchange(market)
        settings = SETTINGS | exchange.settings()
        settings |= {
            "ARBIT_DATA_DIR": str(folder / "var"),
            "ARBIT_LOCK_DIR": str(folder / "locks"),
        }
        facts = {"venue": VENUE, "settings": settings}
        with talking("tests.soak.daemon", facts, core=0) as talk:
            yield exchange, talk


def _watched(
    talk: Talker, exchange: Exchange, seconds: float, seed: int, folder: Path
) -> list[dict[str, Any]]:
    """Ask it every second, while things happen to it; what was told, the time it took with it."""
    _up(talk)
    troubles = Troubles(exchange, folder / "var", seed)
    began_s, samples, next_s, mend_s = time.monotonic(), list[dict[str, Any]](), 0.0, float("inf")
    warm_s, warm = min(WARM_MOST_S, seconds * WARM_SHARE), False
    while (at_s := time.monotonic() - began_s) < seconds:
        if at_s >= mend_s:
            troubles.mend()
            mend_s = float("inf")
        if at_s >= next_s:
            next_s = at_s + TROUBLE_EVERY_S
            troubles.strike()
            mend_s = at_s + LASTS_S
        word = "figures" if warm or at_s < warm_s else "warm"
        warm = warm or word == "warm"
        talk.say({"say": word})
        samples.append({"at_s": at_s, "warm": warm, **talk.hear()})
        time.sleep(ASK_S)
    samples[-1]["troubles"] = dict(sorted(troubles.counts.items()))
    return samples


def _up(talk: Talker) -> None:
    """Wait until it trades."""
    end_s = time.monotonic() + READY_S
    while time.monotonic() < end_s:
        talk.say({"say": "figures"})
        if talk.hear()["up"]:
            return
        time.sleep(0.2)
    raise RuntimeError(f"the daemon does not come up within {READY_S:g} s")


def _judged(told: Told, samples: list[dict[str, Any]]) -> Told:
    """What the samples say."""
    late = [one for one in samples if one["warm"]] or samples
    at_s, last = [one["at_s"] for one in late], samples[-1]
    told.warm_s = round(at_s[-1] - at_s[0], 1)
    told.judged = told.warm_s >= JUDGED_S
    for name in ("rss_mb", "tasks", "descriptors", *LATES):
        setattr(told, name, round(last[name], 3))
    told.messages_per_s = round(rate_per_s(at_s, [one["messages"] for one in late]), 1)
    told.rss_mb_per_h = round(slope_per_hour(at_s, [one["rss_mb"] for one in late]), 3)
    told.tasks_growth = growth([one["tasks"] for one in late])
    told.descriptors_growth = growth([one["descriptors"] for one in late])
    told.starved_s = round(last["starved_s"] - late[0]["starved_s"], 3)
    told.orders, told.cycles = last["orders"], dict(sorted(last["cycles"].items()))
    told.rebalances = dict(sorted(last["rebalances"].items()))
    told.troubles = last["troubles"]
    said = Counter(f"{state} {why}".strip() for one in samples for state, why in one["breaker"])
    told.breaker = dict(sorted(said.items()))
    return told
