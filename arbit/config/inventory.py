"""What is to be owned of each asset: targets, caps, and what is never spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from arbit.config.fields import AMOUNTS, AmountByAsset, Asset, Bps, setting, within
from arbit.config.text import as_mapping
from arbit.domain.money import EXACT, plain

MOST = Decimal(10**12)
WANTED = (
    "a list such as BTC=0.05,ETH=2500 USD (or a JSON object): units of the asset, or an amount of "
    "the reference currency; each from 0 to 1e12"
)
_PERCENT = Decimal(100)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An amount of some asset: in its own units or, with a `currency`, at what it is worth."""

    amount: Decimal
    currency: str = ""

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.currency}".rstrip()

    def units(self, price: Decimal | None) -> Decimal | None:
        """In the asset's units, at its price in reference units; None while it is not priced."""
        if not self.currency:
            return self.amount
        return None if price is None or price <= 0 else EXACT.divide(self.amount, price)


def _as_wanted(value: object) -> object:
    """`0.05` or `2500 USD`. ValueError for anything else."""
    if isinstance(value, Wanted):
        return value
    number, _, currency = str(value).strip().partition(" ")
    try:
        amount = Decimal(number)
    except InvalidOperation:
        raise ValueError(f"{value!r} is no amount") from None
    if not amount.is_finite() or not 0 <= amount <= MOST:
        raise ValueError(f"{value!r} is out of bounds")
    return Wanted(amount, currency.strip())


Percent = Annotated[Decimal, Field(ge=0, le=100)]
WantedByAsset = Annotated[
    Mapping[Asset, Annotated[Wanted, BeforeValidator(_as_wanted)]], BeforeValidator(as_mapping)
]
PercentByAsset = Annotated[Mapping[Asset, Percent], BeforeValidator(as_mapping)]


class InventorySettings(BaseModel):
    """Bounds of what is owned. With none of them set, only `risk` bounds what trading moves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    targets: WantedByAsset = setting(
        {},
        "how much of an asset you want to own",
        unit="units or reference currency",
        why="empty: nobody has said what is too much or too little, so nothing is brought back",
        expect=WANTED,
    )
    band_percent: Annotated[Decimal, within(0, 100)] = setting(
        Decimal(20),
        "how far from its target an asset may be before it counts as out of its band",
        unit="% of the target",
        why="bringing it back costs a fee each time; a fifth is seldom left by chance",
    )
    caps: WantedByAsset = setting(
        {},
        "most of an asset that trading may ever make you own, what is on its way at its worst "
        "included; a deposit may go beyond, and then nothing adds to it",
        unit="units or reference currency",
        why="empty: risk.max_exposure alone bounds what trading moves",
        expect=WANTED,
    )
    reserve_amount: AmountByAsset = setting(
        {},
        "how much of an asset is never spent, whatever for",
        unit="units of each asset",
        why="empty: all that is free may start a cycle",
        expect=AMOUNTS,
    )
    reserve_percent: PercentByAsset = setting(
        {},
        "the same as a share of what you have put in and earned; the larger of both counts",
        unit="%",
        why="empty; what trading has moved does not count, so cycles do not shrink the share. What "
        "you convert or rebalance away does: where that must not be, say an amount",
        expect="a list such as USD=10,BTC=50 (or a JSON object), each from 0 to 100",
    )
    snapshot_every_s: Annotated[int, within(1, 86_400)] = setting(
        60,
        "how often what is owned at a venue is written to history, beside after each change of it",
        unit="s",
        why="a line a minute an asset is a fine graph, and half a million rows a year",
    )

    rebalance: bool = setting(
        False,
        "let `live` send orders of its own that bring assets back into their bands",
        why="each costs a fee: nothing is sent that you did not ask for; `arbit rebalance` does it "
        "by hand",
    )
    rebalance_cost_bps: Bps = setting(
        Decimal(50),
        "most that one rebalance may cost of what it spends, at its limits, against the middles",
        unit="bps",
        why="one retail fee and a spread; two orders at 40 bps are left to a person",
    )
    rebalance_cost_per_day: Annotated[Decimal, within(0, 10_000_000)] = setting(
        Decimal(5),
        "most that rebalances of one UTC day may cost; restarts do not forget it",
        unit="reference units",
        why="a fifth of the loss of a day after which no new cycle starts",
    )
    rebalance_after_s: Annotated[int, within(0, 604_800)] = setting(
        600,
        "how long triangles that bring an asset back are preferred before an order is sent for it",
        unit="s",
        why="a cycle that pays may do it for nothing",
    )
    rebalance_every_s: Annotated[int, within(1, 604_800)] = setting(
        900,
        "rest after each rebalance before the next one",
        unit="s",
        why="prices that move an asset out and back would cost a fee each time",
    )


def conflicts(inventory: InventorySettings, reference: str) -> Iterator[tuple[str, str]]:
    """(field, what was expected of it) for each amount that contradicts another one."""
    for field in ("targets", "caps"):
        wanted: Mapping[str, Wanted] = getattr(inventory, field)
        for asset, one in wanted.items():
            if one.currency not in ("", reference):
                yield field, f"units of {asset}, or {reference}, the reference currency"
    for asset, target in inventory.targets.items():
        cap, reserve = inventory.caps.get(asset), inventory.reserve_amount.get(asset)
        if cap is not None and cap.currency == target.currency and target.amount > cap.amount:
            yield "targets", f"{asset} to be no more than its cap of {cap}"
        if reserve is not None and not target.currency and target.amount < reserve:
            yield "targets", f"{asset} to be no less than its reserve of {plain(reserve)}"
    for asset, cap in inventory.caps.items():
        reserve = inventory.reserve_amount.get(asset)
        if reserve is not None and not cap.currency and cap.amount < reserve:
            yield "caps", f"{asset} to be no less than its reserve of {plain(reserve)}"


def band_of(target: Decimal, percent: Decimal) -> tuple[Decimal, Decimal]:
    """The ends of the band around a target, in the target's units."""
    width = EXACT.divide(EXACT.multiply(target, percent), _PERCENT)
    return EXACT.subtract(target, width), EXACT.add(target, width)
