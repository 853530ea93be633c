"""A venue that takes its time and breaks its word, and writes down all that it does.

Orders are accepted, matched piece by piece and ended at moments of their own, so that a cancel may
come before, between and after; its log is in the sandbox's own format, with the best price of the
other side when it was sent (`top`) beside each acceptance. `NastyWorld` is the usual engine on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from arbit.config import Settings
from arbit.domain.account import AccountEvent, TradeSeen, VenueOrder
from arbit.domain.book import BookView, Level
from arbit.domain.cycle import Policy
from arbit.domain.errors import VenueRefused, VenueUnreachable
from arbit.domain.money import ONE, ZERO
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade, end_of
from arbit.domain.refusal import Refused
from arbit.domain.triangle import Leg, Side
from arbit.risk.envelope import Approved
from tests.exposure import Limits, Meter
from tests.unit.execution.sights import BOOKS, ONLINE
from tests.unit.execution.world import FEE, ScriptedVenue, World
from tests.unit.sizing_world import market, view

D = Decimal
REPLY_S = 0.01
LOST_S = 3.5  # when an order without a reply is given up


@dataclass(frozen=True, slots=True)
class Act:
    """How the venue treats one order, with times in seconds.

    `fate`: ok, reject, lost_before (never accepted), lost_after (accepted, no reply). It is
    accepted after `arrive_s`, first matched after `match_s`, and fills `fraction` of itself in
    `pieces`, each `gap_s` apart, at prices `better` than its limit (a fraction). `over_lots` come
    on top when it was filled, `late_lots` 0.3 s after its end. The fee is taken in `fee_in`: the
    asset received, the one spent, or a third. `cancel`: obeyed, refused (as unknown), silent (done
    and never answered), lost (neither).
    """

    fate: str = "ok"
    fraction: Decimal = ONE
    pieces: int = 1
    better: Decimal = ZERO
    over_lots: int = 0
    late_lots: int = 0
    fee_in: str = "received"
    arrive_s: float = 0.005
    match_s: float = 0.002
    gap_s: float = 0.002
    asks: int = 0
    cancel: str = "obeyed"


@dataclass(slots=True)
class Live:
    """An order at the venue. `ended` is set when there is nothing more to wait for."""

    intent: OrderIntent
    act: Act
    order_id: str
    top: Decimal | None  # the best price that it could meet when it was sent
    accepted: bool = False
    over: bool = False
    trades: list[Trade] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def hold(self) -> tuple[str, Decimal]:
        """What it may still spend."""
        done = sum((trade.qty for trade in self.trades), ZERO)
        left = max(ZERO, self.intent.qty - done)
        return self.intent.leg.spend, replace(self.intent, qty=left).most_spent


@dataclass(slots=True)
class NastyVenue(ScriptedVenue):
    """`ports.OrderGateway` and `ports.AccountReader`. `acts` are used up in the order sent."""

    acts: list[Act] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    live: dict[str, Live] = field(default_factory=dict)
    short: list[str] = field(default_factory=list)  # orders beyond what was there
    deaf: int = 0  # so many questions about open orders go unanswered
    open_asked: int = 0
    top: Callable[[Leg], Decimal | None] = lambda _: None
    leaves: Callable[[OrderIntent], None] = lambda _: None
    tell: Callable[[AccountEvent], None] = lambda _: None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def send(self, intent: OrderIntent) -> Awaitable[Outcome]:
        row = self.journal.orders.get(intent.client_id)
        self.written_first &= row is not None and row.intent == intent
        assert intent.client_id not in self.live, "sent twice"
        self.leaves(intent)
        self.sent.append(intent)
        act = self.acts.pop(0) if self.acts else Act()
        self.questions[intent.client_id] = act.asks
        order_id = f"O-{len(self.live) + 1}"
        live = self.live[intent.client_id] = Live(intent, act, order_id, self.top(intent.leg))
        self._write("request", intent, method="add_order")
        self._spawn(self._life(live))
        return self._reply_to(live)

    async def _reply_to(self, live: Live) -> Outcome:
        client_id = live.intent.client_id
        if live.act.fate.startswith("lost"):
            await self.clock.sleep(LOST_S)
            return Outcome(client_id, OrderState.UNKNOWN, reason="no reply")
        await live.ended.wait()
        await self.clock.sleep(REPLY_S)
        return self.outcomes[client_id]

    async def _life(self, live: Live) -> None:
        act, intent = live.act, live.intent
        await self.clock.sleep(act.arrive_s)
        if act.fate == "lost_before":
            return
        asset, spends = live.hold
        short = spends > self.balances_.get(asset, ZERO) - self._held(asset)
        if short or act.fate == "reject":
            self.short += [f"{intent.client_id}: {spends} {asset}"] if short else []
            self._refuse(live)
            return
        live.accepted = True
        self._write("accept", intent, order_id=live.order_id, top=str(live.top))
        await self.clock.sleep(act.match_s)
        for qty in self._parts(live):
            if live.over:
                break
            self._fill(live, qty)
            await self.clock.sleep(act.gap_s)
        self._end(live, "closed")
        if act.late_lots:
            await self.clock.sleep(0.3)
            self.tell(TradeSeen(self._fill(live, act.late_lots * self._lot(intent))))

    def _parts(self, live: Live) -> list[Decimal]:
        """The quantities that are traded in turn, in whole lots."""
        act, lot = live.act, self._lot(live.intent)
        lots = int(live.intent.qty * act.fraction / lot)
        parts = [lots // act.pieces] * (act.pieces - 1)
        parts.append(lots - sum(parts))
        parts += [act.over_lots] if act.fraction == 1 else []
        return [part * lot for part in parts if part]

    def _fill(self, live: Live, qty: Decimal) -> Trade:
        intent, act, leg = live.intent, live.act, live.intent.leg
        better = ONE - act.better if leg.side is Side.BUY else ONE + act.better
        price = intent.limit_price * better
        cost = qty * price
        spent, received = (cost, qty) if leg.side is Side.BUY else (qty, cost)
        fees = {"received": (leg.receive, received * FEE), "spent": (leg.spend, spent * FEE)}
        trade = Trade(
            trade_id=f"T-{intent.client_id}-{len(live.trades)}",
            order_id=live.order_id,
            client_id=intent.client_id,
            symbol=leg.symbol,
            side=leg.side,
            qty=qty,
            price=price,
            cost=cost,
            fees=(fees.get(act.fee_in, (act.fee_in, D("0.0001"))),),
            at_ns=self.clock.wall_ns(),
        )
        live.trades.append(trade)
        self.trades.append(trade)
        base, quote = leg.symbol.split("/")
        for asset, amount in trade.moves(base, quote):
            self.balances_[asset] = self.balances_.get(asset, ZERO) + amount
        ((fee_asset, fee),) = trade.fees
        told = {"trade_id": trade.trade_id, "order_id": live.order_id, "qty": f"{qty:f}"}
        money = {"price": f"{price:f}", "cost": f"{cost:f}", "fee": f"{fee:f}"}
        self._write("fill", intent, **told, **money, fee_asset=fee_asset)
        return trade

    def _end(self, live: Live, status: str) -> None:
        if live.over:
            return
        live.over, client_id = True, live.intent.client_id
        trades, qty = tuple(live.trades), live.intent.qty
        self.outcomes[client_id] = Outcome(client_id, end_of(qty, trades), trades, live.order_id)
        self._write("end", live.intent, order_id=live.order_id, status=status)
        live.ended.set()

    def _refuse(self, live: Live) -> None:
        live.over, client_id = True, live.intent.client_id
        words = "EOrder:Insufficient funds"
        self.outcomes[client_id] = Outcome(client_id, OrderState.REJECTED, reason=words)
        self._write("refuse", live.intent, words=words)
        live.ended.set()

    # --- questions and cancels -------------------------------------------------------------------

    async def resolve(self, intent: OrderIntent, order_id: str = "") -> Outcome:
        await self.clock.sleep(self.latency_s)
        client_id = intent.client_id
        live, asks = self.live.get(client_id), self.questions.get(client_id, 0)
        self.questions[client_id] = max(0, asks - 1)
        if live is not None and live.over and not asks:
            said, trades = self.outcomes[client_id], tuple(live.trades)
            state = end_of(intent.qty, trades) if live.accepted else said.state
            return replace(said, state=state, trades=trades)
        if live is not None and live.accepted and not asks:
            return Outcome(client_id, OrderState.ACKED, tuple(live.trades), live.order_id)
        never = not asks and self.clock.wall_ns() > intent.deadline_ns
        return Outcome(client_id, OrderState.NEVER if never else OrderState.UNKNOWN)

    async def cancel(self, client_id: str, order_id: str = "") -> None:
        self.cancelled.append(client_id)
        self.still_open = [one for one in self.still_open if one.client_id != client_id]
        live = self.live[client_id]
        self._write("request", live.intent, method="cancel_order")
        await self.clock.sleep(self.latency_s / 2)
        acts = live.act.cancel in {"obeyed", "silent"} and live.accepted and not live.over
        if acts:
            self._end(live, "canceled")
        if live.act.cancel in {"silent", "lost"}:
            await self.clock.sleep(LOST_S)
            raise VenueUnreachable("no reply")
        if not acts:
            raise VenueRefused("EOrder:Unknown order")

    async def open_orders(self) -> Sequence[VenueOrder]:
        self.open_asked += 1
        if self.open_asked <= self.deaf:
            raise VenueUnreachable("no answer")
        mine = [live for live in self.live.values() if live.accepted and not live.over]
        seen = [
            VenueOrder(
                one.order_id,
                one.intent.client_id,
                one.intent.leg.symbol,
                open=True,
                filled_qty=ZERO,
                at_ns=0,
            )
            for one in mine
        ]
        return [*self.still_open, *seen]

    # --- small things ----------------------------------------------------------------------------

    def _held(self, asset: str) -> Decimal:
        out = [live.hold for live in self.live.values() if live.accepted and not live.over]
        return sum((amount for held, amount in out if held == asset), ZERO)

    def _lot(self, intent: OrderIntent) -> Decimal:
        listed = ONLINE.get(intent.leg.symbol, ONLINE["ETH/USD"])
        return listed.qty_increment or ONE

    def _write(self, kind: str, intent: OrderIntent, **told: str) -> None:
        terms = {"side": intent.leg.side.value, "cl_ord_id": intent.client_id}
        if kind in {"accept", "fill"}:
            terms["symbol"] = intent.leg.symbol
        if kind == "accept":
            terms |= {"qty": f"{intent.qty:f}", "price": f"{intent.limit_price:f}"}
        record = {"n": len(self.log) + 1, "at": self.clock.wall_ns(), "account": "main"}
        self.log.append({**record, "kind": kind, **terms, **told})

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))


class NastyWorld(World):
    """The usual engine on a nasty venue. `uncleared` are orders that left without the gate's word.

    An order is cleared when it passed `clear` in the very turn of the loop in which it left.
    """

    venue_of = NastyVenue

    def __init__(
        self,
        *acts: Act,
        settings: Settings | None = None,
        policy: Policy = Policy.SEQUENTIAL,
        before: NastyWorld | None = None,
        epoch: str = "00000",
    ) -> None:
        super().__init__(settings=settings, policy=policy, before=before, epoch=epoch)
        for symbol in ("ETH/BTC", "ETH/USD"):  # fine enough for a book that moves
            fine = replace(self.sights.markets[symbol], price_increment=D("0.0001"))
            self.sights.markets[symbol] = fine
        assert isinstance(self.venue, NastyVenue)
        self.nasty: NastyVenue = self.venue
        self.nasty.acts += acts
        self.nasty.top, self.nasty.tell = self._top, self.auditor
        self.nasty.leaves = self._leaves
        self.uncleared: list[str] = []
        self._cleared: list[OrderIntent] = []
        self._clear, self.gate.clear = self.gate.clear, self._asked  # type: ignore[method-assign]  # it listens

    def _asked(
        self, intent: OrderIntent, envelope: Approved, funds: Decimal, now_ns: int
    ) -> Refused | None:
        refused = self._clear(intent, envelope, funds, now_ns)
        if refused is None:
            self._cleared.append(intent)
            asyncio.get_running_loop().call_soon(self._cleared.clear)
        return refused

    def _leaves(self, intent: OrderIntent) -> None:
        if intent in self._cleared:
            self._cleared.remove(intent)
        else:
            self.uncleared.append(intent.client_id)

    def _top(self, leg: Leg) -> Decimal | None:
        view = self.sights.books.get(leg.symbol)
        return view.facing(leg.side)[0].price if view is not None else None

    def agrees(self) -> None:
        super().agrees()
        broken = [task.exception() for task in self.nasty.tasks if task.done()]
        assert not any(broken), broken
        assert self.uncleared == []
        late = any(live.act.late_lots for live in self.nasty.live.values())
        assert late or self.nasty.short == []  # what trades after its end was counted on

    def moved(self, bps: int, symbols: Sequence[str] = ("ETH/BTC", "ETH/USD")) -> None:
        """These books move by so much from where they stood at first."""
        by = ONE + D(bps) / 10_000
        for symbol in symbols:
            self.sights.books[symbol] = _scaled(BOOKS[symbol], by)

    async def settle(self, *, seconds: float = 120.0) -> None:
        """Let time pass until no cycle is open."""
        for _ in range(int(seconds * 5)):
            if not self.engine.open_cycles:
                break
            await self.clock.advance(0.2)

    def meter(self, **limits: Any) -> Meter:
        """The exposure meter on the venue's own log, with the limits of our settings."""
        risk, scan = self.settings.risk, self.settings.scan
        usual: dict[str, Any] = {
            "asset_caps": risk.asset_caps,
            "max_exposure": risk.max_exposure,
            "max_notional": scan.max_notional_per_cycle,
            "max_cycles": scan.max_concurrent_cycles,
            "max_slippage_bps": scan.max_slippage_bps,
            "sequential": risk.policy is Policy.SEQUENTIAL,
            "prices": {**self.sights.prices, "KFEE": ONE},
        }
        return Meter(Limits(**(usual | limits)), self.nasty.log)


