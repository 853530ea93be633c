"""Counts: one account's books in double entry, and how far trading may yet move each asset.

Four books for each asset (`records.Book`) that add up to zero after every entry. *Durable* are the
postings, which the journal keeps and a restart adds up again. *Passing* are holds (what an order on
its way may spend), claims (how far an open cycle may move an asset, both ways) and what each open
cycle has moved so far; a restart rebuilds them from the orders and cycles that are not over.

*Late fees* are what a venue took with a trade and has not stated yet (decision 0009): the wallet
has our reckoning of it, and what the venue has may differ by the sum of their slacks. *Rough* costs
are those that such a venue may have rounded (decision 0012): it may differ by as much more.

Postings are made by functions and applied by `Ledger.apply` once the journal has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact

from arbit.domain.account import Flow
from arbit.domain.errors import BrokenRule
from arbit.domain.money import ZERO
from arbit.domain.order import Trade
from arbit.domain.records import Book, LateFee, Posting, Rough

# Books are exact: a digit that did not fit is an error here, never a rounding.
_BOOKS = Context(prec=400, traps=[Inexact])
Amounts = Mapping[str, Decimal]
NOTHING: Amounts = {}
OPENING, FLOW, TRADE, FEE, RESULT = "opening", "flow", "trade", "fee", "result"
ROUNDING = "rounding"
LATE_FEE = "late_fee"
COST = "cost"
CONVERSION = "conversion"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far something may move an asset at worst: from `low` to `high`, in the asset's units.

    `high` counts all that may come in, as if nothing had gone out; `peak`, where it is known, what
    may be there more than before at any moment: a stake comes back only after it has gone.
    """

    low: Decimal = ZERO
    high: Decimal = ZERO
    peak: Decimal | None = None

    @property
    def top(self) -> Decimal:
        """By how much more may be owned at any moment: `peak`, or without one `high`."""
        return self.high if self.peak is None else self.peak

    def plus(self, other: Reach) -> Reach:
        """Both at their worst together."""
        low, high = _BOOKS.add(self.low, other.low), _BOOKS.add(self.high, other.high)
        if self.peak is None and other.peak is None:
            return Reach(low, high)
        return Reach(low, high, _BOOKS.add(self.top, other.top))


