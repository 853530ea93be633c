"""The exchange's core: accounts trade on the market's books, exactly and deterministically.

There is no IO but the event log, no clock and no ambient chance: every call is told the wall time
in nanoseconds. The wire faces and, in one process, a simulation drive the same object::

    exchange = Exchange(Market("calm", 7), EventLog(None), taker_fee_bps=None)
    account = exchange.account_of(TRADE_KEY)
    order = exchange.add_order(account, OrderRequest(...), now_ns)  # raises Refused
    exchange.tick(now_ns)

Every trade costs ``qty * price`` rounded half up; its fee is that cost, or the quantity, times the
rate, rounded alike. Both have a decimal more than their asset is kept with: ledger and balances cut
it off, so that what trades state adds up to a little else than a balance (``rules.TRADE_DIGITS``).
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from arbit.sandbox import rules
from arbit.sandbox.accounts import Account, Books
from arbit.sandbox.ids import Ids
from arbit.sandbox.journal import EventLog
from arbit.sandbox.keys import ApiKey, Tokens, made_up_keys
from arbit.sandbox.limits import TIERS, Counters, cancel_cost
from arbit.sandbox.market import Market
from arbit.sandbox.matching import Hooks, Matcher, plain
from arbit.sandbox.orders import (
    ZERO,
    Accepted,
    BalanceChanged,
    Canceled,
    Filled,
    Happened,
    LedgerEntry,
    Opened,
    OrderRequest,
    Refused,
    Trade,
    Traded,
    VenueOrder,
)

__all__ = [
    "Accepted",
    "Account",
    "BalanceChanged",
    "Canceled",
    "Exchange",
    "Filled",
    "Happened",
    "Hooks",
    "LedgerEntry",
    "Opened",
    "OrderRequest",
    "Refused",
    "Trade",
    "Traded",
    "VenueOrder",
]

NS: Final = 1_000_000_000
USER: Final = "User requested"
DEAD_MAN: Final = "Cancel all orders after"  # words assumed
RESTART: Final = "venue restart"
DEAD_MAN_MOST_S: Final = 86_400


class Exchange:
    """The truth of the sandbox: its accounts, on its market, over its log.

    What the log already holds is replayed; orders that were open then are ended as cancelled.
    Raises ``ValueError`` for an unknown tier, a fee out of range or a balance of an asset that
    the profile does not list. The rules are Kraken's; a child of another venue names its own parts.
    """

    make_books: Callable[[], Books] = Books
    make_keys: Callable[[], dict[str, ApiKey]] = staticmethod(made_up_keys)
    make_ids: Callable[[int], Ids] = Ids
    make_matcher: Callable[..., Matcher] = Matcher

    def __init__(
        self,
        market: Market,
        log: EventLog,
        *,
        taker_fee_bps: Decimal | None = None,
        tier: str = "starter",
        balances: Mapping[str, Decimal] | None = None,
        start_ns: int = 0,
    ) -> None:
        if tier not in TIERS:
            raise ValueError(f"unknown tier {tier!r}: expected one of {', '.join(TIERS)}")
        self.market = market
        self.log = log
        self.tier = TIERS[tier]
        self.books = self.make_books()
        self.keys = self.make_keys()
        self.refusals: Counter[str] = Counter()  # the venue's words, how often
        self.fees = rules.Fees(taker_fee_bps)
        self.stated_fees: rules.Fees | None = None  # what accounts are told, where that lags
        self._engine = Counters(self.tier.engine_max, self.tier.engine_per_s)
        self._due: list[tuple[int, int, VenueOrder]] = []
        seed = self._replay()
        self.tokens = Tokens(random.Random(f"{seed} {log.last_n}"))
        ids = self.make_ids(seed)
        self._matcher = self.make_matcher(market, self.books, log, self.fees, ids, now_ns=start_ns)
        market.on_tagged_fill = self._matcher.on_fill
        self._begin(seed, balances)

    @property
    def listeners(self) -> list[Callable[[Happened], None]]:
        """Called with every event, in order, after it is in the log and in the books."""
        return self._matcher.listeners

    @property
    def hooks(self) -> Hooks:
        """Where faults reach into matching."""
        return self._matcher.hooks

    @hooks.setter
    def hooks(self, hooks: Hooks) -> None:
        self._matcher.hooks = hooks

    @property
    def now_ns(self) -> int:
        """The wall time the exchange was last told."""
        return self._matcher.now_ns

    def account_of(self, key: str) -> Account | None:
        """The account that an API key belongs to, revoked or not; None for an unknown key."""
        known = self.keys.get(key)
        return None if known is None else self.books.account(known.account)

    def totals(self) -> dict[str, Decimal]:
        """Each asset summed over everybody; zero always, unless a drift was put in."""
        return self.books.totals()

    def engine_level(self, account: Account, symbol: str, now_ns: int) -> float:
        """How full the engine's rate counter of an account and a pair is."""
        return self._engine.level(f"{account.name} {symbol}", now_ns)

    def received(
        self, account_name: str, face: str, fields: Mapping[str, str], now_ns: int
    ) -> None:
        """Log an order or cancel request as it came in; call it before any check."""
        names = ("method", "order_id", "cl_ord_id", "pair", "side", "qty", "price", "tif")
        told = {name: fields.get(name, "") for name in (*names, "deadline", "validate")}
        self.log.write("request", now_ns, account_name, face=face, **told)

    def turn_down(self, account_name: str, client_id: str, refused: Refused, now_ns: int) -> None:
        """Count and log, once, that an order or cancel request is refused.

        ``add_order`` and ``cancel`` do it themselves; the faces do it for what they refuse.
        """
        if refused.logged:
            return
        refused.logged = True
        self.refusals[refused.words] += 1
        self.log.write("refuse", now_ns, account_name, cl_ord_id=client_id, words=refused.words)

    def use_nonce(self, key: ApiKey, nonce: int, now_ns: int) -> bool:
        """Take a nonce if it is above the key's last one; it is on disk before this returns."""
        if nonce <= key.last_nonce:
            return False
        key.last_nonce = nonce
        self.log.write("nonce", now_ns, key.account, key=key.key, nonce=nonce)
        return True

    def add_order(self, account: Account, request: OrderRequest, now_ns: int) -> VenueOrder:
        """Check, accept and match an order; with ``validate`` it is only checked (no order id).

        Raises ``Refused`` in the venue's words. Bounds of the deadline are the faces' business,
        since they differ (``rules.check_deadline_bounds``).
        """
        self._move_to(now_ns)
        try:
            order, asset, amount = self._admit(account, request, now_ns)
        except Refused as refused:
            self.turn_down(account.name, request.client_id, refused, now_ns)
            raise
        if request.validate:
            return order
        order = self._accept(account, order)
        account.holds[order.order_id] = (asset, amount)
        self._matcher.emit(Accepted(account.name, order, now_ns))
        delay_ns = self.hooks.accept_delay_ns(order)
        if delay_ns > 0:
            heapq.heappush(self._due, (now_ns + delay_ns, self.books.orders_taken, order))
        else:
            self._matcher.match(order)
        return order

    def cancel(
        self, account: Account, *, order_id: str | None, client_id: str | None, now_ns: int
    ) -> list[VenueOrder]:
        """Cancel an open order by one of its ids; raises ``Refused`` when there is none."""
        self._move_to(now_ns)
        order = account.open_orders.get(order_id or "")
        if order_id is None and client_id is not None:
            order = account.open_by_client_id(client_id)
        down = self.market.system == "maintenance"
        if down or order is None:
            refused = Refused(rules.UNAVAILABLE if down else rules.UNKNOWN_ORDER)
            self.turn_down(account.name, client_id or "", refused, now_ns)
            raise refused
        self._charge_cancel(account, order, now_ns)
        self._matcher.end(order, "canceled", USER)
        return [order]

    def cancel_all(self, account: Account, now_ns: int, reason: str = USER) -> int:
        """Cancel every open order of the account; returns how many."""
        self._move_to(now_ns)
        orders = list(account.open_orders.values())
        for order in orders:
            self._matcher.end(order, "canceled", reason)
        return len(orders)

    def cancel_all_after(
        self, account: Account, timeout_s: int, now_ns: int
    ) -> tuple[int, int | None]:
        """Arm the dead-man switch, or disarm it with 0; returns (now, when it fires or None)."""
        self._move_to(now_ns)
        if not 0 <= timeout_s <= DEAD_MAN_MOST_S:
            raise rules.invalid("timeout")
        account.dead_man_ns = now_ns + timeout_s * NS if timeout_s else None
        return now_ns, account.dead_man_ns

    def tick(self, now_ns: int) -> None:
        """Do what is due by now: delayed orders come to their books, dead-man switches fire.

        Call it before the market is advanced to the same moment, so that fills of resting orders
        carry the right time.
        """
        self._move_to(now_ns)
        while self._due and self._due[0][0] <= now_ns:
            self._match_next()
        for account in self.books.accounts.values():
            if account.dead_man_ns is not None and account.dead_man_ns <= now_ns:
                account.dead_man_ns = None
                self.cancel_all(account, now_ns, DEAD_MAN)

    def release(self, now_ns: int) -> int:
        """Let every delayed order come to its book at once; returns how many were open."""
        self._move_to(now_ns)
        return sum(self._match_next() for _ in range(len(self._due)))

    def deposit(self, account: Account, asset: str, amount: Decimal, now_ns: int) -> LedgerEntry:
        """Money comes in from outside; raises ``ValueError`` for an odd asset or amount."""
        return self._flow(account, asset, self._flow_amount(asset, amount), now_ns)

    def withdraw(self, account: Account, asset: str, amount: Decimal, now_ns: int) -> LedgerEntry:
        """Money leaves; raises ``Refused`` when it is not available."""
        wanted = self._flow_amount(asset, amount)
        if wanted > account.available(asset):
            raise Refused("EFunding:Insufficient funds")
        return self._flow(account, asset, -wanted, now_ns)

    def drift(self, account: Account, asset: str, amount: Decimal, now_ns: int) -> None:
        """A fault: the balance changes and nothing explains it, no entry and no event."""
        self._move_to(now_ns)
        self.books.apply(
            self.log.write("drift", now_ns, account.name, asset=asset, amount=plain(amount))
        )

    def _match_next(self) -> bool:
        order = heapq.heappop(self._due)[2]
        waited = order.is_open
        if waited:
            self._matcher.match(order)
        return waited

    def _move_to(self, now_ns: int) -> None:
        self._matcher.now_ns = max(self._matcher.now_ns, now_ns)

    def _admit(
        self, account: Account, request: OrderRequest, now_ns: int
    ) -> tuple[VenueOrder, str, Decimal]:
        """The order as it would be, and what it holds; raises ``Refused``."""
        pair = self.market.pairs.get(request.symbol)
        if pair is None:
            raise Refused(rules.UNKNOWN_PAIR)
        if not self._engine.take(f"{account.name} {request.symbol}", 1, now_ns):
            raise Refused(rules.ORDER_RATE)
        rules.check_shape(request)
        rules.check_numbers(request, pair.instrument)
        rules.check_mode(self.market.system, pair)
        if request.deadline_ns is not None and now_ns > request.deadline_ns:
            raise Refused(rules.DEADLINE_ELAPSED)
        if account.open_by_client_id(request.client_id) is not None:
            raise rules.invalid("cl_ord_id")
        on_pair = [one for one in account.open_orders.values() if one.symbol == request.symbol]
        if len(on_pair) >= self.tier.open_orders:
            raise Refused(rules.TOO_MANY_ORDERS)
        order = VenueOrder(
            order_id="",
            account=account.name,
            client_id=request.client_id,
            userref=request.userref,
            symbol=request.symbol,
            side=request.side,
            qty=request.qty,
            price=request.price,
            tif=request.tif,
            fee_in=request.fee_in or ("quote" if request.side == "buy" else "base"),
            stp=request.stp,
            opened_ns=now_ns,
        )
        asset, amount = self._matcher.hold_of(order, account)
        if amount > account.available(asset):
            raise Refused(rules.NO_FUNDS)
        return order, asset, amount

    def _accept(self, account: Account, order: VenueOrder) -> VenueOrder:
        """Write the acceptance down; returns the order as the books have it."""
        order_id = self._matcher.ids.order(self.books.orders_taken + 1)
        record = self.log.write(
            "accept",
            self.now_ns,
            account.name,
            order_id=order_id,
            cl_ord_id=order.client_id,
            userref=order.userref,
            symbol=order.symbol,
            side=order.side,
            qty=plain(order.qty),
            price=plain(order.price),
            tif=order.tif,
            fee_in=order.fee_in,
            stp=order.stp,
        )
        self.books.apply(record)
        return account.open_orders[order_id]

    def _charge_cancel(self, account: Account, order: VenueOrder, now_ns: int) -> None:
        cost = cancel_cost(now_ns - order.opened_ns)
        self._engine.add(f"{account.name} {order.symbol}", cost, now_ns)

    def _flow_amount(self, asset: str, amount: Decimal) -> Decimal:
        """A positive amount of a listed asset, at its decimals."""
        known = {one.code: one for one in self.market.assets}
        if asset not in known:
            raise ValueError(f"no asset {asset!r} in this profile")
        if not amount.is_finite() or amount <= 0:
            raise ValueError(f"amount is {amount}: expected more than 0")
        return rules.money(amount, known[asset].decimals)

    def _flow(self, account: Account, asset: str, amount: Decimal, now_ns: int) -> LedgerEntry:
        self._move_to(now_ns)
        ledger_id = self._matcher.ids.ledger(self.books.entries_made + 1)
        record = self.log.write(
            "flow",
            now_ns,
            account.name,
            asset=asset,
            amount=plain(amount),
            ref=self._matcher.ids.flow(self.books.flows_made + 1),
            type="deposit" if amount > 0 else "withdrawal",
            ledger=ledger_id,
        )
        self.books.apply(record)
        entry = account.ledgers.get(ledger_id)
        if entry is None:  # cannot be: it was entered just now
            raise LookupError(ledger_id)
        self._matcher.emit(BalanceChanged.of(account.name, entry))
        return entry

    def _replay(self) -> int:
        """Let the log so far take effect; returns the seed of ids, the first session's."""
        seed: int | None = None
        for record in self.log.replay():
            self.books.apply(record)
            if record["kind"] == "session" and seed is None:
                seed = int(record["seed"])
            if record["kind"] == "nonce" and record["key"] in self.keys:
                self.keys[record["key"]].last_nonce = int(record["nonce"])
        return self.market.seed if seed is None else seed

    def _begin(self, seed: int, balances: Mapping[str, Decimal] | None) -> None:
        """Write the session's start; end orders of an earlier run; open new accounts."""
        now_ns, earlier = self.now_ns, self.log.last_n > 0
        profile = self.market.profile.name
        self.log.write("session", now_ns, "", profile=profile, seed=seed, restart=earlier)
        for account in list(self.books.accounts.values()):
            for order in list(account.open_orders.values()):
                whole = order.left == ZERO  # killed between the last fill and the end
                self._matcher.end(order, "closed" if whole else "canceled", RESTART)
        codes = {asset.code: asset for asset in self.market.assets}
        amounts = rules.starting_balances(codes, balances)
        for name in dict.fromkeys(key.account for key in self.keys.values()):
            for code, amount in amounts.items():
                if code in self.books.account(name).balances:
                    continue
                self.books.apply(
                    self.log.write("opening", now_ns, name, asset=code, amount=plain(amount))
                )
