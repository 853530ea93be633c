"""Fees that the venue takes with a trade and states later (decision 0009).

Our reckoning is booked with the trade; until the venue posts its own figure, its balance may differ
by the trade's slack. A posted fee closes what waits: the difference is booked, once, by the fee's
own id, and balances and books are equal again to the last digit. One that fits nothing is kept and
told: of trades before us, or of somebody else's, or more than a fee may differ by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from arbit.domain.account import FEE_POSTED, Balance, Flow
from arbit.domain.money import BPS, EXACT, ZERO, plain
from arbit.domain.order import Trade, total
from arbit.domain.records import LateFee, PostedFee, PostedState, Rough
from arbit.domain.triangle import Side
from arbit.execution.fee_fit import DAYS_NS, fit, fits, may_be_of, swapped
from arbit.execution.setup import MS, EngineSetup
from arbit.execution.works import Pad
from arbit.ledger import Ledger, late_fee

AGAIN_NS = 6_000 * MS  # what fits nothing is told when it still does so long after it was seen
MAX_WAITING = 20_000  # trades whose fees wait; beyond, nothing new begins
MAX_STATED = 500  # trades, the newest, whose fees were stated and may be paired anew
MAX_LEFT = 100  # posted fees that fit nothing and are tried again
OVERDUE_NS = 5 * 86_400_000 * MS  # a fee is posted within days: later it is told once
A_ROW_NS = 30 * MS  # between two lists for each row of the first: a hundred of them are a request
# What was not posted for so long is not looked for any more: one that never is (rounded to nothing)
# would have ever more of the account's history listed, until nobody can list it. Its slack stays.
GIVEN_UP_NS = 14 * 86_400_000 * MS
FAR = 4  # times the slack: beyond, no other pairs of fees and trades would explain a difference
LAST_TIERS = 5  # trades, the newest, that may have been at another rate than those before


def waits(ledger: Ledger, pad: Pad, trade: Trade) -> None:
    """If the trade's fee is our reckoning, it waits for the venue's figure from now on.

    The cost waits to be compared with the venue's balance, for the same reason (decision 0012).
    """
    if (cost := Rough.of(trade)) is None:
        return
    ledger.cost_rough(trade.symbol.rpartition("/")[2], cost)
    for asset, guess in trade.fees:
        gross = trade.qty if trade.side is Side.BUY else trade.cost  # of what it received
        fee = LateFee(
            trade.trade_id, trade.symbol, asset, guess, trade.fee_slack or ZERO, gross, trade.at_ns
        )
        ledger.fee_waits(fee)
        pad.late_fees[trade.trade_id] = fee


@dataclass(frozen=True, slots=True)
class Strange:
    """Posted fees that fit nothing, in words; `ours` when one must be a trade's of ours."""

    said: str
    ours: bool


