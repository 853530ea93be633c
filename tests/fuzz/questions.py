"""Every question that is asked over REST, answered with a harmed body through the real ccxt.

ccxt signs, carries and decodes as it does in earnest; only its `fetch`, which would open a socket,
is ours: it decodes a body as ccxt's own does, with either of the JSON libraries that ccxt may use.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from arbit.config import RateTier
from arbit.domain.account import ClockOffset
from arbit.domain.errors import VenueError
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade
from arbit.domain.triangle import Leg, Side
from arbit.sandbox.keys import TRADE_KEY, TRADE_SECRET
from arbit.venues.ccxt.catalog import KrakenCatalog, catalog_for
from arbit.venues.ccxt.client import RestClient, make_exchange
from arbit.venues.ccxt.reader import KrakenReader, UnifiedReader
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.clockoffset import OffsetTracker
from arbit.venues.kraken.budgets import EngineBudget, RequestBudget
from arbit.venues.kraken.nonce import Nonces
from arbit.venues.kraken.private.parts import token_of
from arbit.venues.kraken.private.token import TokenKeeper
from arbit.venues.kraken.reads import KrakenReads
from arbit.venues.kraken.resolve import Resolver
from arbit.venues.kraken.rest import Credentials, PrivateRest
from arbit.venues.kraken.rest_orders import RestOrders
from tests.fuzz.parsers import Errors, Wrong
from tests.simulation.clock import WALL_START_NS, SimClock
from tests.simulation.loop import SECOND_NS, SimLoop

SYMBOLS = ("BTC/USD", "ETH/USD")
DECODERS: tuple[Callable[[Any], Any], ...] = (orjson.loads, json.loads)
TOLD = ("TradesHistory", "QueryTrades", "QueryOrders", "ClosedOrders")  # where trades are told
MOST_HANDLES = 200_000  # of one question, retries and pages included

Answers = Mapping[str, list[bytes]]


class NoStore:
    """Nonces that nobody keeps."""

    def load(self) -> int:
        """None was used."""
        return 0

    def save(self, nonce: int) -> bool:
        """As good as kept."""
        del nonce
        return True


@functools.cache
def exchange_of(exchange_id: str) -> Any:
    """One ccxt exchange of each kind: making it is what costs."""
    return make_exchange(CcxtSettings(exchange_id, exchange_id), streams=False)


class Desk:
    """Who asks, in virtual time: every question of ours, and one answer that is harmed."""

    def __init__(self, answers: Answers, harmed: str, body: bytes, rng: random.Random) -> None:
        self.loop = SimLoop(SECOND_NS)
        self.clock = SimClock(self.loop, rng)
        self.asked: list[str] = []
        self._answers = answers
        self._harmed = harmed
        self._body = body
        self._decode = rng.choice(DECODERS)
        self.rest = self._private()
        self.public = self._client("kraken")
        self.offsets = OffsetTracker(self.clock)
        self.offsets.take(ClockOffset(0, 1_000, self.clock.monotonic_ns()))
        self.reads = KrakenReads(self.rest, self.public, self.offsets)
        self.resolver = Resolver(self.reads, self.offsets, self.clock, 600)
        engine = EngineBudget(RateTier.PRO)
        self.orders = RestOrders(self.reads, self.resolver, engine, self.clock)

    def _private(self) -> PrivateRest:
        rest = PrivateRest(
            CcxtSettings("kraken"),
            Credentials(TRADE_KEY, TRADE_SECRET),
            Nonces(NoStore(), self.clock.wall_ns),
            RequestBudget(RateTier.PRO),
            self.clock,
        )
        known = self._shared("kraken")
        made: Any = rest
        made._exchange = known
        known.apiKey, known.secret = TRADE_KEY, TRADE_SECRET
        known.incrementing_nonce = made._nonces.next
        known.handle_errors = lambda *_: None
        return rest

    def _client(self, exchange_id: str) -> RestClient:
        client = RestClient(CcxtSettings(exchange_id, exchange_id), self.clock)
        known: Any = client
        known._exchange = self._shared(exchange_id)
        return client

    def _shared(self, exchange_id: str) -> Any:
        made = exchange_of(exchange_id)
        made.fetch = self._fetch
        made.on_json_response = self._decode
        return made

    async def _fetch(self, url: str, method: str, headers: Any, body: Any) -> Any:
        """What ccxt's own does once the text of a reply is there."""
        del method, headers, body
        name = url.partition("?")[0].rpartition("/")[2]
        self.asked.append(name)
        exchange = exchange_of("kraken")
        if name == "QueryOrders" and "TradesHistory" in self.asked:
            name = "ManyOrders"
        if "alpaca" in url:
            name = "alpaca assets" if name == "assets" else "alpaca"
        payload = self._body if self._harmed == name else self._answers[name][0]
        text = payload.decode(errors="replace")
        parsed = exchange.parse_json(text)
        return text if parsed is None else parsed

    def ask(self, question: Callable[[Desk], Awaitable[object]]) -> object:
        """The answer of a question, or its error."""
        task = asyncio_task(self.loop, question(self))
        first = self.loop.handles
        self.loop.run(lambda: task.done() or self.loop.handles - first > MOST_HANDLES)
        if not task.done():
            raise Wrong(f"no end after {MOST_HANDLES} steps, {len(self.asked)} requests")
        if self.loop.unhandled:
            raise Wrong(f"nobody heard: {self.loop.unhandled[0]}")
        return task.result()


