"""The deciding middle of one venue on a table: real books, scanner, episodes, paper and lane.

Time is a number that a test moves. Nothing here stands in for a part: only the feed is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from arbit.books import BookCache
from arbit.domain.book import OrderBook, Source
from arbit.domain.market import Market, MarketStatus
from arbit.domain.triangle import Triangle, triangle_of
from arbit.fitness.episodes import Episode, Episodes
from arbit.fitness.trial import PaperCycle, Trial, TrialSetup
from arbit.lane import Lane, LaneSetup
from arbit.scanner import Freshness, Scanner
from arbit.venues.paper import PaperExchange

D = Decimal
MS = 1_000_000
SECOND = 1_000 * MS
START = 100 * SECOND
SYMBOLS = ("BTC/USD", "ETH/BTC", "ETH/USD")
Rows = Sequence[tuple[str, str]]


def market(symbol: str, **facts: Any) -> Market:
    base, quote = symbol.split("/")
    known: dict[str, Any] = {
        "price_decimals": 5,
        "qty_decimals": 5,
        "price_increment": D("0.00001"),
        "qty_increment": D("0.00001"),
        "qty_min": D("0.0001"),
        "cost_min": D("0.00002"),
        "status": MarketStatus.ONLINE,
    }
    return Market(symbol, base, quote, **{**known, **facts})


def markets_of(*symbols: str) -> dict[str, Market]:
    return {symbol: market(symbol) for symbol in symbols}


def book(symbol: str, bids: Rows, asks: Rows, *, depth: int = 25) -> OrderBook:
    """A book with five decimals in prices and quantities."""
    made = OrderBook(symbol, depth=depth, price_decimals=5, qty_decimals=5)
    made.replace(
        *(
            [(int(D(p).scaleb(5)), int(D(q).scaleb(5)), b"") for p, q in side]
            for side in (bids, asks)
        )
    )
    return made


def usd_triangle(markets: Mapping[str, Market]) -> Triangle:
    """USD > BTC > ETH > USD."""
    return triangle_of(SYMBOLS, markets, "USD")


class Scene:
    """One lane over BTC/USD, ETH/BTC and ETH/USD, or whatever triangles it is given."""

    def __init__(
        self,
        *,
        fee: str = "0",
        latency_ms: int = 60,
        max_age_ms: int = 3_000,
        max_skew_ms: int = 3_000,
        balances: Mapping[str, str] | None = None,
        max_concurrent: int = 4,
        budget: str = "1000",
        min_edge: str = "0",
        markets: dict[str, Market] | None = None,
    ) -> None:
        self.now_ns = START
        self.markets = markets_of(*SYMBOLS) if markets is None else markets
        self.triangle = usd_triangle(self.markets)
        self.cache = BookCache()
        self.cache.watch(self.markets, self.now_ns)
        self.fees = dict.fromkeys(self.markets, D(fee))
        kept = float((1 - D(fee)) ** 3)
        freshness = Freshness(max_age_ms * MS, max_skew_ms * MS)
        self.scanner = Scanner(self.cache, [self.triangle], [kept], freshness)
        self.reported: list[Episode] = []
        self.episodes = Episodes(self.scanner, float(min_edge), self.reported.append)
        held = {"USD": "10000", "BTC": "1", "ETH": "10"} if balances is None else balances
        self.start_balances = {asset: D(amount) for asset, amount in held.items()}
        self.exchange = PaperExchange(
            self.cache,
            self.markets,
            self.fees,
            self.start_balances,
            latency_ns=latency_ms * MS,
            max_age_ns=max_age_ms * MS,
        )
        self.ended: list[PaperCycle] = []
        self.trial = Trial(
            TrialSetup(
                desk=self.exchange,
                markets=self.markets,
                view=lambda symbol, now_ns: self.cache.fresh(symbol, now_ns, max_age_ms * MS),
                on_end=self._cycle_ended,
                max_concurrent=max_concurrent,
            )
        )
        setup = LaneSetup(
            markets=self.markets,
            fees=self.fees,
            budgets=lambda _: D(budget),
            max_age_ns=max_age_ms * MS,
            latency_ns=latency_ms * MS,
            min_cost={},
            min_edge=D(min_edge),
        )
        self.lane = Lane(setup, self.cache, self.scanner, self.episodes, self.trial)

    def put(self, symbol: str, bids: Rows, asks: Rows, source: Source = Source.WS) -> None:
        made = book(symbol, bids, asks)
        self.cache.put(made, seen_ns=self.now_ns, confirmed_ns=self.now_ns, source=source)

    def quiet(self) -> None:
        """Three deep books without a gap: 100 USD a BTC, 10 ETH a BTC."""
        self.put("BTC/USD", [("99.9", "50")], [("100", "50")])
        self.put("ETH/BTC", [("0.0999", "500")], [("0.1", "500")])
        self.put("ETH/USD", [("9.99", "500")], [("10.1", "500")])

    def gap(self, bid: str = "10.5", qty: str = "500") -> None:
        """ETH/USD pays 5 % more than the way through BTC costs."""
        self.put("ETH/USD", [(bid, qty)], [("10.6", "500")])

    def turn(self) -> None:
        self.lane.turn(self.now_ns)

    def pass_ms(self, milliseconds: float) -> None:
        """Let time pass; whatever is due happens at its own moment, books unchanged."""
        end_ns = self.now_ns + int(milliseconds * MS)
        while (due_ns := self.lane.next_due_ns) is not None and due_ns <= end_ns:
            self.now_ns = max(self.now_ns, due_ns)
            self.turn()
        self.now_ns = end_ns

    def finish(self) -> None:
        self.lane.finish(self.now_ns)

    @property
    def funnel(self) -> dict[str, int]:
        return {stage.name.lower(): count for stage, count in self.episodes.reached.items()}

    def balance_changes(self) -> dict[str, Decimal]:
        """What the paper account gained or lost, by asset; nothing for what stayed."""
        assets = {*self.exchange.balances, *self.start_balances}
        changes = {
            asset: self.exchange.balances.get(asset, D(0)) - self.start_balances.get(asset, D(0))
            for asset in assets
        }
        return {asset: change for asset, change in changes.items() if change}

    def accounted(self) -> dict[str, Decimal]:
        """What the trial says it earned, left over and had under way at the end, by asset."""
        sums: dict[str, Decimal] = {}
        for part in (self.trial.profit, self.trial.residuals, self.trial.unfinished):
            for asset, amount in part.items():
                sums[asset] = sums.get(asset, D(0)) + amount
        return {asset: amount for asset, amount in sums.items() if amount}

    def _cycle_ended(self, cycle: PaperCycle) -> None:
        self.ended.append(cycle)
        self.lane.cycle_ended(cycle)