class LateFees:
    """What waits, what was posted, and when it is time to ask."""

    def __init__(self, setup: EngineSetup) -> None:
        self._setup = setup
        self._posted: dict[str, PostedFee] | None = None  # those of use; None: not read yet
        self._stated: dict[str, LateFee] = {}  # the newest that were stated
        self._seen_ns: dict[str, int] = {}  # since when a fee is known that fits nothing
        self._due_ns = 0
        self._rows = 0  # that were listed last
        self._told_overdue = False

    @property
    def due(self) -> bool:
        """Whether it is time to ask what was posted: while something waits, now and then."""
        waiting = self._setup.ledger.fees_waiting or self._seen_ns
        return bool(waiting) and self._setup.now_ns >= self._due_ns

    def since_ns(self, since_ns: int) -> int:
        """From when to ask for flows, so that the fees of what waits are among them."""
        from_ns = (self._setup.venue_ns or 0) - GIVEN_UP_NS
        young = (one.at_ns for one in self._setup.ledger.late_fees if one.at_ns >= from_ns)
        oldest_ns = next(young, None)
        return since_ns if oldest_ns is None else min(since_ns, max(0, oldest_ns - DAYS_NS))

    def too_many(self) -> str:
        """Why nothing new may begin; empty while it may."""
        count = self._setup.ledger.fees_waiting
        said = f"{count} trades wait for the venue to post their fees"
        return said if count > MAX_WAITING else ""

    def take(self, flows: Iterable[Flow]) -> list[Flow]:
        """Keep what was posted; the other flows are given back."""
        others: list[Flow] = []
        posted: list[Flow] = []
        for one in flows:
            (posted if one.kind == FEE_POSTED else others).append(one)
        self._rows = len(posted) + len(others)
        self._remember()  # though nothing waits: an operator may have closed what is posted later
        known = self._setup.journal.known_flows([one.ref for one in posted]) if posted else ()
        for one in posted:
            if one.ref not in known and one.ref not in self._mine:
                fee = EXACT.minus(one.amount)
                self._mine[one.ref] = PostedFee(one.ref, one.symbol, one.asset, fee, one.at_ns)
                self._seen_ns[one.ref] = self._setup.now_ns
        return others

    def settle(self, pad: Pad) -> None:
        """Book what fits, and note what does not."""
        waiting: dict[str, list[LateFee]] = {}
        for late in self._setup.ledger.late_fees:
            waiting.setdefault(late.asset, []).append(late)
        left: dict[str, list[PostedFee]] = {}
        for posted in self._left():
            left.setdefault(posted.asset, []).append(posted)
            pad.posted_fees[posted.ref] = posted
        for asset, fees in left.items():
            self._settle(pad, fees, waiting.get(asset, []))
        self._setup.ledger.fees_loose(self._loose())
        every_ns = self._setup.fees_posted_every_ns
        wait_ns = min(AGAIN_NS, every_ns) if self._seen_ns else every_ns
        self._due_ns = self._setup.now_ns + max(wait_ns, self._rows * A_ROW_NS)

    def agree(self, pad: Pad, balances: Mapping[str, Balance]) -> None:
        """Where a balance is beyond the slack, see whether other pairs of fees and trades fit."""
        ledger = self._setup.ledger
        for asset, balance in balances.items():
            off, slack = ledger.drift(asset, balance.total), ledger.slack(asset)
            if not slack or abs(off) <= slack or abs(off) > FAR * slack:
                continue
            waiting = [one for one in ledger.late_fees if one.asset == asset]
            for swap in swapped(off, waiting[:MAX_STATED], self._pairs(asset)):
                self._close(pad, swap.waits)
                self._close(pad, swap.closed)
                self._post(pad, swap.posted, swap.gain)

    def strange(self, pad: Pad, opened_ns: int) -> Strange | None:
        """What still fits nothing some seconds after it was first seen, once."""
        now_ns, found = self._setup.now_ns, list[PostedFee]()
        for ref, since_ns in list(self._seen_ns.items()):
            if now_ns - since_ns >= AGAIN_NS:
                found.append(self._mine[ref])
                del self._seen_ns[ref]
        if not found:
            return None
        for one in found:
            self._mine[one.ref] = pad.posted_fees[one.ref] = replace(one, state=PostedState.TOLD)
        told = ", ".join(f"{plain(one.fee)} {one.asset} ({one.ref})" for one in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        said = f"posted fees that fit no trade of ours: {told}{more}"
        return Strange(said, any(self._must_be_ours(one, opened_ns) for one in found))

    def accepted(self, pad: Pad, asset: str, ref: str) -> None:
        """An operator took the balance of this asset as it is, and `ref` is the flow of it.

        What the fees differed by is in it; what is posted for them later is not booked again.
        """
        for late in self._setup.ledger.late_fees:
            if late.asset == asset:
                self._close(pad, replace(late, ref=ref))

    def overdue(self) -> str:
        """What should have been posted long ago, in words, once."""
        waiting, venue_ns = self._setup.ledger.late_fees, self._setup.venue_ns
        if not waiting or venue_ns is None or venue_ns - waiting[0].at_ns < OVERDUE_NS:
            self._told_overdue = False
            return ""
        if self._told_overdue:
            return ""
        self._told_overdue = True
        old = [one for one in waiting if venue_ns - one.at_ns >= OVERDUE_NS]
        return f"the venue has not posted the fees of {len(old)} trades for days"

    def words(self, drifted: Mapping[str, Decimal]) -> str:
        """What late fees may explain of a difference, and which rate would explain it all."""
        said = ""
        for asset, by in drifted.items():
            if slack := self._setup.ledger.slack(asset):
                said += f"; {plain(by)} {asset} is beyond the {plain(slack)} of fees not yet posted"
                if bps := self._rate_that_fits(asset, by):
                    said += f": as if the fee were {bps} bps, taker_fee_bps seems to be another one"
        return said

    def _rate_that_fits(self, asset: str, by: Decimal) -> str:
        """The whole basis points that explain a difference, of all that waits or of the newest."""
        waiting = [one for one in self._setup.ledger.late_fees if one.asset == asset]
        for count in (len(waiting), *range(1, min(LAST_TIERS, len(waiting)))):
            some = waiting[-count:]
            gross, guess = total(one.gross for one in some), total(one.guess for one in some)
            if gross <= 0:
                continue
            took = EXACT.subtract(guess, by)
            bps = EXACT.divide(EXACT.multiply(took, BPS), gross).to_integral_value()
            off = abs(EXACT.subtract(took, EXACT.divide(EXACT.multiply(gross, bps), BPS)))
            slack = total(one.slack for one in waiting)
            if 0 <= bps <= BPS / 10 and off <= EXACT.add(slack, slack):
                return plain(bps)
        return ""

    # --- small things ----------------------------------------------------------------------------

    @property
    def _mine(self) -> dict[str, PostedFee]:
        # Nothing is known by it before the journal was read: `_remember` still has to.
        return {} if self._posted is None else self._posted

    def _remember(self) -> None:
        """What an earlier run was posted; JournalFailed when nobody can say."""
        if self._posted is None:
            stated, posted = self._setup.journal.stated_fees()
            oldest_first = sorted(stated, key=lambda one: one.at_ns)
            self._stated = {one.trade_id: one for one in oldest_first}
            self._posted = {one.ref: one for one in posted}
            waits_ = (one.ref for one in posted if one.state is PostedState.WAITS)
            self._seen_ns |= dict.fromkeys(waits_, self._setup.now_ns)

    def _left(self) -> Sequence[PostedFee]:
        left = [one for one in self._mine.values() if one.state is not PostedState.FITS]
        for old in sorted(left, key=lambda one: one.at_ns)[:-MAX_LEFT]:
            if old.ref not in self._seen_ns:  # it was told: it is kept in the journal alone
                del self._mine[old.ref]
                left.remove(old)
        return left

    def _settle(self, pad: Pad, fees: Sequence[PostedFee], waiting: Sequence[LateFee]) -> None:
        asset = fees[0].asset
        found = fit(fees, waiting, self._pairs(asset), self._loose().get(asset, ZERO))
        for late in found.late.values():
            self._close(pad, late)
        for posted, off in found.booked:
            self._mine[posted.ref] = replace(posted, state=PostedState.FITS)
            pad.posted_fees[posted.ref] = self._mine[posted.ref]
            self._seen_ns.pop(posted.ref, None)
            self._post(pad, posted, off)
        self._forget()

    def _loose(self) -> dict[str, Decimal]:
        """The slacks of the newest trades whose fees were posted several together, by asset.

        Which trades those are follows from sums: one that waits may be of them in truth, and one
        of them may wait. While something of the asset waits, it may differ by so much more.
        """
        count: dict[str, int] = {}
        for late in self._stated.values():
            count[late.ref] = count.get(late.ref, 0) + 1
        found: dict[str, Decimal] = {}
        for late in self._stated.values():
            if count[late.ref] > 1 and late.ref in self._mine:
                found[late.asset] = EXACT.add(found.get(late.asset, ZERO), late.slack)
        return found

    def _pairs(self, asset: str) -> list[tuple[PostedFee, LateFee]]:
        """Each fee of the asset that was posted for one trade alone, with that trade."""
        return [
            (self._mine[late.ref], late)
            for late in self._stated.values()
            if late.asset == asset
            and late.ref in self._mine
            and fits(self._mine[late.ref].fee, (late,))
        ]

    def _post(self, pad: Pad, posted: PostedFee, amount: Decimal) -> None:
        postings = late_fee(posted.ref, posted.asset, amount, posted.at_ns)
        self._setup.ledger.apply(postings)
        pad.postings += postings

    def _close(self, pad: Pad, late: LateFee) -> None:
        pad.late_fees[late.trade_id] = late
        if late.ref:
            self._setup.ledger.fee_stated(late.trade_id)
            self._stated[late.trade_id] = late
        else:  # another trade of the same fee is stated in its place
            self._setup.ledger.fee_waits(late)
            self._stated.pop(late.trade_id, None)

    def _forget(self) -> None:
        """Only the newest of what is closed may still be paired otherwise."""
        while len(self._stated) > MAX_STATED:
            ref = self._stated.pop(next(iter(self._stated))).ref
            if ref not in {one.ref for one in self._stated.values()}:
                self._mine.pop(ref, None)

    def _must_be_ours(self, posted: PostedFee, opened_ns: int) -> bool:
        """Whether it is more (or less) than a trade's fee that waits, and cannot be another's.

        What was traded just before the account was opened may be posted after it; and what an
        operator has accepted is posted without a place.
        """
        taken = any(
            late.asset == posted.asset and late.ref and late.ref not in self._mine
            for late in self._stated.values()
        )
        if taken or posted.at_ns <= opened_ns + DAYS_NS:
            return False
        return any(may_be_of(posted, late) for late in self._setup.ledger.late_fees)