class Ledger:
    """One account's money, as far as we know it. Synchronous; amounts in units of each asset."""

    def __init__(
        self,
        sums: Mapping[tuple[Book, str], Decimal] | None = None,
        late_fees: Iterable[LateFee] = (),
        rough: Mapping[str, Rough] | None = None,
    ) -> None:
        self._sums = dict(sums or {})
        self._rough = dict(rough or {})
        self._late_fees: dict[str, LateFee] = {}
        self._slacks: dict[str, Decimal] = {}
        self._loose: dict[str, Decimal] = {}
        for fee in late_fees:
            self.fee_waits(fee)
        self._holds: dict[str, dict[str, Decimal]] = {}
        self._claims: dict[str, dict[str, Reach]] = {}
        self._moved: dict[str, dict[str, Decimal]] = {}
        self._kept_back: dict[str, Decimal] = {}
        self.check()

    # --- what there is ---------------------------------------------------------------------------

    @property
    def assets(self) -> tuple[str, ...]:
        """Every asset that any book knows, in alphabetical order."""
        return tuple(sorted({asset for _, asset in self._sums}))

    def sum_of(self, book: Book, asset: str) -> Decimal:
        """The balance of one book."""
        return self._sums.get((book, asset), ZERO)

    def wallet(self, asset: str) -> Decimal:
        """All that is owned, held or not."""
        return self.sum_of(Book.WALLET, asset)

    def held(self, asset: str) -> Decimal:
        """What open cycles keep for themselves."""
        return _sum(amounts.get(asset, ZERO) for amounts in self._holds.values())

    def held_by(self, ref: str, asset: str) -> Decimal:
        """What one of them keeps: what it has in hand, or what its orders may still spend."""
        return self._holds.get(ref, {}).get(asset, ZERO)

    def promised(self, asset: str, beside: str = "") -> Decimal:
        """What open cycles have in hand beyond what they hold, for ways home; `beside` apart."""
        return _sum(
            max(_BOOKS.subtract(moved.get(asset, ZERO), self.held_by(ref, asset)), ZERO)
            for ref, moved in self._moved.items()
            if ref != beside
        )

    def capital(self, asset: str) -> Decimal:
        """What was put in, taken out and earned: whatever trading has moved it to meanwhile."""
        return _BOOKS.minus(self.sum_of(Book.CAPITAL, asset))

    def settled(self, asset: str) -> Decimal:
        """All that is owned without what open cycles have moved of it."""
        moved = _sum(amounts.get(asset, ZERO) for amounts in self._moved.values())
        return _BOOKS.subtract(self.wallet(asset), moved)

    def free(self, asset: str) -> Decimal:
        """What a new cycle may spend: what is there however late fees turn out."""
        ours = _BOOKS.subtract(self.wallet(asset), self.held(asset))
        kept_back = _BOOKS.add(self._kept_back.get(asset, ZERO), self.slack(asset))
        return _BOOKS.subtract(ours, kept_back)

    @property
    def late_fees(self) -> tuple[LateFee, ...]:
        """The fees that wait to be stated, oldest first."""
        return tuple(sorted(self._late_fees.values(), key=lambda one: (one.at_ns, one.trade_id)))

    @property
    def fees_waiting(self) -> int:
        """How many they are."""
        return len(self._late_fees)

    def slack(self, asset: str) -> Decimal:
        """By how much the venue's balance may differ: for fees not stated yet, and rough costs."""
        slack = self.fee_slack(asset)
        return _BOOKS.add(slack, self._rough[asset].slack) if asset in self._rough else slack

    def fee_slack(self, asset: str) -> Decimal:
        """The former alone."""
        slack = self._slacks.get(asset, ZERO)
        return _BOOKS.add(slack, self._loose[asset]) if slack and asset in self._loose else slack

    @property
    def rough(self) -> Mapping[str, Rough]:
        """Costs of trades that were not compared with the venue's balance yet, by asset."""
        return self._rough

    @property
    def costs_wait(self) -> bool:
        """Whether a look at the balances would tell what was rounded: no fee stands before it."""
        return any(
            one.count and one.slack and not self.fee_slack(asset)
            for asset, one in self._rough.items()
        )

    def deviation(self, asset: str) -> Decimal:
        """How far trading has moved the asset, closed results of start assets apart."""
        both = _BOOKS.add(self.sum_of(Book.TRADING, asset), self.sum_of(Book.FEES, asset))
        return _BOOKS.minus(both)

    def settled_deviation(self, asset: str, beside: str = "") -> Decimal:
        """The same without what cycles that are open have moved so far, `beside` apart."""
        settled = self.deviation(asset)
        for cycle_id, amounts in self._moved.items():
            if cycle_id != beside:
                settled = _BOOKS.subtract(settled, amounts.get(asset, ZERO))
        return settled

    def moved(self, cycle_id: str) -> Mapping[str, Decimal]:
        """What the cycle has moved so far, by asset; positive came in. Fees are in it."""
        return dict(self._moved.get(cycle_id, {}))

    def exposure(self, asset: str, extra: Reach | None = None) -> Decimal:
        """The furthest that trading may have moved the asset once all that is open is at its worst.

        Positions left by cycles that are over, and the claims of those that are not, or what they
        have moved already where that is beyond the claim (an overfill, a fee in a third asset, a
        cycle adopted at a restart); `extra` is a claim being thought of.
        """
        worst = self.worst(asset, extra)
        return max(abs(worst.low), abs(worst.high))

    def worst(self, asset: str, extra: Reach | None = None) -> Reach:
        """The same, either way. Both may be on one side of zero."""
        settled, reach = self.deviation(asset), extra or Reach()
        if slack := self.slack(asset):
            reach = reach.plus(Reach(_BOOKS.minus(slack), slack))
        for cycle_id, claims in self._claims.items():
            moved = self._moved[cycle_id].get(asset, ZERO)
            claim = claims.get(asset, Reach())
            settled = _BOOKS.subtract(settled, moved)
            reach = reach.plus(Reach(min(claim.low, moved), max(claim.high, moved)))
        return Reach(settled, settled).plus(reach)

    def most_owned(self, asset: str, extra: Reach | None = None, beside: str = "") -> Decimal:
        """The most of it that may be owned at any moment until all that is open is over.

        Of the cycle `beside` only what it has moved so far counts: `extra` is what it does next.
        """
        found = _BOOKS.add(self.settled(asset), self.slack(asset))
        if extra is not None:
            found = _BOOKS.add(found, extra.top)
        for cycle_id, claims in self._claims.items():
            moved = self._moved[cycle_id].get(asset, ZERO)
            top = moved if cycle_id == beside else claims.get(asset, Reach()).top
            found = _BOOKS.add(found, max(top, moved))
        return found

    def drift(self, asset: str, venue_total: Decimal) -> Decimal:
        """What the venue says minus what we know: zero unless somebody is wrong."""
        return _BOOKS.subtract(venue_total, self.wallet(asset))

    def check(self) -> None:
        """BrokenRule when any asset's books do not add up to zero."""
        for asset in self.assets:
            left = _sum(self.sum_of(book, asset) for book in Book)
            if left != 0:
                raise BrokenRule(f"ledger: the books of {asset} are off by {left}")

    # --- what changes it -------------------------------------------------------------------------

    def apply(self, postings: Iterable[Posting], cycle_id: str = "") -> None:
        """Enter postings that belong together; trades of an open cycle are counted as its own."""
        entered = tuple(postings)
        sides: dict[str, Decimal] = {}
        for one in entered:
            sides[one.asset] = _BOOKS.add(sides.get(one.asset, ZERO), one.amount)
        if any(sides.values()):
            raise BrokenRule(f"ledger: an entry that does not add up to zero: {sides}")
        for one in entered:
            key = (one.book, one.asset)
            self._sums[key] = _BOOKS.add(self._sums.get(key, ZERO), one.amount)
            if one.book is Book.WALLET and cycle_id in self._moved:
                amounts = self._moved[cycle_id]
                amounts[one.asset] = _BOOKS.add(amounts.get(one.asset, ZERO), one.amount)

    def fee_waits(self, fee: LateFee) -> None:
        """A trade's fee is reckoned, and waits for the venue's figure."""
        self.fee_stated(fee.trade_id)
        self._late_fees[fee.trade_id] = fee
        self._slacks[fee.asset] = _BOOKS.add(self._slacks.get(fee.asset, ZERO), fee.slack)

    def fee_stated(self, trade_id: str) -> None:
        """The trade's fee waits no more."""
        if (fee := self._late_fees.pop(trade_id, None)) is not None:
            self._slacks[fee.asset] = _BOOKS.subtract(self._slacks[fee.asset], fee.slack)

    def cost_rough(self, asset: str, cost: Rough) -> None:
        """The venue may have rounded what a trade cost."""
        self._rough[asset] = self._rough.get(asset, Rough()).plus(cost)

    def costs_compared(self, asset: str, left: Decimal) -> Rough:
        """They were compared with its balance, and may be off by so much more; what is kept."""
        self._rough[asset] = kept = Rough(left, 0, self._rough[asset].at_ns)
        return kept

    def fees_loose(self, amounts: Mapping[str, Decimal]) -> None:
        """By how much more the fees that wait may differ, by asset: which they are is not sure."""
        self._loose = dict(amounts)

    def hold(self, ref: str, asset: str, amount: Decimal) -> None:
        """Keep so much of the asset for `ref`, instead of what was kept of it before."""
        if amount < 0:
            raise BrokenRule(f"ledger: a hold of {amount} {asset}")
        holds = self._holds.setdefault(ref, {})
        if amount:
            holds[asset] = amount
        else:
            holds.pop(asset, None)

    def keep_back(self, amounts: Mapping[str, Decimal]) -> None:
        """What the venue holds for anything but our cycles (the owner's own open orders)."""
        self._kept_back = {asset: amount for asset, amount in amounts.items() if amount > 0}

    def claim(self, cycle_id: str, reaches: Mapping[str, Reach], so_far: Amounts = NOTHING) -> None:
        """A cycle opens that may move these assets so far; one of before has moved `so_far`."""
        self._claims[cycle_id] = dict(reaches)
        self._moved.setdefault(cycle_id, dict(so_far))

    def beyond_claim(self, cycle_id: str, reaches: Mapping[str, Reach]) -> dict[str, Reach]:
        """What of this comes on top of the claim, when a cycle moves so much more than so far."""
        claims, moved = self._claims.get(cycle_id, {}), self._moved.get(cycle_id, {})
        found = {}
        for asset, reach in reaches.items():
            so_far, claim = moved.get(asset, ZERO), claims.get(asset, Reach())
            low = _BOOKS.subtract(_BOOKS.add(so_far, reach.low), min(claim.low, so_far))
            high = _BOOKS.subtract(_BOOKS.add(so_far, reach.high), max(claim.high, so_far))
            top = _BOOKS.subtract(_BOOKS.add(so_far, reach.top), max(claim.top, so_far))
            if low < 0 or max(high, top) > 0:
                low, high, top = min(low, ZERO), max(high, ZERO), max(top, ZERO)
                found[asset] = Reach(low, high, None if top == high else top)
        return found

    def stretch(self, cycle_id: str, beyond: Mapping[str, Reach]) -> None:
        """Claim so much more for a cycle that is open."""
        claims, moved = self._claims.get(cycle_id), self._moved.get(cycle_id, {})
        if claims is None:
            return
        for asset, reach in beyond.items():
            so_far, claim = moved.get(asset, ZERO), claims.get(asset, Reach())
            low, high, top = claim.low, claim.high, max(claim.top, so_far)
            if reach.low or reach.high:
                low, high = min(low, so_far), max(high, so_far)
            claims[asset] = Reach(low, high, None if top == high else top).plus(reach)

    def release(self, cycle_id: str) -> None:
        """The cycle is over: nothing is held or claimed for it; what it moved stays moved."""
        for passing in (self._holds, self._claims, self._moved):
            passing.pop(cycle_id, None)


