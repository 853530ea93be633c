"""What `arbit live` tells: before anything is traded, while it lasts, and at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from arbit.app.trade.named_assets import unlisted
from arbit.app.trade.trader import Trader
from arbit.app.watch.venue import VenueRun
from arbit.config import (
    SANDBOXES,
    SPEAKS_ALPACA,
    AlpacaHost,
    InventorySettings,
    Settings,
    VenueSettings,
)
from arbit.domain.account import AccountId, Mode
from arbit.domain.fees import demanded
from arbit.domain.money import plain
from arbit.domain.records import Book, Memory
from arbit.ledger import Ledger
from arbit.ports import Clock
from arbit.risk.breaker import FLAG, Breaker


@dataclass(slots=True)
class LiveReport:
    """What a run did. Amounts are exact text by asset."""

    venue: str
    account: str
    mode: str
    synthetic: bool
    seconds: float = 0.0
    ended: str = ""
    cycles: Mapping[str, int] = field(default_factory=dict)
    orders: int = 0
    refusals: Mapping[str, int] = field(default_factory=dict)
    profit: Mapping[str, str] = field(default_factory=dict)
    balances: Mapping[str, str] = field(default_factory=dict)
    breaker: str = ""
    breaker_why: str = ""
    open_cycles: int = 0
    held: Sequence[str] = ()
    recovered: int = 0
    failure: str = ""
    warnings: Sequence[str] = ()
    shadow: Mapping[str, object] | None = None  # what dry runs have shown so far


@dataclass(frozen=True, slots=True)
class Preamble:
    """What is said before anything is traded: limits, fees, and what they allow."""

    venue: str
    mode: str
    synthetic: bool
    limits: Mapping[str, str]
    fees: Mapping[str, str]
    sentence: str
    warnings: Sequence[str] = ()
    money: str = ""  # whose, where the mode alone does not say it


class LiveScreen(Protocol):
    """Shows a run while it lasts; `refresh` is called every `every_s` seconds."""

    @property
    def every_s(self) -> float:
        """Seconds between two refreshes."""
        ...

    def preamble(self, said: Preamble) -> None:
        """Limits, fees and the honest sentence of a lane, before it trades."""
        ...

    def refresh(self, run: VenueRun, trader: Trader, elapsed_s: float) -> None:
        """So long has this lane run."""
        ...

    def end(self) -> None:
        """Every lane has stopped; the reports follow."""
        ...


def preamble_of(
    settings: Settings, trader: Trader, run: VenueRun, warnings: Sequence[str]
) -> Preamble:
    """Limits, fees, and the gap that they demand."""
    risk, scan = settings.risk, settings.scan
    ref = scan.reference_currency
    fees = {
        symbol: f"{plain(fee.bps.normalize())} bps ({fee.source.value})"
        for symbol, fee in run.desk.setup.watch.fees.items()
    }
    limits = {
        "policy": risk.policy.value,
        "per cycle": f"{plain(scan.max_notional_per_cycle)} {ref}",
        "cycles at once": str(scan.max_concurrent_cycles),
        "slippage a leg": f"{plain(scan.max_slippage_bps)} bps",
        "edge after fees": f"at least {plain(scan.min_edge_bps)} bps",
        "exposure an asset": f"{plain(risk.max_exposure)} {ref}",
        "loss a day": f"{plain(risk.max_daily_loss)} {ref}",
        "unwinding": f"may lose {plain(risk.unwind_budget_bps)} bps of a cycle",
        **_owned_at_most(settings.inventory),
        "orders": f"IOC limit only, over {trader.setup.gateway.transport}",
    }
    return Preamble(
        venue=run.desk.setup.venue.name,
        mode=trader.setup.account.mode.value,
        synthetic=run.market == "synthetic",
        limits=limits,
        fees=fees,
        sentence=demanded(run.desk.setup.watch.rates.values(), scan.min_edge_bps),
        warnings=[
            *warnings,
            *filter(None, [run.desk.setup.watch.said]),
            *unlisted(settings, run.desk.setup.venue.name, run.desk.setup.markets),
        ],
        money=_money(run.desk.setup.venue, trader.setup.account.mode),
    )


def _owned_at_most(said: InventorySettings) -> dict[str, str]:
    """The bounds of what is owned, where there are any."""
    percent = {asset: f"{plain(share)} %" for asset, share in said.reserve_percent.items()}
    amount = {asset: plain(amount) for asset, amount in said.reserve_amount.items()}
    kept = {
        asset: " or ".join(filter(None, (amount.get(asset), percent.get(asset))))
        for asset in (amount | percent)
    }
    caps = {asset: str(cap) for asset, cap in said.caps.items()}
    told = {"owned at most": caps, "never spent": kept}
    return {
        name: ", ".join(f"{a} {b}" for a, b in one.items()) for name, one in told.items() if one
    }


def _money(venue: VenueSettings, mode: Mode) -> str:
    """Alpaca's paper account is no paper of ours: its orders leave, its money is made up."""
    at_paper = venue.name in SPEAKS_ALPACA and venue.alpaca_host is AlpacaHost.PAPER
    if mode is Mode.LIVE and at_paper:
        return "LIVE: real orders to Alpaca's paper account, made-up money"
    return ""


def report_of(run: VenueRun, trader: Trader) -> LiveReport:
    """What it did; how long and how it ended is for its run to say."""
    engine = trader.engine
    return LiveReport(
        venue=run.desk.setup.venue.name,
        account=str(trader.setup.account),
        mode=trader.setup.account.mode.value,
        synthetic=run.market == "synthetic",
        cycles=dict(engine.ends),
        orders=engine.orders,
        refusals=dict(engine.refusals),
        profit={asset: plain(amount) for asset, amount in engine.profit.items()},
        balances={asset: plain(amount) for asset, amount in trader.balances().items()},
        breaker=trader.breaker.state().value,
        breaker_why=trader.breaker.detail,
        open_cycles=trader.open_cycles,
        held=trader.held(),
        recovered=trader.recovered,
    )


def report_broken(account: AccountId, trader: Trader | None) -> LiveReport:
    """What a lane leaves that ended by an error of its own, as far as it can be told."""
    report = LiveReport(
        venue=account.venue,
        account=str(account),
        mode=account.mode.value,
        synthetic=account.venue in SANDBOXES,
        ended="broken",
    )
    if trader is not None:
        engine = trader.engine
        report.cycles, report.orders = dict(engine.ends), engine.orders
        report.open_cycles, report.held = engine.open_cycles, trader.held()
        report.breaker, report.breaker_why = trader.breaker.state().value, trader.breaker.detail
    return report


def report_before(
    settings: Settings, account: AccountId, memory: Memory, clock: Clock
) -> LiveReport:
    """What a run that was stopped before it had begun leaves: all of it as it found it."""
    breaker = Breaker(account.venue, settings.risk, clock, lambda _: None)
    breaker.restore(memory.flags.get(FLAG))
    sums = Ledger(memory.sums)
    return LiveReport(
        venue=account.venue,
        account=str(account),
        mode=account.mode.value,
        synthetic=account.venue in SANDBOXES,
        ended="stopped before it had started",
        balances={
            asset: plain(amount)
            for asset in sums.assets
            if (amount := sums.sum_of(Book.WALLET, asset))
        },
        breaker=breaker.state().value,
        breaker_why=breaker.detail,
        open_cycles=sum(not cycle.ended_ns for cycle in memory.cycles),
    )
