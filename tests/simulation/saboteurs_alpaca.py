"""Planted bugs of Alpaca's own rules, for its own house: see `saboteurs` and `sabotage`.

`python -m tests.simulation.sabotage --house alpaca`.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN002, ANN003, ANN202  # a patch has the shape of what it replaces
from __future__ import annotations

import functools
import itertools
from dataclasses import replace

from arbit.app.private.alpaca import AlpacaReal
from arbit.domain.money import EXACT, ZERO
from arbit.domain.order import OrderState, Remedy, total
from arbit.execution import audit, late_fees
from arbit.execution.late_fees import LateFees
from arbit.ledger import Ledger
from arbit.venues.alpaca import activities, catalog, orders_book, outcomes, reads, resolve
from arbit.venues.alpaca.gateway import AlpacaGateway
from arbit.venues.alpaca.http import Http, Lost
from arbit.venues.alpaca.orders_book import OrdersBook
from arbit.venues.alpaca.outcomes import Verdict
from arbit.venues.alpaca.rate import Budget
from arbit.venues.alpaca.resolve import Resolver
from tests.patches import Sets
from tests.simulation import saboteurs, saboteurs_stock
from tests.simulation.saboteurs import Saboteur

ALPACA: dict[str, Saboteur] = {}
bug = functools.partial(saboteurs.bug, into=ALPACA)
ASKS = 2
TRADES = (orders_book, resolve, reads)  # where a fill becomes a trade


@bug("'client_order_id must be unique' is read as a refusal of the order that is there", seeds=[28])
def duplicate_is_rejected(sets: Sets) -> None:
    rule = outcomes._rule(422, outcomes.PARAMETERS, r".*unique.*")
    sets(outcomes, "RULES", (rule, *outcomes.RULES))


@bug("504 'backend request timeout' is read as a refusal", seeds=[149])
def timeout_is_rejected(sets: Sets) -> None:
    real = outcomes._perhaps

    def perhaps(answer, why):
        if answer.status == 504:
            return Verdict(OrderState.REJECTED, words=why)
        return real(answer, why)

    sets(outcomes, "_perhaps", perhaps)


@bug("any refusal in words that nobody listed is one beyond doubt")
def forbidden_without_words(sets: Sets) -> None:
    def perhaps(answer, why):
        return Verdict(OrderState.REJECTED, Remedy.NONE, words=f"{answer.status} {why}")

    sets(outcomes, "_perhaps", perhaps)


@bug("an order whose answer is lost is sent again: the venue would refuse it")
def sent_again(sets: Sets) -> None:
    real = Http.ask

    async def ask(self, method, path, **told):
        try:
            return await real(self, method, path, **told)
        except Lost:
            if method != "POST":
                raise
            return await real(self, method, path, **told)

    sets(Http, "ask", ask)


@bug("a fill that is told twice counts twice", seeds=[10])
def update_counted_twice(sets: Sets) -> None:
    real, numbers = OrdersBook._fill, itertools.count()

    def fill(self, known, one):
        again = one.exec_id in known.fills
        real(self, known, replace(one, exec_id=f"{one.exec_id}-{next(numbers)}") if again else one)

    sets(OrdersBook, "_fill", fill)


@bug("fills that are listed have other ids than the stream's")
def listed_fills_are_others(sets: Sets) -> None:
    real = activities.fill_of

    def fill_of(row, names):
        found = real(row, names)
        return replace(found, fill=replace(found.fill, exec_id=row["id"]))

    sets(activities, "fill_of", fill_of)


def _fees(sets: Sets, change) -> None:
    """Trades have what `change` makes of their fee."""
    for module in TRADES:
        real = module.trade_of

        def trade_of(fill, order, rate, real=real):
            found = real(fill, order, rate)
            return replace(found, fees=change(found))

        sets(module, "trade_of", trade_of)


@bug("a leg is sized from what was received before the fee")
def sized_from_gross(sets: Sets) -> None:
    _fees(sets, lambda trade: ((trade.fees[0][0], ZERO),))


@bug("the fee is booked in the asset that was spent")
def fee_in_spent_asset(sets: Sets) -> None:
    def spent(trade):
        base, _, quote = trade.symbol.partition("/")
        ((asset, fee),) = trade.fees
        return ((quote if asset == base else base, fee),)

    _fees(sets, spent)


@bug("the reckoned fee is rounded down: it may be less than what was taken", seeds=[17])
def fee_rounded_down(sets: Sets) -> None:
    for module in TRADES:
        real = module.trade_of

        def trade_of(fill, order, rate, real=real):
            found = real(fill, order, rate)
            ((asset, fee),) = found.fees
            return replace(found, fees=((asset, EXACT.subtract(fee, found.fee_slack)),))

        sets(module, "trade_of", trade_of)


@bug("a posted fee moves the balance a second time")
def posted_fee_moves_again(sets: Sets) -> None:
    def take(self, flows):
        # A fee names its day alone, which is before an account of that day was opened.
        now_ns = self._setup.venue_ns
        return [replace(one, at_ns=max(one.at_ns, now_ns)) for one in flows]

    sets(LateFees, "take", take)


@bug("a posted fee is booked each time it is listed")
def posted_fee_booked_again(sets: Sets) -> None:
    real = late_fees.LateFees.take

    def take(self, flows):
        self._mine.clear()
        known = self._setup.journal.known_flows
        self._setup.journal.known_flows = lambda _refs: frozenset()
        try:
            return real(self, flows)
        finally:
            self._setup.journal.known_flows = known

    sets(LateFees, "take", take)
    sets(LateFees, "_forget", lambda self: self._mine.clear())


@bug("of a posted fee the difference is not booked, and the trade waits no more")
def difference_not_booked(sets: Sets) -> None:
    sets(LateFees, "_post", lambda _self, _pad, _posted, _amount: None)


@bug("a posted fee leaves its trade waiting")
def posted_fee_closes_nothing(sets: Sets) -> None:
    sets(LateFees, "_close", lambda _self, _pad, _late: None)


@bug("fees posted in USD are flows like any other", seeds=[297])
def cash_fees_are_flows(sets: Sets) -> None:
    sets(activities, "FEES", frozenset({"CFEE"}))


@bug("whatever the venue has is within what fees may differ by", seeds=[22])
def slack_unlimited(sets: Sets) -> None:
    def differences(ledger, balances):
        del ledger, balances
        return {}, {}

    sets(audit, "differences", differences)


@bug("fees that wait are forgotten at a start")
def pending_forgotten(sets: Sets) -> None:
    real = Ledger.__init__

    def made(self, sums=None, late_fees=(), *more, **told):
        del late_fees
        real(self, sums, (), *more, **told)

    sets(Ledger, "__init__", made)


@bug("an order that is not found once never was")
def not_found_once_is_never(sets: Sets) -> None:
    sets(resolve, "NEEDED", 1)
    sets(Resolver, "_past", lambda _self, _intent: True)


@bug("an order is called NEVER while its own request is still out")
def never_while_travelling(sets: Sets) -> None:
    real = AlpacaGateway.deadline_ns

    def soon(self):
        far_ns = real(self)
        return None if far_ns is None else far_ns - self._deadline_ns + 10**9

    sets(AlpacaGateway, "deadline_ns", soon)
    sets(AlpacaGateway, "_unsendable", lambda _self, _intent: "")


@bug("an order that is 'canceled' has traded nothing")
def canceled_is_empty(sets: Sets) -> None:
    for module in (orders_book, resolve):
        real = module.outcome_of

        def outcome_of(intent, order_id, status, trades, real=real):
            told = real(intent, order_id, status, trades)
            if status != "canceled":
                return told
            return replace(told, state=OrderState.EMPTY, trades=(), filled_qty=total(()))

        sets(module, "outcome_of", outcome_of)


@bug("the floor of ten dollars is not known")
def floor_unknown(sets: Sets) -> None:
    sets(catalog, "LEAST_USD", ZERO)


@bug("requests are not counted", seeds=[126])
def limit_ignored(sets: Sets) -> None:
    sets(Budget, "wait_ns", lambda _self, _now_ns, reserved=False, cost=1: 0)


@bug("'too many requests' is no reason to wait")
def too_many_not_heeded(sets: Sets) -> None:
    sets(Http, "_heed", lambda _self, _answer: None)
    sets(AlpacaGateway, "_heed", lambda _self, _verdict: None)


@bug("what was missed while the stream was lost is not asked for", seeds=[10])
def hole_not_asked(sets: Sets) -> None:
    async def nothing(self, since_ns, known=None):
        return []

    sets(reads.AlpacaReads, "trades_since", nothing)


@bug(
    "a start on an old copy brings home what is gone: its stream does not begin with the past",
    seeds=[10],
)
def past_not_asked(sets: Sets) -> None:
    real = AlpacaReal.joined

    def joined(self, trader, run):
        real(self, trader, run)
        trader.auditor.untold = False

    sets(AlpacaReal, "joined", joined)


# --- what is owned: the same bugs as in every house, and the same judges --------------------------

OWNED = {
    "cap_ignored_in_flight": 65,
    "cap_of_what_moved": 65,
    "conversion_is_trading": 49,
    "conversion_not_adopted": 49,
    "conversion_over_budget": 105,
    "day_of_rebalances_forgotten": 353,
    "inventory_caps_ignored": 105,
    "no_longer_rest": 57,
    "rebalanced_the_wrong_way": 65,
    "rebalances_cost_nothing": 97,
    "remainder_forgotten": 281,
    "reserve_share_forgotten": 137,
    "reserve_spent_by_a_cycle": 81,
    "rests_forgotten": 57,
}
for _name, _seed in OWNED.items():
    _stock = saboteurs_stock.ALL[_name]
    ALPACA[_name] = replace(_stock, seeds=(_seed, *_stock.seeds[1:]))
