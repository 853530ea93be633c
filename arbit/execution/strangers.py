"""Somebody else's trades and orders on our account: each is told once, and stops us if it must."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from arbit.domain.account import Flow
from arbit.domain.order import Trade
from arbit.execution.ids import ours
from arbit.execution.rounding import bound
from arbit.execution.setup import EngineSetup
from arbit.risk.breaker import Reason


def rows_of(trades: Iterable[Trade]) -> list[Flow]:
    """What trades moved, as flows, where the venue lists no rows: fees are reckoned there."""
    return [
        Flow(f"{one.trade_id}:{n}", asset, amount, "trade", one.at_ns, one.trade_id)
        for one in trades
        if one.fee_slack is not None
        for n, (asset, amount) in enumerate(one.moves(*one.symbol.split("/", 1)))
    ]


class Strangers:
    """Whom we were told of. `stop` stops us and tells why; `tell` tells alone."""

    def __init__(
        self,
        setup: EngineSetup,
        stop: Callable[[Reason, str], None],
        tell: Callable[[str, str], None],
    ) -> None:
        self._setup = setup
        self._stop = stop
        self._tell = tell
        self._told: dict[str, None] = {}  # trades, and orders like ours

    def twin(self, what: str, client_id: str) -> None:
        """An order whose id looks like ours, though no cycle of ours sent it: another daemon's."""
        if client_id not in self._told:
            self._told_of(client_id)
            said = f"{what}: {client_id} was not sent from here, another daemon trades this account"
            self._stop(Reason.FOREIGN, said)

    def traded(
        self, foreign: Mapping[str, Trade], moved: Collection[str], listed: Collection[str]
    ) -> None:
        """Each is told once: not again after a restart, when its flows are booked already."""
        for trade_id, trade in foreign.items():
            told = not self._told.keys().isdisjoint({trade_id, trade.client_id})
            self._told_of(trade_id)
            if told or (trade_id in listed and trade_id not in moved):
                continue
            if trade.client_id and ours(trade.client_id):
                said = f"trade {trade_id} of our order {trade.client_id}, unknown here"
                self._stop(Reason.FOREIGN, said)
            else:
                self.seen(f"trade {trade_id} on {trade.symbol}")

    def seen(self, what: str) -> None:
        """A stranger is at work."""
        self._tell("foreign", what)
        if self._setup.settings.halt_on_foreign_orders:
            self._setup.breaker.trip(Reason.FOREIGN, f"somebody else trades here: {what}")

    def _told_of(self, which: str) -> None:
        self._told[which] = None
        bound(self._told)
