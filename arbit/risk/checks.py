"""The rules, one small function each: None when it passes, else a `Refused` with its figures."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from arbit.config import RiskSettings, ScanSettings, VenueSettings
from arbit.domain.book import BookView, Integrity
from arbit.domain.market import Market
from arbit.domain.money import BPS, EXACT, ONE, ZERO, plain
from arbit.domain.order import OrderIntent
from arbit.domain.plan import Plan, PlannedLeg
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.route import Conversion
from arbit.domain.triangle import Leg, Side
from arbit.risk.envelope import Approved

MS = 1_000_000
_TWO = Decimal(2)


class Sights(Protocol):
    """What the gate sees of a venue."""

    @property
    def integrity(self) -> Integrity:
        """How the feed proves its books."""
        ...

    def view(self, symbol: str, now_ns: int) -> BookView | None:
        """The book, if it may be believed at monotonic `now_ns`."""
        ...

    def confirmed_ns(self, symbol: str) -> int:
        """When the book was last confirmed, monotonic."""
        ...

    def from_rest(self, symbol: str) -> bool:
        """Whether the book was polled."""
        ...

    def market(self, symbol: str) -> Market | None:
        """The market as the venue states it now."""
        ...

    def in_reference(self, asset: str, now_ns: int) -> Decimal | None:
        """Reference units for one unit of the asset, from own believable books."""
        ...


def integrity(sights: Sights, risk: RiskSettings) -> Refused | None:
    """The feed proves its books, or the operator has said that it need not."""
    if sights.integrity is Integrity.NONE and not risk.allow_unproved_books:
        return Refused(RefusalCode.INTEGRITY, {"integrity": sights.integrity.value})
    return None


def streamed(sights: Sights, risk: RiskSettings, symbols: Sequence[str]) -> Refused | None:
    """Books came over the stream, or the operator trades on polled ones."""
    polled = [symbol for symbol in symbols if sights.from_rest(symbol)]
    if polled and not risk.allow_rest_books:
        return Refused(RefusalCode.REST_BOOK, {"symbol": polled[0]})
    return None


def status(sights: Sights, symbol: str) -> Refused | None:
    """The venue says that the market trades, with every increment known."""
    market = sights.market(symbol)
    why = f"{symbol} is not listed" if market is None else market.why_not_tradable()
    return None if why is None else Refused(RefusalCode.MARKET_STATUS, {"why": why})


def fresh(sights: Sights, symbol: str, now_ns: int) -> Refused | None:
    """The book may be believed now, and both its sides could be traded with."""
    view = sights.view(symbol, now_ns)
    if view is None or not view.bids or not view.asks:
        return Refused(RefusalCode.STALE_BOOK, {"symbol": symbol})
    return None


def skew(sights: Sights, symbols: Sequence[str], max_skew_ms: int) -> Refused | None:
    """The legs were confirmed close enough together to be one market."""
    times = [sights.confirmed_ns(symbol) for symbol in symbols]
    apart_ms = (max(times) - min(times)) // MS
    if apart_ms > max_skew_ms:
        return Refused(RefusalCode.SKEW, {"apart_ms": str(apart_ms), "most_ms": str(max_skew_ms)})
    return None


def edge(plan: Plan, min_edge_bps: Decimal) -> Refused | None:
    """Even with every leg at its limit the cycle earns what is demanded, after fees."""
    edge_bps = EXACT.multiply(EXACT.divide(plan.profit_at_limits, plan.start_in), BPS)
    if plan.profit_at_limits <= 0 or edge_bps < min_edge_bps:
        said = {"edge_bps": f"{edge_bps:.3f}", "least_bps": plain(min_edge_bps)}
        return Refused(RefusalCode.EDGE, said)
    return None


def stake(asset: str, spends: Decimal, sights: Sights, now_ns: int) -> Decimal | Refused:
    """What a cycle starts with that spends so much of the asset, in the reference currency."""
    price = sights.in_reference(asset, now_ns)
    if price is None:
        return Refused(RefusalCode.UNPRICED, {"asset": asset})
    return EXACT.multiply(spends, price)


def notional(plan: Plan, sights: Sights, scan: ScanSettings, now_ns: int) -> Refused | None:
    """The cycle starts with no more than allowed, in the reference currency."""
    staked = stake(plan.triangle.start, plan.legs[0].worst_spend, sights, now_ns)
    if isinstance(staked, Refused):
        return staked
    if staked > scan.max_notional_per_cycle:
        said = {"stake": f"{staked:.2f}", "most": plain(scan.max_notional_per_cycle)}
        return Refused(RefusalCode.MAX_NOTIONAL, said)
    return None


def minima(
    sights: Sights, venue: VenueSettings, leg: Leg, qty: Decimal, limit: Decimal, *, own: bool
) -> Refused | None:
    """The order is above the venue's minima and, for a new cycle (`own`), above ours."""
    market = sights.market(leg.symbol)
    least = None if market is None else market.least_cost(sells=leg.side is Side.SELL)
    if market is None or market.qty_min is None or least is None:
        return Refused(RefusalCode.MARKET_STATUS, {"why": f"{leg.symbol}: no minima"})
    cost = EXACT.multiply(qty, limit)
    if own:
        least = max(least, venue.min_notional.get(market.quote, ZERO))
    if qty < market.qty_min or cost < least:
        said = {"symbol": leg.symbol, "qty": plain(qty), "cost": plain(cost), "least": plain(least)}
        return Refused(RefusalCode.MIN_NOTIONAL, said)
    return None