def asyncio_task(loop: SimLoop, work: Awaitable[object]) -> Any:
    """A task on that loop."""

    async def awaited() -> object:
        return await work

    return loop.create_task(awaited())


@dataclass(frozen=True, slots=True)
class Question:
    """`calls` are the answers that may be harmed (their seeds have the same names)."""

    name: str
    calls: tuple[str, ...]
    ask: Callable[[Desk], Awaitable[object]]
    errors: Errors = (VenueError,)
    desk: type[Desk] = Desk


def intent(answers: Answers) -> OrderIntent:
    """The order whose answers the sandbox has recorded (see `seeds`)."""
    ((_, row),) = json.loads(answers["QueryOrders"][0])["result"].items()
    return OrderIntent(
        client_id=row["cl_ord_id"],
        leg=Leg("BTC/USD", Side(row["descr"]["type"]), "BTC", "USD"),
        qty=Decimal(row["vol"]),
        limit_price=Decimal(row["descr"]["price"]),
        fee_rate=Decimal("0.004"),
        deadline_ns=WALL_START_NS + 6 * SECOND_NS,
    )


async def _sent(desk: Desk) -> Outcome:
    return _justified(desk, await desk.orders.send(intent(desk._answers)))


async def _resolved(desk: Desk, order_id: str = "") -> Outcome:
    return _justified(desk, await desk.resolver.ask(intent(desk._answers), order_id))


async def _cancelled(desk: Desk) -> None:
    await desk.orders.cancel("abfuzz00-11")


async def _token(desk: Desk) -> str:
    async def fetch() -> Any:
        return token_of(await desk.rest.ask("GetWebSocketsToken", reserved=True))

    return await TokenKeeper(fetch, desk.clock).fresh()


async def _trades(desk: Desk) -> object:
    trades = await desk.reads.trades_since(0)
    for one in trades:
        _written(desk, one)
    return trades


def _justified(desk: Desk, outcome: Outcome) -> Outcome:
    """What is said of an order must stand in an answer, word by word."""
    said = desk._body.decode(errors="replace")
    if outcome.state is OrderState.REJECTED and not outcome.reason.startswith("not sent"):
        body = _json(said)
        errors = body.get("error") if isinstance(body, dict) else None
        if errors != [outcome.reason] or (isinstance(body, dict) and body.get("result")):
            raise Wrong(f"rejected, by nobody's word: {outcome.reason!r:.100}")
    if outcome.state in {OrderState.FILLED, OrderState.PARTIAL} and not outcome.trades:
        raise Wrong(f"{outcome.state.value} without a trade")
    for one in outcome.trades:
        _written(desk, one)
    return outcome


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _written(desk: Desk, trade: Trade) -> None:
    """Each amount of a trade stands in the answers; none was made up."""
    bodies = [desk._body, *(desk._answers[name][0] for name in TOLD)]
    words = {leaf for body in bodies for leaf in leaves(_json(body.decode(errors="replace")))}
    numbers = {found for word in words if (found := number(word)) is not None}
    for amount in (trade.qty, trade.price, trade.cost, *(fee for _, fee in trade.fees)):
        if amount not in numbers:
            raise Wrong(f"trade {trade.trade_id:.40}: {amount} was told by nobody")
    if trade.trade_id not in words:
        raise Wrong(f"trade {trade.trade_id:.40} was told by nobody")


