"""Taker fees as they are reckoned with: what the venue says, or fills took where that is more.

A fill that was dearer makes the venue's fees doubtful: nothing new begins until the venue was
asked. Meanwhile ways home are priced with what was taken, and every other market as much dearer:
a fee tier is the account's. Then the venue's answer holds, but never below what was taken, until a
week has passed in which nothing was taken any more but the venue still says otherwise. What a user
has set is kept where it is more than both.

Synchronous: fills and answers come in, rates and words go out. Rates are fractions by symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from arbit.domain.fees import Fee, FeeSource, bps_words
from arbit.domain.money import EXACT, ZERO
from arbit.domain.realised import MOST, Realised

NAMED = 3  # markets that are named where many changed
LASTS_NS = 7 * 86_400 * 1_000_000_000  # what was taken, against answers that say less


@dataclass(frozen=True, slots=True)
class _Taken:
    """A fee that fills took and the venue's answer did not explain; `seen_ns` is its clock's."""

    fee: Realised
    seen_ns: int  # 0 while nobody knows


class FeeTable:
    """The fees of one account. `changed` is told of those that are others from now on."""

    def __init__(
        self,
        fees: Mapping[str, Fee],
        *,
        stated: Callable[[str], Decimal | None] = lambda _: None,
        known_ns: int = 0,
    ) -> None:
        """`fees` as a start has them; `stated` is what the user set for a market, a fraction.

        What was traded before `known_ns` (the venue's wall time) says nothing against them; with 0
        that time is not known.
        """
        self.fees = dict(fees)
        self.rates = {symbol: fee.rate for symbol, fee in fees.items()}  # for ways home
        self.cheaper = False  # a fill took less than the venue said: worth a question, no more
        self.changed: Callable[[Mapping[str, Fee]], None] = lambda _: None
        self._stated = stated
        self._known_ns = known_ns
        self._said = {  # by the venue itself
            symbol: fee.rate for symbol, fee in fees.items() if fee.source is FeeSource.ACCOUNT
        }
        self._told: dict[str, Decimal] = {}  # what an operator knows of already
        self._doubts: dict[str, Realised] = {}  # what was taken, and is to be explained
        self._taken: dict[str, _Taken] = {}  # what was, and the venue's answer did not explain

    def doubt(self) -> str:
        """Why nothing new may begin, in words; empty while the fees are as they should be."""
        if not self._doubts:
            return ""
        doubts = list(self._doubts.items())[:NAMED]
        took = "; ".join(_surprise(one, took, self.fees[one].rate) for one, took in doubts)
        return f"the venue is asked for its fees: {took}"

    @property
    def doubts(self) -> Mapping[str, Realised]:
        """What is to be explained, as of now."""
        return dict(self._doubts)

    def heard(self, symbol: str, took: Realised, reckoned: Decimal, at_ns: int) -> str:
        """A fill of ours was taken this, at the venue's time. What to tell of it; empty: nothing.

        `reckoned` is what its own order reckoned with. A dearer fee is told when it is news. A time
        of 0 is none: nobody can say that such a fill is old.
        """
        fee = self.fees.get(symbol)
        counts = fee is not None and (at_ns <= 0 or at_ns >= self._known_ns)
        if fee is not None and counts and took.dearer(fee.rate):
            news = not self._doubts
            before = self._doubts.get(symbol)
            if before is None or took.surely > before.surely:
                self._doubts[symbol] = took
                self._raise()
            self._told[symbol] = took.rate
            said = _surprise(symbol, took, fee.rate)
            return said + "; nothing new begins until the venue is asked" if news else ""
        if counts:
            self._note_cheaper(symbol, took, at_ns)
        if not took.dearer(max(reckoned, self._told.get(symbol, ZERO))):
            return ""
        self._told[symbol] = took.rate  # of an order from before the fees were known as they are
        return _surprise(symbol, took, reckoned)

    def _note_cheaper(self, symbol: str, took: Realised, at_ns: int) -> None:
        said, taken = self._said.get(symbol), self._taken.get(symbol)
        if taken is not None:
            cheaper = took.cheaper(taken.fee.rate)  # the newest fill is the best witness
            fee, seen_ns = (took if cheaper else taken.fee), max(taken.seen_ns, at_ns)
            self._taken[symbol] = taken = _Taken(fee, seen_ns)
            self.cheaper = self.cheaper or cheaper
        if said is not None and took.cheaper(max(said, taken.fee.rate if taken else ZERO)):
            self.cheaper = True

    def _raise(self) -> None:
        """Ways home reckon with what was taken, and with as much more on every other market."""
        rises = [
            EXACT.subtract(took.rate, self._said.get(symbol, self.fees[symbol].rate))
            for symbol, took in self._doubts.items()
            if took.rate < MOST  # so much is no tier: it says nothing of other markets
        ]
        rise = max(rises, default=ZERO)
        for symbol, fee in self.fees.items():
            own = self._said.get(symbol, fee.rate)
            took = self._doubts.get(symbol)
            raised = EXACT.add(own, rise) if rise > 0 else own
            self.rates[symbol] = max(fee.rate, raised, took.rate if took else ZERO)

    def answered(
        self, answer: Mapping[str, Decimal], asked: Mapping[str, Realised], known_ns: int
    ) -> str:
        """The venue says these fees; what changes by that, in words, empty when nothing does.

        `asked` are the doubts as they were when it was asked: what came later waits for the next
        answer, unless this one explains it. `known_ns` is a time of the venue's before that.
        """
        self._said.update(answer)
        self.cheaper, self._known_ns = False, known_ns
        for symbol, took in list(self._doubts.items()):
            explained = not took.dearer(self._said.get(symbol, ZERO))
            if explained or asked.get(symbol) is took:
                del self._doubts[symbol]
                self._taken[symbol] = _Taken(took, known_ns)
        for symbol, taken in list(self._taken.items()):
            seen_ns = taken.seen_ns or known_ns
            lapsed = 0 < seen_ns < known_ns - LASTS_NS
            if lapsed or not taken.fee.dearer(self._said.get(symbol, ZERO)):
                del self._taken[symbol]
            else:
                self._taken[symbol] = replace(taken, seen_ns=seen_ns)
        before = dict(self.fees)
        fresh = {symbol: self._fee(symbol) for symbol in {**before, **self._said}}
        changed = {s: fee for s, fee in fresh.items() if _is_news(fee, before.get(s))}
        self.fees.update(changed)
        self._told.update({symbol: fee.rate for symbol, fee in changed.items()})
        self._raise()
        if changed:
            self.changed(changed)
        return self._words(before, changed)

    def _fee(self, symbol: str) -> Fee:
        """The most of what the venue says, what the user set, and what fills took."""
        stated, said, taken = self._stated(symbol), self._said.get(symbol), self._taken.get(symbol)
        found = []
        if taken is not None:
            found.append(Fee(taken.fee.rate, FeeSource.REALISED))
        if said is not None:
            found.append(Fee(said, FeeSource.ACCOUNT))
        if stated is not None:
            found.append(Fee(stated, FeeSource.OVERRIDE))
        if said is None:  # the venue does not say: it stays as it was
            found.append(self.fees[symbol])
        return max(found, key=lambda fee: fee.rate)

    def _words(self, before: Mapping[str, Fee], changed: Mapping[str, Fee]) -> str:
        moves: dict[str, list[str]] = {}
        for symbol, fee in changed.items():
            old = before.get(symbol)
            if old is not None and bps_words(old.rate) == bps_words(fee.rate):
                continue
            was = "unknown" if old is None else f"{bps_words(old.rate)} bps"
            told = f"from {was} to {bps_words(fee.rate)} bps"
            if fee.source is FeeSource.REALISED:
                said = self._said.get(symbol)
                venue = "nothing" if said is None else f"{bps_words(said)} bps"
                told += f", as fills took, though the venue says {venue}"
            stated = self._stated(symbol)
            if stated is not None and stated < fee.rate:
                told += f", more than the {bps_words(stated)} bps that are set"
            moves.setdefault(told, []).append(symbol)
        return "; ".join(f"{_names(symbols)} {told}" for told, symbols in moves.items())


def _is_news(fee: Fee, before: Fee | None) -> bool:
    """The same fee from another source is none (paper's answer is our own list), but for fills."""
    taken = before is not None and FeeSource.REALISED in {fee.source, before.source}
    return before is None or fee.rate != before.rate or (taken and fee != before)


def _surprise(symbol: str, took: Realised, reckoned: Decimal) -> str:
    return f"{symbol} took a fee of {bps_words(took.rate)} bps, {bps_words(reckoned)} were expected"


def _names(symbols: list[str]) -> str:
    more = len(symbols) - NAMED
    return ", ".join(symbols[:NAMED]) + (f" and {more} more" if more > 0 else "")
