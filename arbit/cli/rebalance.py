"""`arbit rebalance`: bring what is out of its band back, within a cost; dry by default."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from arbit.cli.convert import (
    DataDir,
    DryRun,
    FeeBps,
    Json,
    ProfileName,
    Real,
    Seed,
    Venue,
    access_of,
    done_words,
    profile_of,
    settings_of,
)
from arbit.cli.exits import Code
from arbit.cli.numbers import whole

if TYPE_CHECKING:
    from arbit.app.acts.rebalance import MoveTold, RebalanceTold, StandTold


def rebalance(
    venue: Venue = None,
    dry_run: DryRun = False,
    i_accept_real_orders: Real = False,
    profile: ProfileName = "calm",
    fee_bps: FeeBps = None,
    seed: Seed = "1",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Bring assets back to their targets (ARBIT_INVENTORY__TARGETS), each by its cheapest route.

    What it may cost is bounded for each order and for the day; caps and reserves hold. Dry unless
    told otherwise: nothing is sent. On the sandbox no flag is needed.

    Examples:
    arbit rebalance --venue kraken

    ARBIT_INVENTORY__TARGETS=BTC=0.2 arbit rebalance --venue sandbox
    """
    from arbit.app.acts.asked import asked_rebalance, daemon_of
    from arbit.app.acts.opened import Ask
    from arbit.app.acts.rebalance import run_rebalance

    said = dict(locals())
    settings = settings_of(said)
    name = venue or settings.default_venues[0]
    access = access_of(settings, name, said, reads=True)
    ask = Ask(name, access, "rebalance", profile_of(profile), whole("--seed", seed, 0, 2**63 - 1))
    shown = (lambda _: None) if as_json else _announce
    door = daemon_of(settings, name)
    if door is None:
        told = run_rebalance(settings, ask, shown)
    else:
        told = asked_rebalance(door, ask, shown)
    if told is None:
        raise typer.Exit(Code.INTERRUPTED)
    from arbit.app.trade.unread import tell

    if as_json:
        tell(json.dumps(asdict(told), indent=2))
    else:
        _show(told)
    if told.failed:
        raise typer.Exit(Code.REFUSED)


def _announce(told: RebalanceTold) -> None:
    """Before anything is sent: how things stand, once, and what is done next."""
    from arbit.app.trade.unread import say

    if len(told.moves) == 1:
        _stands("as it is", told.stands)
    say(_move_words(told.moves[-1], told.reference))


def _move_words(move: MoveTold, reference: str) -> str:
    orders = "; ".join(move.orders)
    return (
        f"{move.asset} is {move.band}: {move.path}, {move.spend} into {move.receive} "
        f"({orders}), expected to cost {move.cost} {reference}, at most {move.most}"
    )


def _show(told: RebalanceTold) -> None:
    from arbit.app.trade.unread import tell

    if not told.moves:
        _stands("as it is", told.stands)
    for move in told.moves:
        if move.done is not None:
            start, *_, end = move.path.split(">")
            tell(f"{move.path} {done_words(move.done, start, end)}")
        if move.refused:
            tell(f"not rebalanced: {move.asset}: {move.refused}")
    if told.after and told.moves:
        _stands("as it is now", told.after)
    for asset, why in told.why_not.items():
        tell(f"{asset} stays out of its band: {why}")
    if not told.moves and not told.why_not:
        tell("every asset with a target is within its band, or not priced: nothing to do")
    for note in told.notes:
        tell(f"note: {note}")
    if told.mode == "quote":
        tell("nothing was sent (--i-accept-real-orders sends)")


def _stands(title: str, stands: list[StandTold]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table(title=title, title_justify="left")
    for name in ("asset", "owned", "target", "band from", "to", "stands", "reserve", "cap"):
        table.add_column(name)
    for one in stands:
        table.add_row(
            one.asset, one.owned, one.target, one.low, one.high, one.band, one.reserve, one.cap
        )
    console.print(table)
