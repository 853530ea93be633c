"""Questions about a Kraken account, over REST, answered exactly or not at all.

Source: docs.kraken.com, REST account data. Amounts come as strings and stay decimal. Older asset
and pair codes (XXBT, XXBTZUSD) are turned into the WebSocket's names by what the venue itself
lists; a code that is not listed is kept as it is.

QueryOrders, ClosedOrders and TradesHistory take `consolidate_taker`, true by default: the fills of
one taker order come as one row, whose id and amounts need not be those that the account's stream
told (OpenOrders and QueryTrades do not take it). Each fill is asked for by itself: what is booked
once by the stream must be known again here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from arbit.domain.account import Balance, ClockOffset, Counts, Flow, KeyFacts, VenueOrder
from arbit.domain.errors import FrameError, VenueUnreachable
from arbit.domain.fee_ladder import Standing
from arbit.domain.money import EXACT, ZERO
from arbit.domain.order import Trade
from arbit.ports import Clock, Known, nothing_known
from arbit.venues.answers import amount_of, object_of, positive, side_of, text_of, time_ns
from arbit.venues.ccxt.kraken_rest import result_of
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.kraken.account_fees import AccountFees, Tier
from arbit.venues.kraken.keyfacts import key_facts
from arbit.venues.kraken.names import Names
from arbit.venues.kraken.rest import PrivateRest

SECOND_NS = 1_000_000_000
PAGE = 50
MAX_PAGES = 200
LOOK_BACK_NS = SECOND_NS  # the venue leaves out what happened at the very start of a window
MICRO_NS = 1_000  # REST rounds times to these
MANY_IDS = 20  # ids in one QueryOrders or QueryTrades: twenty are always allowed
EACH_FILL = {"consolidate_taker": "false"}  # not the sum of a taker order's fills as one trade


class KrakenReads:
    """`ports.AccountReader` of one Kraken key. `ours` knows the client ids of any run of ours."""

    def __init__(
        self,
        rest: PrivateRest,
        public: Any,
        offsets: OffsetTracker,
        ours: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.rest = rest
        self._ours = ours
        self.names = Names()
        self.offsets = offsets
        self._public = public  # an `ask(method)` of the public REST client
        self._learning = asyncio.Lock()
        self._fees = AccountFees(rest, self.names)

    async def learn(self) -> None:
        """Ask for the venue's names, once."""
        async with self._learning:
            if not self.names.symbols:
                assets = (await self._public.ask("publicGetAssets")).body
                pairs = (await self._public.ask("publicGetAssetPairs")).body
                self.names.learn(assets, pairs)

    async def balances(self) -> Mapping[str, Balance]:
        """Every asset with a balance, and what open orders hold of it."""
        await self.learn()
        result = object_of(await self.rest.ask("BalanceEx"), "BalanceEx")
        found: dict[str, Balance] = {}
        for code, entry in result.items():
            told = object_of(entry, "BalanceEx")
            total = amount_of(told.get("balance"), "balance")
            held = amount_of(told.get("hold_trade", "0"), "hold_trade")
            asset = self.names.asset(code)
            before = found.get(asset, Balance(ZERO))
            found[asset] = Balance(
                EXACT.add(before.total, total),
                EXACT.add(before.held, held),
                self.names.digits.get(asset),
            )
        return found

    async def fees(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """The account's own taker fee of each market, as a fraction."""
        await self.learn()
        return await self._fees.of(symbols)

    def tier(self, symbol: str) -> Tier | None:
        """Where the fee of this market stands on the ladder; None before `fees` was asked for."""
        return self._fees.tiers.get(symbol)

    async def standing(self, symbols: Sequence[str]) -> Standing:
        """The same, with the volume of thirty days behind them."""
        await self.learn()
        return await self._fees.standing(symbols)

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Every open order of the account, ours or not."""
        await self.learn()
        result = object_of(await self.rest.ask("OpenOrders", reserved=True), "OpenOrders")
        orders = object_of(result.get("open"), "OpenOrders")
        return [self.order_of(order_id, entry) for order_id, entry in orders.items()]

    def order_of(self, order_id: str, entry: Any) -> VenueOrder:
        """An order of OpenOrders, ClosedOrders or QueryOrders."""
        told = object_of(entry, "an order")
        return VenueOrder(
            order_id=order_id,
            client_id=str(told.get("cl_ord_id") or ""),
            symbol=self._shown(object_of(told.get("descr"), "an order").get("pair")),
            open=text_of(told, "status") in {"open", "pending"},
            filled_qty=amount_of(told.get("vol_exec"), "vol_exec"),
            at_ns=time_ns(told.get("opentm", 0)),
        )

    def _shown(self, pair: Any) -> str:
        """A pair's name for showing: an order may be of a market that is no longer listed."""
        return self.names.symbols.get(pair, pair) if isinstance(pair, str) else "?"

    async def trades_since(self, since_ns: int, known: Known = nothing_known) -> Sequence[Trade]:
        """Every trade from venue time `since_ns` on, oldest first, each with its order's ids.

        Those that `known` knows are left out: to learn an order's ids costs a question.
        """
        rows = await self._pages("TradesHistory", "trades", since_ns, EACH_FILL)
        told = known(list(rows))
        rows = {trade_id: row for trade_id, row in rows.items() if trade_id not in told}
        orders = await self._orders([text_of(row, "ordertxid") for row in rows.values()])
        trades = [
            self.trade_of(trade_id, row, orders.get(text_of(row, "ordertxid")))
            for trade_id, row in rows.items()
        ]
        found = [trade for trade in trades if trade.at_ns >= since_ns - MICRO_NS]
        return sorted(found, key=lambda trade: (trade.at_ns, trade.trade_id))

    async def trades_of(self, order: Mapping[str, Any], trade_ids: Sequence[str]) -> list[Trade]:
        """These trades, of the order whose row this is; from the reserved budget."""
        trades = []
        for start in range(0, len(trade_ids), MANY_IDS):
            asked = trade_ids[start : start + MANY_IDS]
            params = {"txid": ",".join(asked)}
            rows = object_of(
                await self.rest.ask("QueryTrades", params, reserved=True), "QueryTrades"
            )
            if set(rows) != set(asked):
                raise FrameError("QueryTrades: other trades than those asked for")
            trades += [self.trade_of(trade_id, row, order) for trade_id, row in rows.items()]
        return trades

    async def _orders(self, order_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        wanted, found = sorted(set(order_ids)), dict[str, dict[str, Any]]()
        for start in range(0, len(wanted), MANY_IDS):
            params = {"txid": ",".join(wanted[start : start + MANY_IDS]), **EACH_FILL}
            rows = object_of(await self.rest.ask("QueryOrders", params), "QueryOrders")
            found |= {one: object_of(row, "QueryOrders") for one, row in rows.items()}
        return found

    async def _pages(
        self, name: str, key: str, since_ns: int, asked: Mapping[str, str] | None = None
    ) -> dict[str, dict[str, Any]]:
        """Every row of a paged list since a while before then: all of them, or an error."""
        await self.learn()
        rows: dict[str, dict[str, Any]] = {}
        start = _seconds(since_ns - LOOK_BACK_NS)
        read, promised = 0, 0  # new rows come in before the first: later ones only move away
        for _ in range(MAX_PAGES):
            page = {**(asked or {}), "start": start, "ofs": str(read)}
            result = object_of(await self.rest.ask(name, page), name)
            fresh = object_of(result.get(key), name)
            rows |= {one: object_of(row, name) for one, row in fresh.items()}
            count = result.get("count")
            if type(count) is int:
                promised = promised or count
            read += len(fresh)
            if not fresh or (type(count) is int and read >= count):
                if len(rows) < promised:
                    raise FrameError(f"{name}: {len(rows)} rows of the {promised} it counts")
                return rows
        raise VenueUnreachable(f"{name}: more than {MAX_PAGES * PAGE} rows")

    def trade_of(self, trade_id: str, row: Any, order: Mapping[str, Any] | None) -> Trade:
        """A trade of TradesHistory or QueryTrades. The fee's asset is what its order asked for.

        The REST row names no fee asset; the order's `oflags` do (fcib: base, fciq: quote). Without
        either, a trade of ours is not believed: FrameError. Of anybody else's the fee is left out:
        what it moved is in the ledger's rows.
        """
        told = object_of(row, "a trade")
        symbol = self.names.symbol(told.get("pair"))
        base, _, quote = symbol.partition("/")
        fee = amount_of(told.get("fee"), "fee")
        flags = str((order or {}).get("oflags", "")).split(",")
        payers = [asset for flag, asset in (("fcib", base), ("fciq", quote)) if flag in flags]
        client_id = str((order or {}).get("cl_ord_id") or "")
        if fee and len(payers) != 1:
            if self._ours(client_id):
                raise FrameError(f"trade {trade_id:.40}: which asset paid its fee is not told")
            fee = ZERO
        return Trade(
            trade_id=trade_id,
            order_id=text_of(told, "ordertxid"),
            client_id=client_id,
            symbol=symbol,
            side=side_of(told.get("type")),
            qty=positive(told, "vol"),
            price=positive(told, "price"),
            cost=positive(told, "cost"),
            fees=((payers[0], fee),) if fee else (),
            at_ns=time_ns(told.get("time")),
        )

    async def flows_since(self, since_ns: int) -> Sequence[Flow]:
        """Everything that moved a balance from `since_ns` on, oldest first; trades by their ids."""
        rows = await self._pages("Ledgers", "ledger", since_ns)
        flows = [self._flow(ref, row) for ref, row in rows.items()]
        found = [flow for flow in flows if flow.at_ns >= since_ns - MICRO_NS]
        return sorted(found, key=lambda flow: (flow.at_ns, flow.ref))

    def _flow(self, ref: str, row: Mapping[str, Any]) -> Flow:
        net = EXACT.subtract(
            amount_of(row.get("amount"), "amount"), amount_of(row.get("fee", "0"), "fee")
        )
        kind, asset = text_of(row, "type"), self.names.asset(text_of(row, "asset"))
        return Flow(
            ref=ref,
            asset=asset,
            amount=net,
            kind=kind,
            at_ns=time_ns(row.get("time")),
            trade_id=text_of(row, "refid") if kind == "trade" else "",
            digits=self.names.digits.get(asset),
        )

    async def counts(self, after_ns: int, until_ns: int) -> Counts:
        """How much happened: three questions, however much it is.

        Each answer of a list counts all that is asked for. What trades moved is counted apart, and
        the rest of the ledger is flows, whatever their kinds.
        """
        window = {"start": _seconds(after_ns), "end": _seconds(until_ns)}
        trades = await self._count("TradesHistory", {**window, **EACH_FILL})
        moved = await self._count("Ledgers", window)
        by_trades = await self._count("Ledgers", {**window, "type": "trade"})
        return Counts(trades, moved - by_trades)

    async def _count(self, name: str, asked: Mapping[str, str]) -> int:
        count = object_of(await self.rest.ask(name, asked), name).get("count")
        if type(count) is not int or count < 0:
            raise FrameError(f"{name}: {count!r:.40} is no count")
        return count

    async def key(self) -> KeyFacts:
        """What the key may do."""
        return key_facts(await self.rest.ask("GetApiKeyInfo"))

    async def clock_offset(self) -> ClockOffset:
        """The venue's clock against ours, by its public Time."""
        return await public_offset(self._public, self.rest.clock)


async def public_offset(public: Any, clock: Clock) -> ClockOffset:
    """The venue's clock against ours, by its public Time (whole seconds: hence uncertain).

    `public` answers public questions (the venue's `RestClient`); no key is needed.
    """
    sent_ns = clock.wall_ns()
    body = (await public.ask("publicGetTime")).body
    got_ns = clock.wall_ns()
    second = result_of(body, "Time").get("unixtime")
    if isinstance(second, bool) or not isinstance(second, int):
        raise FrameError("Time: the answer has no unixtime")
    middle_ns = second * SECOND_NS + SECOND_NS // 2
    uncertain_ns = SECOND_NS // 2 + (got_ns - sent_ns) // 2
    offset_ns = middle_ns - (sent_ns + got_ns) // 2
    return ClockOffset(offset_ns, uncertain_ns, clock.monotonic_ns())


def _seconds(at_ns: int) -> str:
    return f"{Decimal(max(0, at_ns)) / SECOND_NS:.6f}"