class EuroWorld(NastyWorld):
    """A fourth asset, outside the triangle, that buys ETH dear and is dear itself."""

    fees = dict.fromkeys(("BTC/USD", "ETH/BTC", "ETH/USD", "ETH/EUR", "EUR/USD"), FEE)

    def __init__(
        self,
        *acts: Act,
        settings: Settings,
        before: NastyWorld | None = None,
        epoch: str = "00000",
    ) -> None:
        super().__init__(*acts, settings=settings, before=before, epoch=epoch)
        books = {
            "ETH/EUR": view("ETH/EUR", [("10.10", "100")], [("10.20", "100")]),
            "EUR/USD": view("EUR/USD", [("1.05", "5000")], [("1.06", "5000")]),
        }
        self.sights.books |= books
        self.sights.markets |= {
            symbol: replace(market(symbol), status=self.sights.markets["BTC/USD"].status)
            for symbol in books
        }
        self.sights.prices["EUR"] = D("1.055")


def _scaled(book: BookView, by: Decimal) -> BookView:
    def side(levels: tuple[Level, ...]) -> tuple[Level, ...]:
        return tuple(Level((one.price * by).quantize(D("0.0001")), one.qty) for one in levels)

    return replace(book, bids=side(book.bids), asks=side(book.asks))
