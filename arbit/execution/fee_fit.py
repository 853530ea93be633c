"""Which trades a posted fee stands for (decision 0009). Pure; one asset at a time.

A fee fits trades when it is what we reckoned for them, give or take their slacks; rather less than
more, as what we reckon is rounded up. One trade is tried first, then all that wait, then trades
that follow each other, then any few; the oldest first each time. Trades with nearly the same fee
may be taken for each other. What is posted later then seems to fit nothing, or the balance shows
that another trade must be the one that waits: the pairs are made anew. Once all is posted, no sum
of money depends on them. At last all that was posted is held against all that waits, whichever
stands for which.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import accumulate

from arbit.domain.money import EXACT, ZERO
from arbit.domain.order import total
from arbit.domain.records import LateFee, PostedFee

# A posted fee may be of a day alone, in a time zone of the venue's: so much before its trade.
DAYS_NS = 2 * 86_400 * 1_000_000_000
FEW = 40  # trades among which any few are looked for
MOST_LOOKS = 2_000  # of that search
MOST_SWAPS = 50  # of pairs, when a balance shows that they are wrong
MOST_FEW = 4  # fees for which it is made: it is dear


@dataclass(slots=True)
class Fitted:
    """What fits. `late` are trades' fees whose `ref` is another than before.

    `booked` is, by posted fee, what it took less than was reckoned: positive comes in. So many are
    `left`, which fit nothing.
    """

    late: dict[str, LateFee] = field(default_factory=dict)
    booked: list[tuple[PostedFee, Decimal]] = field(default_factory=list)
    left: int = 0

    def close(self, posted: PostedFee, trades: Iterable[LateFee]) -> None:
        """This fee stands for these trades, which waited until now."""
        closed = [replace(one, ref=posted.ref) for one in trades]
        self.late |= {one.trade_id: one for one in closed}
        guess = total(one.guess for one in closed)
        self.booked.append((posted, EXACT.subtract(guess, posted.fee)))


def fit(
    posted: Iterable[PostedFee],
    waiting: Iterable[LateFee],
    stated: Sequence[tuple[PostedFee, LateFee]] = (),
    loose: Decimal = ZERO,
) -> Fitted:
    """Fit what can be, all of one asset. `stated` are pairs from before, of a fee and a trade.

    `loose` is by how much what waits may differ beside its slacks: see `LateFees`.
    """
    fees, trades = tuple(posted), tuple(waiting)
    tried = [_fit(fees, trades, stated, loose, several_first=True)]
    if tried[0].left:  # its groups may have taken what single fees need: the other way round
        tried.append(_fit(fees, trades, stated, loose, several_first=False))
    return min(tried, key=lambda one: one.left)


def _fit(
    posted: Sequence[PostedFee],
    waiting: Sequence[LateFee],
    stated: Sequence[tuple[PostedFee, LateFee]],
    loose: Decimal,
    *,
    several_first: bool,
) -> Fitted:
    found = Fitted()
    left = sorted(posted, key=lambda one: (one.at_ns, one.ref))
    open_ = {one.trade_id: one for one in sorted(waiting, key=_age)}
    pairs = list(stated)
    fitting = _Fitting(found, left, open_, pairs)
    for sure in (True, False) if several_first else ():
        fitting.several(sure=sure)
    steps = (fitting.alone, fitting.groups, fitting.fews)
    while any(step(sure=sure) for sure in (True, False) for step in steps):
        pass
    for fee in list(left):
        pairs = _paired_anew(found, fee, open_, pairs)
        if pairs and pairs[-1][0] is fee:
            left.remove(fee)
    _all_together(found, left, open_, loose)
    found.left = len(posted) - len(found.booked)
    return found


def fits(fee: Decimal, trades: Sequence[LateFee], loose: Decimal = ZERO) -> bool:
    """Whether the fee is what was reckoned for these trades, within their slacks."""
    return _off(fee, trades) <= EXACT.add(total(one.slack for one in trades), loose)


@dataclass(frozen=True, slots=True)
class Swap:
    """A posted fee stands for another trade than was thought: that one waits again."""

    posted: PostedFee
    closed: LateFee
    waits: LateFee

    @property
    def gain(self) -> Decimal:
        """What comes into the wallet by it."""
        return EXACT.subtract(self.closed.guess, self.waits.guess)


def swapped(
    off: Decimal, waiting: Sequence[LateFee], stated: Sequence[tuple[PostedFee, LateFee]]
) -> list[Swap]:
    """Swaps after which `off` (what the venue has beyond the ledger) is within the slacks.

    Each takes the pair that helps most; empty when it cannot be done, or need not.
    """
    slack = total(one.slack for one in waiting)
    open_ = {one.trade_id: one for one in waiting}
    pairs = {trade.trade_id: (fee, trade) for fee, trade in stated}
    done: list[Swap] = []
    while abs(off) > slack:
        able = _swaps(open_.values(), pairs.values())
        best = min(able, key=lambda swap: abs(EXACT.subtract(off, swap.gain)), default=None)
        if best is None or len(done) == MOST_SWAPS:
            return []
        left = EXACT.subtract(off, best.gain)
        if abs(left) >= abs(off):
            return []
        off = left
        done.append(best)
        del open_[best.closed.trade_id], pairs[best.waits.trade_id]
        open_[best.waits.trade_id] = best.waits
        pairs[best.closed.trade_id] = (best.posted, best.closed)
    return done


def _swaps(
    waiting: Iterable[LateFee], pairs: Iterable[tuple[PostedFee, LateFee]]
) -> Iterator[Swap]:
    """Every trade that waits in the place of every one that it may be taken for."""
    by_guess = sorted(waiting, key=lambda one: one.guess)
    guesses = [one.guess for one in by_guess]
    for fee, trade in pairs:
        low = bisect_left(guesses, EXACT.subtract(fee.fee, trade.slack))
        high = bisect_right(guesses, EXACT.add(fee.fee, trade.slack))
        for one in by_guess[low:high]:
            if one.slack == trade.slack and one.guess != trade.guess and may_be_of(fee, one):
                yield Swap(fee, replace(one, ref=fee.ref), replace(trade, ref=""))


def may_be_of(posted: PostedFee, trade: LateFee) -> bool:
    """Whether a fee of this asset can stand for this trade, the amounts apart."""
    same = posted.asset == trade.asset and posted.symbol in {"", trade.symbol}
    return same and trade.at_ns < posted.at_ns + DAYS_NS


Open = dict[str, LateFee]


def _age(trade: LateFee) -> tuple[int, str]:
    return trade.at_ns, trade.trade_id


class _Fitting:
    """Fees and trades that are left. Each step takes away what it fits, and says whether it did.

    `sure` wants no more taken than was reckoned. What is reckoned is rounded up where a venue does
    not tell how it rounds, so more is seldom taken: such a fit is believed when there is no other.
    Else a group's fee was taken for that of a trade of nearly its size, or its
    smallest trade was left out where the others' slacks were enough.

    Thousands may wait, and nothing else is done meanwhile: no step holds every fee against every
    trade.
    """

    def __init__(
        self,
        found: Fitted,
        left: list[PostedFee],
        waiting: Open,
        pairs: list[tuple[PostedFee, LateFee]],
    ) -> None:
        self._found = found
        self._left = left
        self._waiting = waiting
        self._pairs = pairs

    def alone(self, *, sure: bool) -> bool:
        """One trade for a fee, the oldest. What fits none will fit none once others are gone."""
        by_guess, fitted = _ByGuess(self._waiting.values()), False
        for fee in list(self._left):
            able = by_guess.able(fee, sure=sure)
            if (trade := min(able, key=_age, default=None)) is not None:
                by_guess.remove(trade)
                self._close(fee, (trade,))
                self._pairs.append((fee, self._found.late[trade.trade_id]))
                fitted = True
        return fitted

    def several(self, *, sure: bool) -> None:
        """Fees that no trade could have alone choose first, while all their trades are there."""
        by_guess = _ByGuess(self._waiting.values())
        big = [fee for fee in self._left if next(by_guess.able(fee), None) is None]
        others = {fee.ref for fee in self._left} - {fee.ref for fee in big}
        first = _Fitting(self._found, big, self._waiting, self._pairs)
        while first.groups(sure=sure) or first.fews(sure=sure):
            pass
        others |= {fee.ref for fee in big}
        self._left[:] = [fee for fee in self._left if fee.ref in others]

    def groups(self, *, sure: bool) -> bool:
        """All that wait, or trades that follow each other, for each fee in turn."""
        in_turn, fitted, untried = _InTurn(self._waiting), False, list(self._left)
        while untried:
            whole = (
                (one, group) for one in self._left if (group := _whole(one, in_turn, sure=sure))
            )
            fee, group = next(whole, (untried[0], ()))
            group = group or _run(fee, in_turn, sure=sure)
            if fee in untried:
                untried.remove(fee)
            if group:
                self._close(fee, group)
                in_turn, fitted = _InTurn(self._waiting), True
        return fitted

    def fews(self, *, sure: bool) -> bool:
        """Any few for one of the fees."""
        in_turn = _InTurn(self._waiting)
        for fee in self._left if len(self._left) <= MOST_FEW else ():
            if group := _few(fee, in_turn, sure=sure):
                self._close(fee, group)
                return True
        return False

    def _close(self, fee: PostedFee, group: Sequence[LateFee]) -> None:
        self._found.close(fee, group)
        self._left.remove(fee)
        for trade in group:
            del self._waiting[trade.trade_id]


class _ByGuess:
    """Trades by what was reckoned: those that a fee fits are found without a look at the others."""

    def __init__(self, trades: Iterable[LateFee]) -> None:
        self._trades = sorted(trades, key=lambda one: (one.guess, *_age(one)))
        self._guesses = [one.guess for one in self._trades]
        self._slack = max((one.slack for one in self._trades), default=ZERO)

    def able(self, posted: PostedFee, *, sure: bool = False) -> Iterator[LateFee]:
        """Trades that the fee fits alone; of those reckoned alike the oldest."""
        least = posted.fee if sure else EXACT.subtract(posted.fee, self._slack)
        index = bisect_left(self._guesses, least)
        last = bisect_right(self._guesses, EXACT.add(posted.fee, self._slack))
        while index < last:
            one = self._trades[index]
            index += 1
            if may_be_of(posted, one) and fits(posted.fee, (one,)):
                yield one
                index = bisect_right(self._guesses, one.guess, lo=index)

    def remove(self, trade: LateFee) -> None:
        """It is taken."""
        index = bisect_left(self._guesses, trade.guess)
        while self._trades[index].trade_id != trade.trade_id:
            index += 1
        del self._trades[index], self._guesses[index]


class _InTurn:
    """What waits, oldest first, and its sums from the first on: of all, or of one market."""

    def __init__(self, waiting: Open) -> None:
        self._waiting = waiting
        self._sums: dict[str, _Sums] = {}

    def of(self, posted: PostedFee) -> tuple[_Sums, int]:
        """The sums for this fee, and how many of their trades it may stand for."""
        if posted.symbol not in self._sums:
            able = (o for o in self._waiting.values() if posted.symbol in {"", o.symbol})
            self._sums[posted.symbol] = _Sums(list(able))
        sums = self._sums[posted.symbol]
        return sums, bisect_left(sums.at_ns, posted.at_ns + DAYS_NS)


class _Sums:
    """Trades in turn; what they come to together at least, at most, and as reckoned."""

    def __init__(self, trades: list[LateFee]) -> None:
        self.trades = trades
        self.at_ns = [one.at_ns for one in trades]
        self.guesses = _added(one.guess for one in trades)
        self.lows = _added(EXACT.subtract(one.guess, one.slack) for one in trades)
        self.highs = _added(EXACT.add(one.guess, one.slack) for one in trades)


def _added(amounts: Iterable[Decimal]) -> list[Decimal]:
    return list(accumulate(amounts, EXACT.add, initial=ZERO))


def _whole(posted: PostedFee, in_turn: _InTurn, *, sure: bool) -> Sequence[LateFee]:
    sums, count = in_turn.of(posted)
    most = sums.guesses[count] if sure else sums.highs[count]
    return sums.trades[:count] if count and sums.lows[count] <= posted.fee <= most else ()


def _run(posted: PostedFee, in_turn: _InTurn, *, sure: bool) -> Sequence[LateFee]:
    """Trades that follow each other: from the oldest that will do, and as near as they come."""
    sums, count = in_turn.of(posted)
    lows, most, end_at = sums.lows, sums.guesses if sure else sums.highs, count + 1
    for start in range(count):
        # Sums from here on: the least may be as much as the fee, the most must be.
        first = bisect_left(most, EXACT.add(posted.fee, most[start]), start + 1, end_at)
        low = EXACT.add(posted.fee, lows[start])
        last = bisect_right(lows, low, start + 1, end_at)
        ends = [end for end in range(first, last) if lows[end] <= low]
        if ends:
            exact = EXACT.add(posted.fee, sums.guesses[start])
            end = min(ends, key=lambda one: abs(EXACT.subtract(exact, sums.guesses[one])))
            return sums.trades[start:end]
    return ()


def _few(posted: PostedFee, in_turn: _InTurn, *, sure: bool) -> Sequence[LateFee]:
    """Any few of the oldest, within so many looks."""
    sums, count = in_turn.of(posted)
    among, looks = sums.trades[: min(count, FEW)], MOST_LOOKS
    rest = [*accumulate((EXACT.add(one.guess, one.slack) for one in reversed(among)), initial=ZERO)]
    stack: list[tuple[int, tuple[LateFee, ...], Decimal, Decimal]] = [(0, (), posted.fee, ZERO)]
    while stack and looks:
        looks -= 1
        index, taken, left, slack = stack.pop()
        if taken and abs(left) <= slack and not (sure and left > 0):
            return taken
        beyond = EXACT.add(left, slack) < 0 or EXACT.subtract(left, slack) > rest[-1 - index]
        if index == len(among) or beyond:
            continue
        one = among[index]
        with_it = (EXACT.subtract(left, one.guess), EXACT.add(slack, one.slack))
        stack += [(index + 1, taken, left, slack), (index + 1, (*taken, one), *with_it)]
    return ()


def _paired_anew(
    found: Fitted, fee: PostedFee, waiting: Open, pairs: list[tuple[PostedFee, LateFee]]
) -> list[tuple[PostedFee, LateFee]]:
    """Pair single fees and trades anew so that this fee has one, too; the pairs, it last if so.

    Each fee takes the trade whose figure could be the least: if any pairing is whole, this is.
    """
    fees = sorted((*(one for one, _ in pairs), fee), key=lambda one: (one.fee, one.at_ns, one.ref))
    before = {trade.trade_id: trade for _, trade in pairs}
    free = {**before, **waiting}
    by_guess = _ByGuess(free.values())
    anew: dict[str, tuple[PostedFee, LateFee]] = {}
    for one in fees:
        able = by_guess.able(one)
        chosen = min(able, key=lambda t: (EXACT.add(t.guess, t.slack), _age(t)), default=None)
        if chosen is None:
            return pairs
        by_guess.remove(chosen)
        del free[chosen.trade_id]
        anew[one.ref] = (one, replace(chosen, ref=one.ref))
    found.late |= {trade.trade_id: trade for _, trade in anew.values()}
    found.late |= {one: replace(free[one], ref="") for one in before if one in free}
    for trade_id in [one for one in waiting if one not in free]:
        del waiting[trade_id]
    waiting |= {one: found.late[one] for one in before if one in free}
    guess = EXACT.subtract(
        total(trade.guess for _, trade in anew.values()), total(t.guess for t in before.values())
    )
    found.booked.append((fee, EXACT.subtract(guess, fee.fee)))
    last = anew.pop(fee.ref)
    return [*anew.values(), last]


def _all_together(found: Fitted, left: list[PostedFee], waiting: Open, loose: Decimal) -> None:
    able = [one for one in waiting.values() if all(may_be_of(fee, one) for fee in left)]
    if not left or not able or not fits(total(fee.fee for fee in left), able, loose):
        return
    for fee in left[1:]:
        found.booked.append((fee, EXACT.minus(fee.fee)))
    found.close(left[0], able)


def _off(fee: Decimal, trades: Sequence[LateFee]) -> Decimal:
    return abs(EXACT.subtract(fee, total(one.guess for one in trades)))
