"""What a lane answers at its door: how it is, why, what it heard, and conversions it is asked for.

Nothing here starts trading. A conversion is planned on the daemon's own books and sent by its own
trader, past its own gate; one at a time.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from arbit.app.acts.convert import Convert, ConvertAsk
from arbit.app.acts.opened import Access, Ask, Known, Opened, beside_the_turn
from arbit.app.acts.rebalance import Rebalance
from arbit.app.apart import apart
from arbit.app.door.asking import door_of
from arbit.app.door.door import Asked, Caller, Door
from arbit.app.door.status import heard_of, status_of, why_of
from arbit.app.trade.health import LaneHealth
from arbit.config import Settings
from arbit.domain.account import Mode
from arbit.domain.errors import UserError
from arbit.domain.money import ZERO
from arbit.domain.readings import ReceiverReading
from arbit.persistence.locks import lock_of
from arbit.ports import Clock, Listener

NS = 1_000_000_000
KEPT_NS = 250_000_000  # so long an answer is told again instead of made anew
HEED_S = 1.0  # how long what an operator asked by file is waited for
STEP_S = 0.05
MAX_BOOKS = 120  # that one conversion looks at: their views are made in the turn
MOST = Decimal(10**12)
_ASSET = re.compile(r"[A-Z0-9.\-]{1,20}")
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,30})?")


@dataclass(frozen=True, slots=True)
class DoorSetup:
    """What a door needs of its lane. `receivers` says how those do who are told of trouble."""

    settings: Settings
    health: LaneHealth
    clock: Clock
    publish: Listener
    receivers: Callable[[], Sequence[ReceiverReading]] = tuple


class LaneDoor:
    """The door of one lane's account."""

    def __init__(self, setup: DoorSetup) -> None:
        self._setup = setup
        self._health = setup.health
        trader = setup.health.trader
        self._account = trader.setup.account
        self._venue = setup.health.run_of.desk.setup.venue.name
        self._kept: dict[str, tuple[int, Asked]] = {}
        self._kept_heard: tuple[int, Asked | None] = (0, None)
        self._converting = False
        self._answers: Mapping[str, Callable[[Asked, Caller], Awaitable[Asked]]] = {
            "status": self._status,
            "why": self._why,
            "heard": self._heard,
            "convert": self._convert,
            "rebalance": self._rebalance,
        }

    async def apart(self) -> None:
        """Answer until cancelled; an error of ours closes the door alone."""
        setup = self._setup
        path = door_of(lock_of(setup.settings.data_dir, str(self._account)))
        door = Door(path, self._venue, self.answer, setup.clock, setup.publish)
        await apart(self._venue, "door", door.run, setup.publish)

    async def answer(self, asked: Asked, caller: Caller) -> Asked:
        """The last line of the answer. UserError for what cannot be asked here."""
        name = asked.get("ask")
        found = self._answers.get(name) if isinstance(name, str) else None
        if found is None:
            known = ", ".join(self._answers)
            raise UserError(f"ask: expected one of {known}")
        return await found(asked, caller)

    # --- what is read ----------------------------------------------------------------------------

    async def _status(self, _asked: Asked, _caller: Caller) -> Asked:
        told = self._setup.receivers
        return self._lately(
            "status", lambda now_ns: asdict(status_of(self._health, now_ns, told()))
        )

    async def _why(self, _asked: Asked, _caller: Caller) -> Asked:
        told = self._setup.receivers
        return self._lately("why", lambda now_ns: asdict(why_of(self._health, now_ns, told())))

    def _lately(self, name: str, make: Callable[[int], Asked]) -> Asked:
        """Made no more often than it is worth: many callers are told the same."""
        now_ns = self._setup.clock.monotonic_ns()
        made_ns, told = self._kept.get(name, (0, None))
        if told is None or now_ns - made_ns > KEPT_NS:
            self._health.look()  # not what was so up to a second ago
            told = {"told": make(now_ns)}
            self._kept[name] = (now_ns, told)
        return told

    async def _heard(self, _asked: Asked, _caller: Caller) -> Asked:
        """What became of what an operator has asked by file: it is looked at after it was asked.

        Whoever asks again and again waits a moment: a look is no more often than it is worth, and
        those who wait for one are told the same.
        """
        orders, clock = self._health.trader.orders, self._setup.clock
        for _ in range(int(HEED_S / STEP_S)):
            if not orders.resume_waits():
                break
            await clock.sleep(STEP_S)
        asked_ns = clock.monotonic_ns()
        made_ns, told = self._kept_heard
        if told is not None and (wait_ns := made_ns + KEPT_NS - asked_ns) > 0:
            await clock.sleep(wait_ns / NS)
            made_ns, told = self._kept_heard
        if told is None or made_ns < asked_ns:
            self._kept.clear()
            made_ns = clock.monotonic_ns()
            told = {"told": heard_of(self._health, self._health.look())}
            self._kept_heard = (made_ns, told)
        return told

    # --- what is done ----------------------------------------------------------------------------

    async def _convert(self, asked: Asked, caller: Caller) -> Asked:
        settings, access = self._setup.settings, self._access(asked)
        sweep = asked.get("sweep") is True
        amount = asked.get("amount")
        wanted = ConvertAsk(
            end=_asset(asked, "end"),
            start="" if sweep else _asset(asked, "start"),
            amount=None if sweep or amount is None else _number(asked, "amount"),
            max_cost_bps=_number(asked, "max_cost_bps"),
            sweep=sweep,
            below=_number(asked, "below"),
        )

        def show(report: Any) -> None:
            caller.say({"show": asdict(report)})

        command = Convert(settings, Ask(self._venue, access, "convert"), wanted, show)
        with self.alone():
            known = self._known(access, self._health.run_of.desk.cache.symbols)
            watched = await beside_the_turn(lambda: list(command.symbols(known)))
            told = await command.at(self._opened(access, known, watched))
        told.notes.append(_note(watched))
        return {"told": asdict(told)}

    async def _rebalance(self, asked: Asked, caller: Caller) -> Asked:
        settings, access = self._setup.settings, self._access(asked)

        def show(told: Any) -> None:
            caller.say({"show": asdict(told)})

        command = Rebalance(settings, Ask(self._venue, access, "rebalance"), show)
        command.refuse_without_targets()
        with self.alone():  # by the same markets as the daemon does it by itself
            known = self._known(access, self._health.trader.rebalancer.symbols)
            watched = list(command.symbols(known))
            told = await command.at(self._opened(access, known, watched))
        told.notes.append(_note(watched))
        return {"told": asdict(told)}

    def _access(self, asked: Asked) -> Access:
        """Whether orders may be sent. UserError for a daemon that trades on paper."""
        if asked.get("real") is not True:
            return Access.READ
        if self._account.mode is Mode.PAPER:
            raise UserError(f"{self._venue}: this daemon trades on paper, and sends nothing")
        return Access.TRADED

    def _known(self, access: Access, symbols: Iterable[str]) -> Known:
        """What a command knows before books are. UserError while nothing may be converted."""
        trader = self._health.trader
        if not trader.started:
            raise UserError(f"{self._venue}: recovery is not over: nothing is converted before")
        if access is Access.TRADED and trader.engine.closed:
            raise UserError(f"{self._venue}: {self._health.waits()}")
        ledger, markets = trader.ledger, self._health.run_of.desk.setup.markets
        owned = {one: free for one in ledger.assets if (free := ledger.free(one)) > ZERO}
        return Known({one: markets[one] for one in symbols}, owned)

    def _opened(self, access: Access, known: Known, watched: Sequence[str]) -> Opened:
        """This lane as a command has it: its books, its fees, and its trader if it may send."""
        run, trader = self._health.run_of, self._health.trader
        return Opened(
            settings=self._setup.settings,
            venue=run.desk.setup.venue,
            clock=self._setup.clock,
            run=run,
            known=known,
            trader=trader if access is Access.TRADED else None,
            journal=trader.setup.journal,
            watched=watched[:MAX_BOOKS],
            think=beside_the_turn,
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While entered nothing else is converted through this door."""
        if self._converting:
            raise UserError(
                f"{self._venue}: another conversion is under way, ask again when it is over"
            )
        self._converting = True
        try:
            yield
        finally:
            self._converting = False


def _note(watched: Sequence[str]) -> str:
    said = "asked of the daemon that trades this account: by its settings, on the books it watches"
    if len(watched) > MAX_BOOKS:
        said += f" (on {MAX_BOOKS} of {len(watched)} that lead there: the shorter ways)"
    return said


def _asset(asked: Asked, name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not _ASSET.fullmatch(value):
        raise UserError(f"{name}: expected the name of an asset, such as BTC")
    return value


def _number(asked: Asked, name: str) -> Decimal:
    value = asked.get(name)
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise UserError(f"{name}: expected a number as text, such as 0.25")
    try:
        found = Decimal(value)
    except InvalidOperation:  # digits of another script
        raise UserError(f"{name}: expected a number as text, such as 0.25") from None
    if found > MOST:
        raise UserError(f"{name}: expected at most 1e12")
    return found