def number(word: str) -> Decimal | None:
    try:
        found = Decimal(word)
    except ArithmeticError:
        return None
    return found if found.is_finite() else None


def leaves(root: Any) -> list[str]:
    """Every word and every number, keys included, however deep."""
    found, waiting = list[str](), [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting += [*node.keys(), *node.values()]
        elif isinstance(node, list):
            waiting += node
        else:
            found.append(str(node))
    return found


def _kraken(desk: Desk) -> KrakenReader:
    return KrakenReader(desk.public, KrakenCatalog(desk.public))


def _alpaca(desk: Desk) -> UnifiedReader:
    exchange_of.cache_clear()  # what it has read of an earlier body is not to be known
    client = desk._client("alpaca")
    client.exchange.apiKey = client.exchange.secret = "nobody's"
    return UnifiedReader(client, catalog_for(client))


_LISTS = ("Assets", "AssetPairs")
QUESTIONS = (
    Question("balances", (*_LISTS, "BalanceEx"), lambda d: d.reads.balances()),
    Question("fees", ("AssetPairs", "TradeVolume"), lambda d: d.reads.fees(SYMBOLS)),
    Question("open orders", ("OpenOrders", "ClosedOrders"), lambda d: d.reads.open_orders()),
    Question("trades", ("TradesHistory", "ManyOrders", "AssetPairs"), _trades),
    Question("ledger", ("Ledgers", "Assets"), lambda d: d.reads.flows_since(0)),
    Question("key", ("GetApiKeyInfo",), lambda d: d.reads.key()),
    Question("clock", ("Time",), lambda d: d.reads.clock_offset()),
    Question("token", ("GetWebSocketsToken",), _token),
    Question(
        "order", ("AddOrder", "AddOrder", "OpenOrders", "ClosedOrders", "QueryTrades"), _sent, ()
    ),
    Question("fate by name", ("OpenOrders", "ClosedOrders", "QueryTrades"), _resolved, ()),
    Question(
        "fate by id",
        ("QueryOrders", "QueryTrades"),
        lambda d: _resolved(d, _order_id(d._answers)),
        (),
    ),
    Question("cancel", ("CancelOrder",), _cancelled),
    Question("listing", ("AssetPairs",), lambda d: KrakenCatalog(d.public).markets()),
    Question("tops", ("Ticker", "AssetPairs"), lambda d: _kraken(d).look_tops()),
    Question("depth", ("Depth", "AssetPairs"), lambda d: _kraken(d).look_depth("BTC/USD", 10)),
    Question("status", ("SystemStatus",), lambda d: _kraken(d).look_status()),
    Question("alpaca markets, by ccxt", ("alpaca assets",), lambda d: _alpaca(d).look_markets()),
    Question("alpaca depth, by ccxt", ("alpaca",), lambda d: _alpaca(d).look_depth("BTC/USD", 5)),
    Question("alpaca tops, by ccxt", ("alpaca",), lambda d: _alpaca(d).look_tops()),
)


def _order_id(answers: Answers) -> str:
    rows: dict[str, Any] = json.loads(answers["QueryOrders"][0])["result"]
    return next(iter(rows))


def put_question(
    question: Question, call: str, body: bytes, answers: Answers, rng: random.Random
) -> None:
    """Ask it, with this one answer harmed. What comes out is the caller's to judge."""
    question.desk(answers, call, body, rng).ask(question.ask)


__all__ = ["QUESTIONS", "Question", "put_question"]
