"""Restraint, watched from outside: how much may be sent and lost, and when nothing may be at all.

Counted from what left, what the venue did and said, and what was committed; never from the
daemon's own counts. Invariants 7 (rates, the day's loss), 8 (what a hole in the account's stream
hides is asked for first), 9 (failures, words and crashes stop trading) and 22 (pauses).
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from arbit.domain.events import BreakerChanged, Event, OrderEnded
from arbit.domain.records import Batch
from arbit.sandbox.book import ASK, BID
from tests.simulation.judge import UNKEPT
from tests.simulation.loop import SECOND_NS, Process
from tests.simulation.market import USD
from tests.simulation.strains import LOCKOUT_S

if TYPE_CHECKING:
    from tests.simulation.watch import Watch
    from tests.simulation.wire import Line
    from tests.simulation.world import World

# How long nothing may be sent after the venue's words, at least (its page on rate limits).
PAUSES_S: Mapping[str, float] = {
    "EOrder:Rate limit exceeded": 5.0,
    "EOrder:Domain rate limit exceeded": 5.0,
    "EOrder:Orders limit exceeded": 5.0,
    "EGeneral:Too many requests": 5.0,
    "EAPI:Rate limit exceeded": 5.0,
    "EAPI:Invalid nonce": 1.0,
    "EGeneral:Temporary lockout": 900.0,
}
COUNTER_FULL = "EAPI:Rate limit exceeded"
LOCKOUT = "EGeneral:Temporary lockout"
AT_FAULT = ("EAPI:Invalid key", "EGeneral:Permission denied")  # a person has to look
CRASH_WINDOW_S = 600
CYCLE_ORDERS = 6  # as many must fit into the rate before a cycle begins
DAY_NS = 86_400 * SECOND_NS
ROUGH = Decimal("0.03")  # prices differ by the moment at which a cycle's end is valued
CENT = Decimal("0.01")
CAP_ROUGH = Decimal("1.001")  # dust, and fees of what was there before
CAUGHT_UP = "TradesHistory"  # what is asked after a hole in the account's stream
FAILED = ("rejected", "never")


class Rate:
    """A bucket as the settings describe it: ten seconds' worth, or one cycle and its way home."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self.most = max(per_s * 10, 6.0)
        self._left = self.most
        self._at_ns = 0

    def left(self, now_ns: int) -> float:
        """How many orders may leave now."""
        if self._at_ns:
            gone_s = (now_ns - self._at_ns) / SECOND_NS
            self._left = min(self.most, self._left + gone_s * self._per_s)
        self._at_ns = now_ns
        return self._left

    def take(self, now_ns: int) -> bool:
        """One leaves; False when it was one too many."""
        self._left = self.left(now_ns) - 1.0
        return self._left > -0.001


class Heard:
    """What one process was told: nothing of it is known to the next one."""

    def __init__(self, process: Process, per_s: float) -> None:
        self.process = process
        self.rate = Rate(per_s)
        self.written = Rate(per_s)  # what is used up: an order waits, or does not leave at all
        self.until_ns = 0  # nothing may leave before
        self.why = ""
        self.at_fault = ""  # the words after which a person has to look
        self.locked = ""
        self.since_ns = 0  # when those were heard
        self.failures: deque[int] = deque()
        self.owed_ns = 0  # since when so many failures ask for a stop
        self.halted = False  # the breaker told of a halt
        self.looped = 0  # as many starts before this one had no clean end
        self.orders = 0
        self.numbers: dict[int, int] = {}  # of the account's stream, by socket
        self.hole_ns = 0  # when something was found missing there, and not asked for since


