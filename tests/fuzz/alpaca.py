"""Alpaca's wire under harm: what is harmed, every parser of it, and every question over REST.

The seeds are written from docs.alpaca.markets, as the venue of the unit tests is; its listing and
its market data are the sandbox's.
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from arbit.config import VenueSettings
from arbit.domain.account import Counts
from arbit.domain.errors import VenueError
from arbit.domain.order import OrderIntent, OrderState, Outcome, Trade
from arbit.domain.triangle import Leg, Side
from arbit.sandbox.alpaca import answers
from arbit.sandbox.alpaca.garbage import SHAPES, frames
from arbit.sandbox.alpaca.keys import KEY_HEADER, SECRET_HEADER, TRADE_KEY, TRADE_SECRET
from arbit.sandbox.alpaca.trading import Call
from arbit.sandbox.server import SandboxServer
from arbit.venues.alpaca import wire
from arbit.venues.alpaca.account import AccountAround, AccountAt, OrderTimes, account_side
from arbit.venues.alpaca.catalog import AlpacaCatalog
from arbit.venues.alpaca.http import Answer
from arbit.venues.alpaca.outcomes import judge
from arbit.venues.alpaca.reader import AlpacaReader
from tests.fuzz.parsers import Door, Errors, Wrong, one_of
from tests.fuzz.questions import Answers, Desk, Question, leaves, number
from tests.simulation.clock import SimClock
from tests.simulation.loop import SECOND_NS, SimLoop
from tests.unit.venues.alpaca import stream, venue

CLIENT_ID = "abfuzz00-11"
SYMBOLS = ("BTC/USD", "ETH/USD")
REFUSING = (200, 400, 401, 403, 403, 404, 422, 422, 422, 429, 500, 504)
STATUSES = (200, 200, 200, 200, 200, 201, 204, 400, 401, 403, 404, 422, 429, 500, 504)
MARKET, UPDATES, ORDER = "alpaca market", "alpaca updates", "alpaca order"
BOOKS = "/v1beta3/crypto/us/latest/orderbooks"
ONE, MANY = "/v2/orders:by_client_order_id", "/v2/orders"
FILLS, OTHERS = "/v2/account/activities/FILL", "/v2/account/activities"
MESSAGES = (
    *(wire.BookMessage, wire.Quote, wire.Success, wire.Subscribed, wire.Refused),
    *(wire.Ignored, wire.Broken),
)
WORDS = (
    *("insufficient balance for USD (requested: 1, available: 0)", "order not found for X"),
    *("potential wash trade detected. use complex orders", "client_order_id must be unique"),
    *("cost basis must be >= minimal amount of order 10", "too many requests.", "forbidden."),
    *("client_order_id is already used", "duplicate client order id", "id must be unique"),
    *("asset MKR/USD is not active", "request is not authorized", "backend request timeout"),
)
# What a refusal must say, whatever else it says: written by hand, apart from the adapter's table.
NOT_PLACED = (
    *("insufficient", "wash trade", "cost basis", "new orders are rejected", "forbidden"),
    *("authoriz", "authentic", "asset", "symbol", "too many requests", "rate limit"),
)
KNOWN_THERE = ("unique", "duplicate", "already")  # then an order of this id is there
PARAMETERS = (400, 422)  # whose words are many


# --- what is harmed ------------------------------------------------------------------------------


def seeds() -> dict[str, list[bytes]]:
    """Frames of both streams, and bodies by the path that they answer."""
    asked = {
        "client_order_id": CLIENT_ID,
        "symbol": "BTC/USD",
        "qty": "0.5",
        "side": "buy",
        "limit_price": "100",
    }
    new = venue.order(asked)
    filled = new | {"status": "filled", "filled_qty": "0.5", "filled_avg_price": "100"}
    part = new | {"status": "partially_filled", "filled_qty": "0.2"}
    told = [
        venue.update("new", new),
        venue.update("partial_fill", part, ("E1", "0.2", "100")),
        venue.update("fill", filled, ("E2", "0.3", "99.5"), slash=True),
        venue.update("canceled", new | {"status": "canceled"}),
        {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}},
        {"stream": "listening", "data": {"streams": ["trade_updates"]}},
    ]
    refusals = [_body({"code": 40310000, "message": words}) for words in WORDS]
    account = venue.account() | {"cash": "1000.5", "non_marginable_buying_power": "1000.5"}
    position = {"symbol": "BTCUSD", "asset_class": "crypto", "qty": "0.5", "qty_available": "0.5"}
    return {
        MARKET: _market(),
        UPDATES: [_body(one) for one in told],
        ORDER: [_body(new), _body(filled), *refusals],
        ONE: [_body(filled), _body(part), *refusals],
        MANY: [_body([new]), _body([])],
        f"{MANY}/{new['id']}": [_body(filled)],
        FILLS: [_body([_fill("E1", "0.2", "100", new), _fill("E2", "0.3", "99.5", new)])],
        OTHERS: [_body(_others())],
        "/v2/account": [_body(account)],
        "/v2/positions": [_body([position])],
        "/v2/clock": [_body({"timestamp": "2026-09-21T14:13:20.5Z", "is_open": True})],
        **_of_the_sandbox(),
    }


def _body(found: Any) -> bytes:
    return json.dumps(found).encode()


def _market() -> list[bytes]:
    books = [stream.Reference(symbol) for symbol in SYMBOLS]
    odd = [one if isinstance(one, bytes) else one.encode() for one in map(_garbage, SHAPES)]
    return [
        *(stream.frame(one.whole()) for one in books),
        *(stream.frame(one.quote()) for one in books),
        *(stream.frame(one.change([("99.9", "1.25")], [("100.1", "0")])) for one in books),
        stream.frame(*(one.change([("99.7", "0.000000001")]) for one in books), books[0].quote()),
        *(stream.CONNECTED, stream.AUTHENTICATED, stream.subscribed(SYMBOLS, SYMBOLS)),
        *(stream.error(code) for code in (400, 402, 405, 406, 407, 500)),
        *(one for one in odd if 0 < len(one) < 8_000),
    ]


def _garbage(shape: str) -> str | bytes:
    return frames("BTC/USD")[shape]


def _fill(exec_id: str, qty: str, price: str, order: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"20260921141320500::{exec_id}",
        "activity_type": "FILL",
        "transaction_time": "2026-09-21T14:13:20.5Z",
        "type": "fill",
        "price": price,
        "qty": qty,
        "side": "buy",
        "symbol": "BTCUSD",
        "order_id": order["id"],
        "order_status": "filled",
    }


def _others() -> list[dict[str, Any]]:
    day = {"date": "2026-09-21", "status": "executed"}
    return [
        {"id": "20260921000000000::F1", "activity_type": "CFEE", "qty": "-0.00125"}
        | {"symbol": "BTCUSD", "net_amount": "0", "price": "100", **day},
        {"id": "20260921000000000::F2", "activity_type": "FEE", "net_amount": "-0.12", **day},
        {"id": "20260921000000000::D1", "activity_type": "CSD", "net_amount": "100", **day},
    ]


def _of_the_sandbox() -> dict[str, list[bytes]]:
    """Its listing and its books, as its faces show them."""
    face = SandboxServer("calm", 1, face="alpaca").alpaca
    headers = {KEY_HEADER: TRADE_KEY, SECRET_HEADER: TRADE_SECRET}
    listed = face.trading.answer(Call("GET", "assets", {"asset_class": "crypto"}, headers, {}), 1)
    books = face.data.answer("orderbooks", {"symbols": ",".join(SYMBOLS)}, headers, 1)
    few = [one for one in json.loads(_written_as(listed)) if one["symbol"] in venue.ASSETS]
    return {"/v2/assets": [_body(few)], BOOKS: [_written_as(books)]}


def _written_as(answer: answers.Answer) -> bytes:
    return answer.body.encode() if isinstance(answer.body, str) else _body(answer.body)


# --- doors ---------------------------------------------------------------------------------------


def doors() -> list[Door]:
    """The parsers that give a value at once."""
    return [
        Door("alpaca market frame", MARKET, _market_frame),
        Door("alpaca market frame, updates", UPDATES, _market_frame),
        Door("alpaca refusal", ORDER, _judged, ()),
    ]


def _market_frame(payload: bytes, _rng: random.Random) -> None:
    for one in wire.parse(payload):
        one_of(MESSAGES, one)


def _judged(payload: bytes, rng: random.Random) -> None:
    """An order counts as not placed by listed words alone, and never by a word about its id."""
    status = rng.choice(REFUSING)
    verdict = judge(Answer(status, payload, 0, 0))
    if verdict.state is not OrderState.REJECTED:
        return
    said = payload.decode(errors="replace").lower()
    listed = any(words in said for words in NOT_PLACED) or status in PARAMETERS
    known = any(words in verdict.words.lower() for words in KNOWN_THERE)
    if not 400 <= status < 500 or not listed or known:
        raise Wrong(f"{status} {said!r:.200} counts as a refusal")


# --- questions -----------------------------------------------------------------------------------


class HarmedVenue(venue.Venue):
    """Every path is answered by its seed, and one of them by a harmed body, of any status."""

    def __init__(self, desk: AlpacaDesk, status: int) -> None:
        clock: Any = desk.clock
        super().__init__(clock)
        self._desk = desk
        self._status = status

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        reserved: bool = False,
        within_s: float | None = None,
    ) -> Answer:
        """Any path, once."""
        del params, body, reserved, within_s
        desk, now_ns = self._desk, self.clock.monotonic_ns()
        desk.asked.append(path)
        name = ORDER if method == "POST" else path
        harmed = name == desk.harmed
        payload = desk.body if harmed else desk.answers.get(name, [b"{}"])[0]
        return Answer(self._status if harmed else 200, payload, now_ns, now_ns + 1_000_000)


class AlpacaDesk(Desk):
    """The account's side and the market data of Alpaca, asked in virtual time."""

    def __init__(self, answers: Answers, harmed: str, body: bytes, rng: random.Random) -> None:
        self.loop = SimLoop(SECOND_NS)
        self.clock = SimClock(self.loop, rng)
        self.asked: list[str] = []
        self.answers, self.harmed, self.body = answers, harmed, body
        self.told: list[object] = []
        self.http = HarmedVenue(self, rng.choice(STATUSES))
        key, secret = SecretStr(venue.KEY), SecretStr(venue.SECRET)
        self.side = account_side(
            VenueSettings(name="alpaca", api_key=key, api_secret=secret),
            AccountAt("http://venue", "ws://venue/stream"),
            OrderTimes(2_000, 6_000),
            AccountAround(
                clock=self.clock,
                sink=self.told.append,
                publish=self.told.append,
                ours=lambda client_id: client_id.startswith("ab"),
                dial=self.http.dial,
                http=self.http,
            ),
        )
        catalog = AlpacaCatalog(self.http)
        self.books = AlpacaReader(self.http, catalog, "us", self.clock, gap_ns=0)

    def intent(self) -> OrderIntent:
        """The order that the seeds tell of."""
        return OrderIntent(
            CLIENT_ID,
            Leg("BTC/USD", Side.BUY, "USD", "BTC"),
            Decimal("0.5"),
            Decimal(100),
            Decimal("0.0025"),
            self.clock.wall_ns() + SECOND_NS,
        )


