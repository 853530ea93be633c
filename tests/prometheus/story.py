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
from arbit.telemetry.rules import RULES
from tests.integration.live_desk import REAL, Daemon, Exchange, arbit, until
from tests.prometheus.server import Prometheus, expressions, prometheus, sooner, without_data

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
AUDITED_S = 420.0
LOOK_S = 0.1


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

    def again(self, *words: str) -> None:
        """All is well, and an operator says so.

        No balance is accepted where none differs: the word holds until the books were compared,
        and the next chapter's drift would be accepted by it.
        """
        self.exchange.heal()
        self.command("unkill")
        self.command("resume", VENUE, *words)

    def fires(self, *names: str, within_s: float = NOTICED_S) -> None:
        """Wait until each has fired."""
        left = set(names)

        def all_fired() -> bool:
            time.sleep(LOOK_S)
            left.difference_update({one.name for one in self.asked.alerts() if one.firing})
            return not left

        try:
            until(all_fired, "firing", within_s=within_s)
        except AssertionError:
            now = {one.name: self.asked.values(sooner(one.left)) for one in RULES}
            said = ", ".join(f"{name} (its left side: {now[name]})" for name in sorted(left))
            raise AssertionError(f"never fired: {said}") from None

    def over(self, *names: str) -> None:
        """Wait until none of these fires."""

        def none_fires() -> bool:
            time.sleep(LOOK_S)
            return not {one.name for one in self.asked.alerts() if one.firing} & set(names)

        until(none_fires, f"over: {names}", within_s=NOTICED_S)


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """The daemon trades when this is entered."""
    (folder / "exchange").mkdir(parents=True)
    with Exchange(folder / "exchange", 1) as exchange:
        settings = exchange.addresses(VENUE) | NOBODY | KEYS
        options = (*REAL, "--metrics-port", "0")
        with Daemon(folder, VENUE, *options, **settings) as daemon:
            daemon.wait_until_it_trades()
            url = str(daemon.wait_for("metrics_served")["url"])
            target = url.removeprefix("http://").removesuffix("/metrics")
            with prometheus(folder / "prometheus", target) as asked:
                scraped = "count_over_time(arbit_kill_switch[15s]) > 1"  # a rise has a before
                until(lambda: asked.values(scraped), "a page that was scraped twice")
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
    order = at.exchange.hold_an_order()
    at.command("kill")
    at.exchange.let_go(order)
    at.fires("ArbitKillSwitch", "ArbitHeld")
    at.again()
    at.over("ArbitKillSwitch", "ArbitHeld")


def drifted(at: Scene) -> None:
    """A balance changes and nothing explains it.

    Balances are compared once a minute while nothing moves; where they differ, the trades of two
    minutes are listed first, twice, as fast as the venue's limits let us. An account that trades
    all the time is compared after five minutes, so it is paused here.
    """
    at.command("pause", VENUE)
    at.exchange.fault("drift", asset="USD", amount="25")
    at.fires("ArbitDrift", "ArbitUnwell", within_s=AUDITED_S)
    at.again("--accept-balances")
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