def opening(asset: str, amount: Decimal, at_ns: int) -> tuple[Posting, ...]:
    """What was there when we first looked."""
    return _pair(f"opening:{asset}", OPENING, (Book.WALLET, Book.CAPITAL), (asset, amount), at_ns)


def flow(moved: Flow) -> tuple[Posting, ...]:
    """Money that came or went without an order."""
    what = (moved.asset, moved.amount)
    return _pair(moved.ref, FLOW, (Book.WALLET, Book.CAPITAL), what, moved.at_ns)


def trade_postings(trade: Trade, base: str, quote: str) -> tuple[Posting, ...]:
    """What a trade moved between the wallet and the market, and what it cost."""
    found: list[Posting] = []
    amounts = trade.moves(base, quote)
    for asset, amount in amounts[:2]:
        found += _pair(
            trade.trade_id, TRADE, (Book.WALLET, Book.TRADING), (asset, amount), trade.at_ns
        )
    for asset, amount in amounts[2:]:
        found += _pair(trade.trade_id, FEE, (Book.WALLET, Book.FEES), (asset, amount), trade.at_ns)
    return tuple(found)


def result(cycle_id: str, asset: str, profit: Decimal, at_ns: int) -> tuple[Posting, ...]:
    """Close what a cycle earned (or lost) of its start asset, fees included, into the capital."""
    return _pair(cycle_id, RESULT, (Book.TRADING, Book.CAPITAL), (asset, profit), at_ns)


