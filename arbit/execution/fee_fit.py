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

    `booked` is, by posted fee, what it took less than was reckoned: positive comes in.
    """

    late: dict[str, LateFee] = field(default_factory=dict)
    booked: list[tuple[PostedFee, Decimal]] = field(default_factory=list)

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
    found = Fitted()
    left = sorted(posted, key=lambda one: (one.at_ns, one.ref))
    open_ = {one.trade_id: one for one in sorted(waiting, key=_age)}
    pairs = list(stated)
    while left and open_:
        looks = _LOOKS if len(left) <= MOST_FEW else _LOOKS[:-1]
        tries = ((look, p, sure) for sure in (True, False) for look in looks for p in left)
        one = next(((p, g) for look, p, sure in tries if (g := look(p, open_, sure=sure))), None)
        if one is None:
            break
        fee, group = one
        found.close(fee, group)
        left.remove(fee)
        for trade in group:
            del open_[trade.trade_id]
        if len(group) == 1:
            pairs.append((fee, found.late[group[0].trade_id]))
    for fee in list(left):
        pairs = _paired_anew(found, fee, open_, pairs)
        if pairs and pairs[-1][0] is fee:
            left.remove(fee)
    _all_together(found, left, open_, loose)
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


def _candidates(posted: PostedFee, waiting: Open) -> list[LateFee]:
    return [one for one in waiting.values() if may_be_of(posted, one)]


def _single(posted: PostedFee, waiting: Open, *, sure: bool) -> Sequence[LateFee]:
    among = _candidates(posted, waiting)
    return next(((one,) for one in among if _stands(posted.fee, (one,), sure=sure)), ())


def _whole(posted: PostedFee, waiting: Open, *, sure: bool) -> Sequence[LateFee]:
    among = _candidates(posted, waiting)
    return among if among and _stands(posted.fee, among, sure=sure) else ()


def _run(posted: PostedFee, waiting: Open, *, sure: bool) -> Sequence[LateFee]:
    """Trades that follow each other: from the oldest that will do, and as near as they come."""
    among = _candidates(posted, waiting)
    lows = list(accumulate((EXACT.subtract(o.guess, o.slack) for o in among), initial=ZERO))
    highs = list(accumulate((EXACT.add(o.guess, o.slack) for o in among), initial=ZERO))
    for start in range(len(among)):
        # Sums from here on: the least may be as much as the fee, the most must be.
        first = bisect_left(highs, EXACT.add(posted.fee, highs[start]), lo=start + 1)
        last = bisect_right(lows, EXACT.add(posted.fee, lows[start]), lo=start + 1)
        ends = [
            end for end in range(first, last) if _stands(posted.fee, among[start:end], sure=sure)
        ]
        if ends:
            return among[start : min(ends, key=lambda end: _off(posted.fee, among[start:end]))]
    return ()


def _few(posted: PostedFee, waiting: Open, *, sure: bool) -> Sequence[LateFee]:
    """Any few of the oldest, within so many looks."""
    among, looks = _candidates(posted, waiting)[:FEW], MOST_LOOKS
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


_LOOKS = (_single, _whole, _run, _few)


def _paired_anew(
    found: Fitted, fee: PostedFee, waiting: Open, pairs: list[tuple[PostedFee, LateFee]]
) -> list[tuple[PostedFee, LateFee]]:
    """Pair single fees and trades anew so that this fee has one, too; the pairs, it last if so.

    Each fee takes the trade whose figure could be the least: if any pairing is whole, this is.
    """
    fees = sorted((*(one for one, _ in pairs), fee), key=lambda one: (one.fee, one.at_ns, one.ref))
    before = {trade.trade_id: trade for _, trade in pairs}
    free = {**before, **waiting}
    anew: dict[str, tuple[PostedFee, LateFee]] = {}
    for one in fees:
        able = [t for t in free.values() if may_be_of(one, t) and fits(one.fee, (t,))]
        if not able:
            return pairs
        chosen = min(able, key=lambda t: (EXACT.add(t.guess, t.slack), _age(t)))
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


def _stands(fee: Decimal, trades: Sequence[LateFee], *, sure: bool) -> bool:
    """Whether the fee may be of these; `sure` wants no more taken than was reckoned.

    What is reckoned is rounded up where a venue does not tell how it rounds, so that is seldom so:
    such a fit is believed when there is no other. Else a group's fee was taken for that of a trade
    of nearly its size, or its smallest trade was left out where the others' slacks were enough.
    """
    return fits(fee, trades) and not (sure and fee > total(one.guess for one in trades))


def _off(fee: Decimal, trades: Sequence[LateFee]) -> Decimal:
    return abs(EXACT.subtract(fee, total(one.guess for one in trades)))