def _asks(ask: Callable[[AlpacaDesk], Awaitable[object]]) -> Callable[[Desk], Awaitable[object]]:
    def asked(desk: Desk) -> Awaitable[object]:
        assert isinstance(desk, AlpacaDesk)
        return ask(desk)

    return asked


async def _fate(desk: AlpacaDesk) -> Outcome:
    """What became of the order, by its client id: only what an answer says."""
    outcome = await desk.side.gateway.resolve(desk.intent())
    if outcome.state in {OrderState.FILLED, OrderState.PARTIAL} and not outcome.trades:
        raise Wrong(f"{outcome.state.value} without a trade")
    if outcome.state is OrderState.NEVER:
        raise Wrong("an order that was just sent never will be")
    for trade in outcome.trades:
        _written(desk, trade)
    return outcome


async def _trades(desk: AlpacaDesk) -> object:
    trades = await desk.side.reader.trades_since(0)
    for one in trades:
        _written(desk, one)
    return trades


def _written(desk: AlpacaDesk, trade: Trade) -> None:
    """Quantity and price stand in the answers; the fee is reckoned, and says so."""
    bodies = [desk.body, *(desk.answers[name][0] for name in (ONE, MANY, FILLS))]
    words = {leaf for body in bodies for leaf in leaves(_json(body))}
    numbers = {found for word in words if (found := number(word)) is not None}
    for amount in (trade.qty, trade.price):
        if amount not in numbers:
            raise Wrong(f"trade {trade.trade_id:.40}: {amount} was told by nobody")
    if not any(word.endswith(trade.trade_id) for word in words):
        raise Wrong(f"trade {trade.trade_id:.40} was told by nobody")
    if trade.fee_slack is None:
        raise Wrong(f"trade {trade.trade_id:.40}: its fee is taken for the venue's word")


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return None


