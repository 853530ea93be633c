"""The books with what only Alpaca's rules need: client ids for ever, fees taken and not posted."""

from dataclasses import dataclass, field
from decimal import Decimal

from arbit.sandbox.accounts import Account, Books, History
from arbit.sandbox.journal import Record


@dataclass(frozen=True, slots=True)
class PendingFee:
    """A fee that was taken from what a trade brought, and is not posted yet."""

    trade_id: str
    asset: str
    amount: Decimal
    at_ns: int


@dataclass(frozen=True, slots=True)
class FeePosted:
    """A fee activity. ``amount`` is positive; ``at_ns`` is when it was posted."""

    activity_id: str
    asset: str
    amount: Decimal
    date: str
    at_ns: int
    trade_ids: tuple[str, ...]


@dataclass(slots=True)
class Desk:
    """One account's further books."""

    client_ids: dict[str, str] = field(default_factory=dict)  # client id: order id, for ever
    pending: dict[str, PendingFee] = field(default_factory=dict)  # by trade id, oldest first
    posted: History[FeePosted] = field(default_factory=History)


class HouseBooks(Books):
    """``Books`` that also know posted fees."""

    def __init__(self) -> None:
        super().__init__()
        self.desks: dict[str, Desk] = {}
        self.fees_posted = 0
        self._do |= {"accept": self._accepted, "fill": self._filled, "fees": self._fees}

    def desk(self, name: str) -> Desk:
        """The further books of the account of this name."""
        return self.desks.setdefault(name, Desk())

    def _accepted(self, account: Account, record: Record) -> None:
        self._accept(account, record)
        self.desk(account.name).client_ids[record["cl_ord_id"]] = record["order_id"]

    def _filled(self, account: Account, record: Record) -> None:
        self._fill(account, record)
        amount = Decimal(record["fee"])
        if amount:
            trade_id = record["trade_id"]
            fee = PendingFee(trade_id, record["fee_asset"], amount, record["at"])
            self.desk(account.name).pending[trade_id] = fee

    def _fees(self, account: Account, record: Record) -> None:
        self.fees_posted += 1
        desk = self.desk(account.name)
        for trade_id in record["trades"]:
            desk.pending.pop(trade_id, None)
        fee = FeePosted(
            activity_id=record["activity"],
            asset=record["asset"],
            amount=Decimal(record["amount"]),
            date=record["date"],
            at_ns=record["at"],
            trade_ids=tuple(record["trades"]),
        )
        desk.posted.add(fee.activity_id, fee)