def slippage(
    sights: Sights, one: PlannedLeg, max_slippage_bps: Decimal, now_ns: int
) -> Refused | None:
    """The leg's limit is close enough to the top of the side it trades with."""
    view = sights.view(one.leg.symbol, now_ns)
    levels = view.facing(one.leg.side) if view is not None else ()
    if not levels:
        return Refused(RefusalCode.STALE_BOOK, {"symbol": one.leg.symbol})
    away_bps = _away_bps(one.leg.side, one.limit_price, levels[0].price)
    if away_bps > max_slippage_bps:
        said = {"symbol": one.leg.symbol, "away_bps": f"{away_bps:.2f}"}
        return Refused(RefusalCode.SLIPPAGE, said | {"most_bps": plain(max_slippage_bps)})
    return None


def collar(plan: Plan, sights: Sights, collar_bps: Decimal, now_ns: int) -> Refused | None:
    """No limit is far from the price that the other two books imply."""
    rates = [_middle_rate(sights.view(one.leg.symbol, now_ns), one.leg) for one in plan.legs]
    for index, one in enumerate(plan.legs):
        others = [rate for at, rate in enumerate(rates) if at != index]
        if None in others:
            return Refused(RefusalCode.STALE_BOOK, {"symbol": one.leg.symbol})
        product = ONE
        for rate in others:
            product = EXACT.multiply(product, rate or ONE)
        implied = EXACT.divide(ONE, product)  # units received for one unit spent
        price = implied if one.leg.side is Side.SELL else EXACT.divide(ONE, implied)
        away_bps = abs(_away_bps(one.leg.side, one.limit_price, price))
        if away_bps > collar_bps:
            said = {"symbol": one.leg.symbol, "away_bps": f"{away_bps:.2f}"}
            return Refused(RefusalCode.COLLAR, said | {"most_bps": plain(collar_bps)})
    return None


