"""Audits: what the venue says of the account against what we know, at the start and ever after.

Books agree to the last digit or somebody is wrong. Balances are compared first, in one question;
trades and flows are listed when they differ, or when equal balances are not enough (0008). Money
that came or went by itself is booked as a flow; a trade of ours that we had not heard of is booked
as a late fill; a trade of somebody else is booked as the flows that the venue lists for it, told,
and stops trading unless allowed. What the venue's ledger rounds of our trades is booked as that
(`rounding`). A balance that nothing explains stops trading until an operator accepts it. Books that
could not be compared for too long begin no new cycle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal

from arbit.domain.account import (
    AccountEvent,
    AccountStreamBack,
    AccountStreamLost,
    Balance,
    BalanceSeen,
    Flow,
    ForeignOrder,
    KeyDoubted,
    TradeSeen,
)
from arbit.domain.errors import VenueError
from arbit.domain.order import Trade
from arbit.domain.records import Flag, JournalFailed
from arbit.execution.comparing import differences, owed, settle_costs
from arbit.execution.counting import Counting
from arbit.execution.engine import Engine
from arbit.execution.ids import ours
from arbit.execution.late_fees import LateFees, waits
from arbit.execution.opening import accepted, amounts, open_account, settled_balances
from arbit.execution.overdue import why_overdue
from arbit.execution.rounding import Roundings, bound
from arbit.execution.setup import MS, EngineSetup
from arbit.execution.strangers import Strangers, rows_of
from arbit.execution.works import Pad
from arbit.ledger import flow
from arbit.ports import AccountReader
from arbit.risk.breaker import BreakerState, Reason

LOOK_BACK_NS = 120_000 * MS  # how far before the last audit questions begin: reads lag
QUIET_NS = 1_000 * MS  # nothing has moved for so long before balances are compared
AGAIN_S = 6.0  # a venue's reads lag by up to 5 s: a difference counts when it is there twice
EVERY_NS = 60_000 * MS  # how often balances are compared when nothing asks for it
LOOK_S = 0.5
AUDITED = "audited"  # the flag that keeps when balances last agreed


class Auditor:
    """Keeps the ledger and the venue's word together. An `AccountSink`."""

    def __init__(
        self, setup: EngineSetup, engine: Engine, reader: AccountReader, opened_ns: int = 0
    ) -> None:
        """`opened_ns` is when the account was opened: what came before is in its opening.

        That, and every time that questions begin at, is the venue's: its rows carry no other.
        """
        self._setup = setup
        self._engine = engine
        self._reader = reader
        self._wanted = self._begun = self.untold = False
        self._moved_ns = self._audited_ns = self._since_ns = 0
        self._opened_ns = opened_ns
        self._counting = Counting(setup, engine.keeper, reader)
        self._unlisted = 0  # times that something asked for more than equal balances
        self._flows: dict[str, None] = {}
        self._strangers = Strangers(setup, self._stop, self._tell)
        self._late_fees = LateFees(setup)
        self._wanted_ns = self._looking_ns = 0  # since when looks are wanted
        self._off: dict[str, Decimal] = {}  # what the last look found, rounding too
        self._doubted = False  # it found more than rounding, and nobody knows yet why
        self._agreed_ns = setup.now_ns
        self._failure, self._told_stop, self._told_overdue = "", "", False
        self._looking = asyncio.Lock()
        self._roundings = Roundings(setup.ledger, setup.journal)
        self._orders = 0  # that had left when the books were last found equal, to the last digit
        self._hears = self._deaf = False  # the stream is whole; it was not while orders left since
        self.accept_balances = False  # an operator's word: book the next difference as it is
        self.audits = 0
        engine.on_resync = self._want
        self.on_balances: Callable[[Mapping[str, Balance]], None] = lambda _: None

    def __call__(self, event: AccountEvent, /) -> None:
        """Something happened on the account."""
        self._moved_ns = self._setup.now_ns
        match event:
            case TradeSeen(trade):
                self._seen(trade)
            case BalanceSeen(kind=kind, row=row):
                self._roundings.take([row] if row is not None else [])
                if kind not in {"trade", "snapshot"}:
                    self._want()
            case ForeignOrder(order):
                self._unlisted += self._begun
                what = f"order {order.order_id} on {order.symbol}"
                if not self._twin(what, order.client_id, order.at_ns):
                    self._strangers.seen(what)
            case AccountStreamBack():
                self._deaf = self._deaf or self.unlooked
                self._hears = True
                self._want()
            case KeyDoubted(why):
                self._stop(Reason.HALT, why)
            case AccountStreamLost():
                self._hears, self._deaf = False, True

    def _seen(self, trade: Trade) -> None:
        """A trade was told: ours, another daemon's, or one that the next look explains."""
        try:
            known = self._engine.late(trade)
        except JournalFailed:  # it cannot say whether it knows the trade: ask again later
            self._want()
            return
        if self._begun and not self._hears:  # its rows in the venue's ledger were not heard
            self._unlisted += 1
        if not known:
            self._unlisted += 1
            self._twin(f"trade {trade.trade_id}", trade.client_id, trade.at_ns)
            self._want()

    def _twin(self, what: str, client_id: str, at_ns: int) -> bool:
        """Whether its id looks like ours, though no cycle of ours sent it: another daemon's.

        That stops us at once. What came before the account was opened is of a folder given up.
        """
        if not ours(client_id):
            return False
        opened = self._opened_ns > 0 or self._begun
        if opened and at_ns > self._opened_ns:
            self._strangers.twin(what, client_id)
        return True

    async def begin(
        self, audited_ns: int, *, first: bool, counted_ns: int = 0, listed: bool = True
    ) -> None:
        """The first look of a start; `audited_ns` is when the books last agreed (venue wall time).

        `counted_ns` is until when nothing unknown happened. With `first` the account is new to us:
        it is opened. Unless `listed`, all that was heard is booked, and equal balances and counts
        are enough. VenueError when the venue does not answer.
        """
        self._since_ns = audited_ns
        self._counting.since_ns = max(counted_ns, self._opened_ns)
        self._unlisted += listed and not first
        if first:
            await self._open()
        else:
            await self.reconcile()
        self._begun = True

    async def run(self) -> None:
        """Look again whenever something asks for it and nothing moves, and once a minute."""
        while True:
            await self._setup.clock.sleep(LOOK_S)
            if not self._engine.open_cycles:
                self.round_off()
            resumed = self._doubted and self._setup.breaker.state() is not BreakerState.HALTED
            due = self._wanted or self.accept_balances or resumed or self._late_fees.due
            if (due or self._setup.now_ns - self._audited_ns > EVERY_NS) and self.quiet:
                owed_ns = self._owed_ns
                try:
                    await self.reconcile()
                except (VenueError, JournalFailed) as error:
                    self._failure, self._audited_ns = str(error), -EVERY_NS  # again at once
                    if owed_ns:
                        self._still_want(owed_ns)
            self._tell_overdue()

    def overdue(self) -> str:
        """Why the books must be compared before anything new begins; empty while they need not."""
        if self.accept_balances:
            return "the venue's balances are about to be accepted"
        if self._doubted:
            return "the venue's balances are not the ledger's: it is being found out why"
        if too_many := self._late_fees.too_many():
            return too_many
        now_ns = self._setup.now_ns
        return why_overdue(now_ns, self._agreed_ns, self._owed_ns, self._failure)

    @property
    def _owed_ns(self) -> int:
        """Since when a look is wanted that has not come to its end; 0 when none is."""
        return self._looking_ns or (self._wanted_ns if self._wanted else 0)

    def _tell_overdue(self) -> None:
        """Once each time; a failing question must not go unheard."""
        why = self.overdue()
        if why and self._failure and not self._told_overdue:
            self._tell("audit", why)
        self._told_overdue = bool(why)

    def _want(self) -> None:
        if not self._wanted:
            self._wanted, self._wanted_ns = True, self._setup.now_ns

    def _still_want(self, since_ns: int) -> None:
        """A look came to nothing: it is owed since it was asked for, if it was."""
        self._want()
        self._wanted_ns = since_ns or self._wanted_ns

    @property
    def quiet(self) -> bool:
        """Whether nothing has moved for a while: all that trades did has been told by now."""
        still_ns = self._setup.now_ns - self._moved_ns
        return not self._engine.open_cycles and still_ns > QUIET_NS

    @property
    def unlooked(self) -> bool:
        """Whether orders have left since the books were last found equal."""
        return self._engine.orders != self._orders

    @property
    def behind(self) -> bool:
        """Whether orders have left since then, and not all that they did was heard and booked."""
        return self.unlooked and (self._deaf or not self._hears or self._roundings.pending)

    def round_off(self) -> None:
        """Book what the venue rounded of the trades so far, as the account's stream told it."""
        pad = Pad()
        try:
            self._roundings.book(pad)
        except JournalFailed:  # what is heard stays; it is asked for again later
            return
        if not pad.empty:
            self._engine.keeper.write(pad)

    async def reconcile(self) -> None:
        """Book what we missed, then compare every balance; a difference that stays is drift."""
        async with self._looking:
            self._looking_ns = self._owed_ns
            try:
                await self._reconcile()
            finally:
                self._looking_ns = 0

    async def _reconcile(self) -> None:
        self._wanted, self._audited_ns = False, self._setup.now_ns
        self.audits += 1
        began_ns = self._setup.venue_ns
        listed = await self._lists_wanted()
        drifted = await self._drift()
        if drifted is not None and self._off and not listed:
            await self._missed(self._since_ns)
            drifted = await self._drift()
        if drifted:
            await self._setup.clock.sleep(AGAIN_S)
            await self._missed(self._since_ns)
            drifted = await self._drift()
        if drifted is None:
            self._still_want(self._looking_ns)
        elif self._off and self.accept_balances:
            self._accept()
        elif drifted:
            said = f"the venue has more (or less) than the ledger: {amounts(drifted)}"
            self._stop(Reason.DRIFT, said + self._late_fees.words(drifted))
        else:
            self._agreed(began_ns)

    async def _lists_wanted(self) -> bool:
        """List trades and flows where equal balances would not be enough; whether it was done."""
        if self._unlisted or self.behind or self.accept_balances or self._late_fees.due:
            await self._missed(self._since_ns)
            return True
        if self._counting.due and not await self._counting.agrees():
            await self._missed(min(self._since_ns, self._counting.since_ns))
            return True
        return False

    @property
    def settled(self) -> bool:
        """Whether all that our trades did is heard and booked: then equal balances are enough."""
        return not (self._off or self._unlisted or self.behind)

    def _agreed(self, venue_ns: int | None) -> None:
        """Everything before this time is known: the next questions begin a little before it.

        While the venue's time is not known they begin where they did: more is asked, not less.
        """
        self._agreed_ns = self._setup.now_ns
        self._failure, self._told_stop, self.accept_balances = "", "", False
        self._doubted = False
        self._roundings.agreed()
        if not self._off:  # else lists lag: what was rounded is not all listed yet
            self._orders, self._deaf = self._engine.orders, False
        if venue_ns is not None:
            self._since_ns = venue_ns
            flag = Flag(AUDITED, str(venue_ns), self._setup.clock.wall_ns())
            self._engine.keeper.note(flag)

    def _accept(self) -> None:
        """An operator has looked: what nothing explains is booked as it is, and told."""
        wall_ns, venue_ns, pad = self._setup.clock.wall_ns(), self._setup.venue_ns, Pad()
        for one in accepted(self._off, wall_ns, venue_ns or wall_ns):
            self._book(pad, one)
            self._late_fees.accepted(pad, one.asset, one.ref)
        said, self._off = f"booked on an operator's word: {amounts(self._off)}", {}
        self._engine.settling.incident(pad, "accepted", said)
        self._engine.keeper.write(pad)
        self._agreed(venue_ns)

    async def _missed(self, since_ns: int) -> None:
        """Take in the trades and flows since then (or a while before) that nobody told us of."""
        since_ns, journal = max(0, since_ns - LOOK_BACK_NS), self._setup.journal
        began_ns, unlisted = self._setup.venue_ns, self._unlisted
        trades = await self._reader.trades_since(since_ns, journal.known_trades)
        foreign = {one.trade_id: one for one in trades if not self._is_ours(one)}
        listed = await self._reader.flows_since(self._late_fees.since_ns(since_ns))
        flows = self._late_fees.take(listed) + rows_of(foreign.values())
        fresh = [one for one in flows if one.ref not in self._flows]
        known = journal.known_flows([one.ref for one in fresh])
        pad, moved = Pad(), set[str]()
        self._roundings.take(one for one in flows if one.trade_id not in foreign)
        self._roundings.book(pad)
        for one in fresh:
            if one.trade_id and one.trade_id not in foreign:
                continue  # a trade of ours: its own postings say it, up to rounding
            self._flows[one.ref] = None
            if one.ref not in known and one.at_ns > self._opened_ns:
                self._book(pad, one)
                moved.add(one.trade_id)
        bound(self._flows)
        for trade_id in moved & foreign.keys():
            waits(self._setup.ledger, pad, foreign[trade_id])
        self._settle_fees(pad)
        if not pad.empty:
            self._engine.keeper.write(pad)
        self._strangers.traded(foreign, moved, {one.trade_id for one in flows})
        self._unlisted -= unlisted
        self._counting.listed(since_ns, began_ns)

    def _book(self, pad: Pad, one: Flow) -> None:
        postings = flow(one)
        self._setup.ledger.apply(postings)
        pad.flow(one, postings)

    def _is_ours(self, trade: Trade) -> bool:
        """Whether it is booked, or was before us; if it is one of ours that was missed, book it."""
        return trade.at_ns <= self._opened_ns or self._engine.late(trade)

    def _settle_fees(self, pad: Pad) -> None:
        """Book what was posted of fees, and tell what fits nothing."""
        self._late_fees.settle(pad)
        strange = self._late_fees.strange(pad, self._opened_ns)
        if strange is not None and strange.ours:
            self._stop(Reason.DRIFT, strange.said)
        elif strange is not None:
            self._tell("fee", strange.said)
        if late := self._late_fees.overdue():
            self._tell("fee", late)

    async def _drift(self) -> dict[str, Decimal] | None:
        """What the venue has beyond the ledger; None when something moved while it was asked."""
        sent, moved_ns = self._engine.orders, self._moved_ns
        balances = await self._reader.balances()
        self._know(balances)
        if self._engine.open_cycles or (sent, moved_ns) != (self._engine.orders, self._moved_ns):
            return None
        self.on_balances(balances)
        self._setup.ledger.keep_back({asset: one.held for asset, one in balances.items()})
        pad = Pad()
        self._late_fees.agree(pad, balances)
        self._off, found = differences(self._setup.ledger, balances)
        settle_costs(self._setup, pad, balances, found)
        if not pad.empty:
            self._engine.keeper.write(pad)
        self._doubted = bool(found)
        return found

    def _know(self, balances: Mapping[str, Balance]) -> None:
        self._roundings.know(balances)
        if said := owed(balances):
            self._stop(Reason.HALT, said)

    async def _open(self) -> None:
        """The account is new: what is there is what was put in."""
        now_ns, balances = await settled_balances(self._setup, self._reader, untold=self.untold)
        self._know(balances)
        open_account(self._setup.ledger, self._engine.keeper, balances, now_ns)
        self._opened_ns = now_ns
        self._counting.opened(now_ns)
        self._agreed(now_ns)

    def _stop(self, reason: Reason, said: str) -> None:
        """Stop, and tell it once for as long as it stays the same and nobody resumes."""
        if said != self._told_stop or self._setup.breaker.state() is not BreakerState.HALTED:
            self._told_stop = said
            self._tell(reason.value, said)
        self._setup.breaker.trip(reason, said)

    def _tell(self, kind: str, said: str) -> None:
        pad = Pad()
        self._engine.settling.incident(pad, kind, said)
        self._engine.keeper.write(pad)
