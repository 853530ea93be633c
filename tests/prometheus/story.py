"""An hour of bad luck in two minutes: what happens to a daemon so that each rule fires once."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from arbit.app.store import HISTORY
from arbit.config.venue import SANDBOX_KEY, SANDBOX_SECRET
from tests.integration.live_desk import Daemon, Exchange, arbit, until
from tests.prometheus.server import Prometheus, expressions, prometheus, without_data

VENUE = "kraken"
KEYS = {
    "ARBIT_VENUES__KRAKEN__API_KEY": SANDBOX_KEY,
    "ARBIT_VENUES__KRAKEN__API_SECRET": SANDBOX_SECRET,
}
# A receiver that refuses every connection: what is critical waits for it.
NOBODY = {
    "ARBIT_ALERTS__WEBHOOK_URL": "https://127.0.0.1:9/arbit",
    "ARBIT_ALERTS__ALLOW_PRIVATE": "127.0.0.1",
}
NOTICED_S = 90.0
AUDITED_S = 240.0  # balances are compared once a minute, and a difference again after six seconds


@dataclass(slots=True)
class Scene:
    """A daemon that trades on an exchange, and the Prometheus that scrapes it."""

    folder: Path
    exchange: Exchange
    daemon: Daemon
    asked: Prometheus

    def command(self, *words: str) -> None:
        """`arbit ...` as its operator types it."""
        ran = arbit(self.folder, *words)
        assert ran.returncode == 0, ran.stderr

    def again(self) -> None:
        """All is well, and an operator says so."""
        self.exchange.heal()
        self.command("unkill")
        self.command("resume", VENUE, "--accept-balances")

    def fires(self, *names: str, within_s: float = NOTICED_S) -> None:
        """Wait until each has fired."""
        left = set(names)

        def all_fired() -> bool:
            left.difference_update({n for n in left if self.asked.firing(n)})
            return not left

        until(all_fired, f"firing: {left}", within_s=within_s)

    def over(self, *names: str) -> None:
        """Wait until none of these fires."""
        until(lambda: not any(map(self.asked.firing, names)), f"over: {names}", within_s=NOTICED_S)


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """The daemon trades when this is entered."""
    (folder / "exchange").mkdir(parents=True)
    with Exchange(folder / "exchange", 1) as exchange:
        settings = exchange.addresses(VENUE) | NOBODY | KEYS
        options = ("--i-accept-real-orders", "--metrics-port", "0")
        with Daemon(folder, VENUE, *options, **settings) as daemon:
            daemon.wait_until_it_trades()
            url = str(daemon.wait_for("metrics_served")["url"])
            target = url.removeprefix("http://").removesuffix("/metrics")
            with prometheus(folder / "prometheus", target) as asked:
                yield Scene(folder, exchange, daemon, asked)


def rejected(at: Scene) -> None:
    """The venue turns down every order for a while."""
    at.exchange.fault("order_error", error="EOrder:Invalid price", method="add_order", times=40)
    at.fires("ArbitRejects", "ArbitBreakerOpen", "ArbitAlertsUndelivered")
    at.again()
    at.over("ArbitBreakerOpen")


def killed(at: Scene) -> None:
    """Somebody kills it while an order waits for its book: what it had bought is left behind."""
    at.exchange.fault("fill_share", share=0.5, times=1)
    at.exchange.hold_an_order(3_000)
    at.command("kill")
    at.exchange.thaw()
    at.fires("ArbitKillSwitch", "ArbitHeld")
    at.again()
    at.over("ArbitKillSwitch", "ArbitHeld")


def drifted(at: Scene) -> None:
    """A balance changes and nothing explains it."""
    at.exchange.fault("drift", asset="USD", amount="25")
    at.fires("ArbitDrift", "ArbitUnwell", within_s=AUDITED_S)
    at.again()
    at.over("ArbitDrift", "ArbitUnwell")


def polled(at: Scene) -> None:
    """The stream tells of no book any more, and REST feeds them."""
    at.exchange.fault("mute_socket")
    at.fires("ArbitRestFallback")
    at.exchange.heal()


def muted(at: Scene) -> None:
    """The whole exchange is mute: neither stream nor REST."""
    at.exchange.fault("mute_socket")
    at.exchange.fault("rest_down")
    at.fires("ArbitStale", "ArbitNoDecision")
    at.again()
    at.over("ArbitStale", "ArbitNoDecision")


def locked(at: Scene) -> None:
    """Somebody else holds history's database."""
    with closing(sqlite3.connect(at.folder / "var" / HISTORY, isolation_level=None)) as held:
        held.execute("BEGIN EXCLUSIVE")
        at.fires("ArbitRecorderLag")
        held.execute("ROLLBACK")
    at.over("ArbitRecorderLag")


def starved(at: Scene) -> None:
    """The process stands still for a while, as on a machine that is short of time."""
    for _ in range(8):
        at.daemon.signal(signal.SIGSTOP)
        time.sleep(0.4)
        at.daemon.signal(signal.SIGCONT)
        time.sleep(0.4)
    at.fires("ArbitLoopLag")


def grew(at: Scene) -> None:
    """At its start a process takes memory faster than it ever should later."""
    at.fires("ArbitMemoryGrows")


def gone(at: Scene) -> None:
    """The process is killed."""
    at.daemon.kill()
    at.fires("ArbitDown")


CHAPTERS: tuple[tuple[Callable[[Scene], None], tuple[str, ...]], ...] = (
    (grew, ("ArbitMemoryGrows",)),
    (rejected, ("ArbitRejects", "ArbitBreakerOpen", "ArbitAlertsUndelivered")),
    (killed, ("ArbitKillSwitch", "ArbitHeld")),
    (drifted, ("ArbitDrift", "ArbitUnwell")),
    (polled, ("ArbitRestFallback",)),
    (muted, ("ArbitStale", "ArbitNoDecision")),
    (locked, ("ArbitRecorderLag",)),
    (starved, ("ArbitLoopLag",)),
    (gone, ("ArbitDown",)),
)


def data(at: Scene) -> list[tuple[str, str]]:
    """Panels and left sides that answer nothing within a while, everything else being well."""
    left = list(expressions())

    def all_answer() -> bool:
        left[:] = without_data(at.asked, left)
        return not left

    try:
        until(all_answer, "data for all", within_s=NOTICED_S)
    except AssertionError:
        return left
    return []