def own_part(moved: Decimal, before: Decimal) -> Decimal:
    """What of a conversion's move of an asset is the owner's own.

    `before` is how far trading had moved the asset: what brings that nearer to zero is trading's,
    which has it back (or pays it) by this conversion. Only the rest changes what the owner has put
    into the asset.
    """
    if not before or (before > 0) == (moved > 0):
        return moved
    rest = _BOOKS.add(before, moved)
    return rest if (rest > 0) == (moved > 0) else ZERO


def conversion(cycle_id: str, asset: str, amount: Decimal, at_ns: int) -> tuple[Posting, ...]:
    """Move what a conversion did to one of its two assets from trading into the owner's capital."""
    return _pair(cycle_id, CONVERSION, (Book.TRADING, Book.CAPITAL), (asset, amount), at_ns)


def rounding(trade_id: str, asset: str, amount: Decimal, at_ns: int) -> tuple[Posting, ...]:
    """What the venue's ledger moved beyond what the trade states; no part of a cycle's result."""
    return _pair(trade_id, ROUNDING, (Book.WALLET, Book.CAPITAL), (asset, amount), at_ns)


def late_fee(ref: str, asset: str, amount: Decimal, at_ns: int) -> tuple[Posting, ...]:
    """What a posted fee (`ref`) took less (or more) than we had reckoned; of no cycle's result."""
    return _pair(ref, LATE_FEE, (Book.WALLET, Book.CAPITAL), (asset, amount), at_ns)


def rounded_cost(ref: str, asset: str, amount: Decimal, at_ns: int) -> tuple[Posting, ...]:
    """What the venue rounded of costs, as its balance shows it; no part of a cycle's result."""
    return _pair(ref, COST, (Book.WALLET, Book.CAPITAL), (asset, amount), at_ns)


def _pair(
    ref: str, kind: str, books: tuple[Book, Book], what: tuple[str, Decimal], at_ns: int
) -> tuple[Posting, ...]:
    asset, amount = what
    if not amount:
        return ()
    into, out_of = books
    return (
        Posting(ref, kind, into, asset, amount, at_ns),
        Posting(ref, kind, out_of, asset, _BOOKS.minus(amount), at_ns),
    )


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    found = ZERO
    for amount in amounts:
        found = _BOOKS.add(found, amount)
    return found