async def _counts(desk: AlpacaDesk) -> Counts:
    return await desk.side.reader.counts(0, desk.clock.wall_ns())


def _question(
    name: str, calls: tuple[str, ...], ask: Any, errors: Errors = (VenueError,)
) -> Question:
    return Question(f"alpaca {name}", calls, _asks(ask), errors, AlpacaDesk)


LISTED = "/v2/assets"
QUESTIONS = (
    _question(
        "balances",
        ("/v2/account", "/v2/positions", LISTED, MANY),
        lambda d: d.side.reader.balances(),
    ),
    _question("open orders", (MANY, LISTED), lambda d: d.side.reader.open_orders()),
    _question("trades", (FILLS, MANY + "/id-" + CLIENT_ID, LISTED), _trades),
    _question("flows", (OTHERS, LISTED), lambda d: d.side.reader.flows_since(0)),
    _question("counts", (OTHERS, FILLS), _counts),
    _question("key", ("/v2/account",), lambda d: d.side.reader.key()),
    _question("clock", ("/v2/clock",), lambda d: d.side.reader.clock_offset()),
    _question("fees", (LISTED,), lambda d: d.side.reader.fees(SYMBOLS)),
    _question("fate", (ONE, FILLS, LISTED), _fate, ()),
    _question("listing", (LISTED,), lambda d: AlpacaCatalog(d.http).markets()),
    _question("books", (BOOKS,), lambda d: d.books.look_books(SYMBOLS)),
    _question("tops", (BOOKS, LISTED), lambda d: d.books.look_tops()),
    _question("depth", (BOOKS,), lambda d: d.books.look_depth("BTC/USD", 5)),
)