def cost(
    conversion: Conversion, sights: Sights, loss_budget: Decimal, now_ns: int
) -> Refused | None:
    """Even with every leg at its limit a conversion costs no more than it may, fees included.

    Both are in the asset that it spends, and the cost is against the middle prices of its books.
    """
    rate = ONE
    for one in conversion.legs:
        middle = _middle_rate(sights.view(one.leg.symbol, now_ns), one.leg)
        if middle is None:
            return Refused(RefusalCode.STALE_BOOK, {"symbol": one.leg.symbol})
        rate = EXACT.multiply(rate, middle)
    brings = EXACT.divide(conversion.receive_at_limits, rate)
    costs = EXACT.subtract(conversion.spend, brings)
    if costs > loss_budget:
        said = {"asset": conversion.start, "costs": f"{costs:.8f}", "most": plain(loss_budget)}
        return Refused(RefusalCode.UNWIND_BUDGET, said)
    return None


def near_top(
    sights: Sights, leg: Leg, limit: Decimal, collar_bps: Decimal, now_ns: int
) -> Refused | None:
    """An order home does not reach further beyond its own book's top than the collar."""
    view = sights.view(leg.symbol, now_ns)
    levels = view.facing(leg.side) if view is not None else ()
    if not levels:
        return Refused(RefusalCode.STALE_BOOK, {"symbol": leg.symbol})
    away_bps = _away_bps(leg.side, limit, levels[0].price)
    if away_bps > collar_bps:
        said = {"symbol": leg.symbol, "away_bps": f"{away_bps:.2f}"}
        return Refused(RefusalCode.COLLAR, said | {"most_bps": plain(collar_bps)})
    return None


def inside(intent: OrderIntent, envelope: Approved, funds: Decimal, now_ns: int) -> Refused | None:
    """The order is one that was approved, no larger, no worse, no later, and funded."""
    if now_ns > envelope.expires_ns:
        late_ms = (now_ns - envelope.expires_ns) // MS
        return Refused(RefusalCode.EXPIRED, {"late_ms": str(late_ms)})
    for allowed in envelope.allowances:
        if (allowed.symbol, allowed.side) != (intent.leg.symbol, intent.leg.side):
            continue
        buys = allowed.side is Side.BUY
        worse = (
            intent.limit_price > allowed.worst_price
            if buys
            else intent.limit_price < allowed.worst_price
        )
        if worse or intent.qty > allowed.max_qty or intent.qty <= 0:
            said = {"qty": plain(intent.qty), "most": plain(allowed.max_qty)}
            prices = {"limit": plain(intent.limit_price), "worst": plain(allowed.worst_price)}
            return Refused(RefusalCode.ENVELOPE, said | prices)
        if intent.most_spent > funds:
            said = {"spends": plain(intent.most_spent), "funds": plain(funds)}
            return Refused(RefusalCode.FUNDS, said)
        return None
    return Refused(RefusalCode.ENVELOPE, {"order": str(intent.leg)})


def cap_of(asset: str, sights: Sights, risk: RiskSettings, now_ns: int) -> Decimal | Refused:
    """How far trading may move the asset, in its own units: the smaller of the two limits.

    What no own book prices is refused: `max_exposure` could not be held.
    """
    price = sights.in_reference(asset, now_ns)
    own = risk.asset_caps.get(asset)
    if price is None or price <= 0:
        return Refused(RefusalCode.UNPRICED, {"asset": asset})
    most = EXACT.divide(risk.max_exposure, price)
    return most if own is None else min(own, most)


def _away_bps(side: Side, limit: Decimal, price: Decimal) -> Decimal:
    """How much worse than `price` the limit is for us, in bps; negative when it is better."""
    ratio = EXACT.subtract(EXACT.divide(limit, price), ONE)
    return EXACT.multiply(ratio if side is Side.BUY else EXACT.minus(ratio), BPS)


def _middle_rate(view: BookView | None, leg: Leg) -> Decimal | None:
    """Units of `leg.receive` for one of `leg.spend`, at the middle of the book, above nothing."""
    if view is None or not view.bids or not view.asks:
        return None
    middle = EXACT.divide(EXACT.add(view.bids[0].price, view.asks[0].price), _TWO)
    if middle <= 0:  # implies nothing, and divides nothing
        return None
    return middle if leg.side is Side.SELL else EXACT.divide(ONE, middle)