class Restraint:
    """Watches one world. `spent` says that the day's loss may forbid cycles by now."""

    def __init__(self, world: World, watch: Watch) -> None:
        self._world = world
        self._watch = watch
        self._now: Heard | None = None
        self._starts: list[int] = []  # wall times of starts without a clean end
        self._begun: set[str] = set()
        self._over: set[str] = set()
        self._ordered: set[str] = set()
        self._lost: dict[int, tuple[Decimal, Decimal]] = {}  # by day: at least, and at most
        self.locked_out = False

    def join(self) -> None:
        """The world is built: hear what it says, and let reads fail where its seed has it."""
        world = self._world
        world.failing.read_fails = lambda: world.swarm.strikes("read_failed")
        self._world.operator.now_ns = lambda: self._world.loop.now_ns
        self._world.venue.on_hear = self._frame
        self._world.venue.on_answer = self._answer

    # --- what the finale asks --------------------------------------------------------------------

    def waits_s(self) -> float:
        """How much longer than usual it may take until all is well."""
        return LOCKOUT_S if self.locked_out else 0.0

    @property
    def room(self) -> bool:
        """Whether the order rate lets a cycle begin."""
        if self._now is None:
            return True
        rate = self._now.written
        return rate.left(self._world.loop.now_ns) >= min(CYCLE_ORDERS + 0.5, rate.most - 0.001)

    @property
    def spent(self) -> bool:
        """Whether today's loss may be what it may be at most."""
        return self._loss()[1] >= self._world.settings.risk.max_daily_loss

    # --- an order leaves -------------------------------------------------------------------------

    def leaves(self, process: Process, row: sqlite3.Row) -> None:
        """An order is about to leave; `row` is what is written of it."""
        heard, now_ns, client_id = self._of(process), self._world.loop.now_ns, row["client_id"]
        over_rest = self._world.plan.transport == "rest"  # it waited for its turn
        heard.orders += 1
        if not over_rest and not heard.rate.take(now_ns):
            most = self._world.settings.risk.order_rate_per_s
            self._watch.say(7, f"{client_id} is one order more than {most} a second let leave")
        if now_ns < heard.until_ns:
            left_s = (heard.until_ns - now_ns) / SECOND_NS
            self._watch.say(22, f"{client_id} leaves {left_s:.3f} s too soon after {heard.why}")
        self._stopped(heard, row)
        if heard.hole_ns and heard.hole_ns < now_ns and row["transport"] == "ws":
            ago_ms = (now_ns - heard.hole_ns) // 1_000_000
            self._watch.say(8, f"{client_id} leaves {ago_ms} ms after a hole in the stream")

    def _stopped(self, heard: Heard, row: sqlite3.Row) -> None:
        """What must have stopped it: words, failures, crashes; but for an operator's own word."""
        now_ns, client_id, leg = self._world.loop.now_ns, row["client_id"], row["purpose"] == "leg"
        if self._world.operator.resumed_ns > heard.since_ns:
            heard.at_fault = heard.locked = ""
        if now_ns - heard.since_ns > PAUSES_S[LOCKOUT] * SECOND_NS:
            heard.locked = ""
        if heard.at_fault and now_ns > heard.since_ns:
            self._watch.say(9, f"{client_id} leaves after {heard.at_fault}")
        if not leg or self._watch.conversions.takes_back(row):
            return
        if heard.locked and now_ns > heard.since_ns:
            self._watch.say(9, f"{client_id} ({row['purpose']}) leaves after {heard.locked}")
        if heard.owed_ns and now_ns > heard.owed_ns:
            self._watch.say(9, f"{client_id} leaves after failures that should have stopped it")
        if heard.looped and not heard.halted:
            said = f"{heard.looped} starts without a clean end, and no halt"
            self._watch.say(9, f"{client_id} leaves after {said}")

    def moved(self, assets: Iterable[str]) -> None:
        """Trading of ours has moved these: none further than the cap that is its own."""
        if self._world.struck("overfill", "fee_third"):
            return
        for asset in assets:
            cap = self._world.settings.risk.asset_caps.get(asset)
            away = self._world.deviation(asset)
            if cap is None or abs(away) <= cap * CAP_ROUGH:
                continue
            away -= self._watch.closed(asset)
            if abs(away) > cap * CAP_ROUGH:
                self._watch.say(7, f"trading has moved {away:f} {asset}, more than {cap:f}")

    # --- a commit --------------------------------------------------------------------------------

    def committed(self, batch: Batch) -> None:
        """What was written just now."""
        for flag in batch.flags:
            if flag.name == "starts":
                self._started(bool(flag.value))
        for order in batch.orders:
            if order.intent.client_id not in self._ordered:  # about to leave
                self._ordered.add(order.intent.client_id)
                self._of(self._world.process).written.take(self._world.loop.now_ns)
        for record in batch.cycles:
            if record.ended_ns:
                self._ended(record.cycle_id)
            elif record.cycle_id not in self._begun:
                self._begun.add(record.cycle_id)
                self._begins(record.cycle_id)

    def _started(self, unclean: bool) -> None:
        heard, wall_ns = self._of(self._world.process), self._world.clock.wall_ns()
        if not unclean:
            self._starts.clear()
            return
        window_ns = CRASH_WINDOW_S * SECOND_NS
        recent = [at_ns for at_ns in self._starts if wall_ns - at_ns < window_ns]
        if len(recent) >= self._world.settings.risk.max_crashes:
            heard.looped = len(recent)
        self._starts.append(wall_ns)

    def _ended(self, cycle_id: str) -> None:
        """What the cycle moved, at the venue's prices of now: its day has lost or earned that."""
        if cycle_id in self._over:
            return
        self._over.add(cycle_id)
        value = rough = Decimal(0)
        for asset, amount in self._watch.moved[f"ab{cycle_id}"].items():
            worth = amount * self.price(asset)
            value, rough = value + worth, rough + abs(worth) * ROUGH
        day = self._world.clock.wall_ns() // DAY_NS
        least, most = self._lost.get(day, (Decimal(0), Decimal(0)))
        self._lost[day] = least - value - rough, most - value + rough

    def _begins(self, cycle_id: str) -> None:
        most, least = self._world.settings.risk.max_daily_loss, self._loss()[0]
        untold = self._world.struck("fee_third") or self._world.venue.overcharged
        if least > most + CENT and not (untold or self._world.mishaps.upheavals.restored):
            self._watch.say(7, f"{cycle_id} begins, and {least:.2f} are lost of {most} a day")

    def _loss(self) -> tuple[Decimal, Decimal]:
        """Today's, at least and at most; by the daemon's calendar."""
        day = self._world.clock.wall_ns() // DAY_NS
        return self._lost.get(day, (Decimal(0), Decimal(0)))

    def price(self, asset: str) -> Decimal:
        pair = self._world.venue.market.pairs.get(f"{asset}/USD")
        tops = [pair.book.top(side, 1) for side in (BID, ASK)] if pair is not None else []
        if pair is None or not all(tops):
            return USD.get(asset, Decimal(0))
        middle = Decimal(tops[0][0][0] + tops[1][0][0]) / 2
        return middle.scaleb(-pair.instrument.price_precision)

    # --- what the daemon hears -------------------------------------------------------------------

    def heard(self, event: Event) -> None:
        """An event of the daemon's own: how an order ended, what its breaker does."""
        heard, now_ns = self._of(self._world.process), self._world.loop.now_ns
        risk = self._world.settings.risk
        if isinstance(event, BreakerChanged):
            heard.owed_ns = 0
            heard.halted = heard.halted or event.state == "halted"
            if event.state == "active" or event.reason == "failures":
                heard.failures.clear()
        elif isinstance(event, OrderEnded) and event.state in FAILED:
            heard.failures.append(now_ns)
            window_ns = (risk.breaker_window_s - 5) * SECOND_NS
            while now_ns - heard.failures[0] > window_ns:
                heard.failures.popleft()
            if len(heard.failures) >= risk.breaker_failures:
                heard.failures.clear()
                heard.owed_ns = now_ns

    def _frame(self, line: Line, payload: bytes) -> None:
        """A frame of the account's socket arrives."""
        try:
            told = json.loads(payload)
        except ValueError:
            return
        if not isinstance(told, dict):
            return
        if told.get("method") == "add_order" and isinstance(told.get("error"), str):
            self._said(line.process, told["error"])
        if isinstance(told.get("sequence"), int):
            self._numbered(line, told["sequence"])

    def _numbered(self, line: Line, number: int) -> None:
        """Every message of a socket carries the next number, or something is missing."""
        heard = self._of(line.process)
        last = heard.numbers.get(line.number, 0)
        if number > last + 1 and heard.orders:  # nothing of ours is missing before the first
            heard.hole_ns = self._world.loop.now_ns
        heard.numbers[line.number] = max(number, last)

    def _answer(self, process: Process, name: str, asked_ns: int, told: Any) -> None:
        """An answer over REST arrives."""
        self._watch.fees.answered(process, name, asked_ns, told)
        heard = self._of(process)
        errors = told.get("error") if isinstance(told, dict) else None
        if name == CAUGHT_UP and errors == [] and asked_ns >= heard.hole_ns:
            heard.hole_ns = 0
        if name != "AddOrder" and errors == [COUNTER_FULL]:  # orders hear it by chance as well
            self._overran(name)
        if name == "AddOrder" and isinstance(errors, list) and len(errors) == 1:
            self._said(process, str(errors[0]))

    def _overran(self, name: str) -> None:
        """More was asked than the venue lets us, though what is kept of that outlives a process.

        Unless it could not be kept, or was of a clock that has been set since.
        """
        mishaps = self._world.mishaps
        if not (mishaps.jumps or mishaps.upheavals.restored or self._world.struck(*UNKEPT)):
            self._watch.say(7, f"{name}: the venue's counter was full, and it was asked")

    def _said(self, process: Process, words: str) -> None:
        """The venue has refused an order with these words."""
        heard, now_ns = self._of(process), self._world.loop.now_ns
        pause_ns = int(PAUSES_S.get(words, 0.0) * SECOND_NS)
        if pause_ns and now_ns + pause_ns > heard.until_ns:
            heard.until_ns, heard.why = now_ns + pause_ns, words
        self.locked_out = self.locked_out or words == LOCKOUT
        if self._world.operator.waits:
            return
        if words in AT_FAULT:
            heard.at_fault, heard.since_ns = words, now_ns
        elif words == LOCKOUT:
            heard.locked, heard.since_ns = words, now_ns

    def _of(self, process: Process) -> Heard:
        if self._now is None or self._now.process is not process:
            self._now = Heard(process, self._world.settings.risk.order_rate_per_s)
        return self._now
