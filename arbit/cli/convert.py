"""`arbit convert`: one asset into another by the cheapest route, or what that would cost."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arbit.cli import completion
from arbit.cli.completion import PROFILES
from arbit.cli.exits import Code
from arbit.cli.numbers import number, whole
from arbit.domain.errors import UserError

if TYPE_CHECKING:
    from arbit.app.acts.convert import ConvertReport, ConvertTold
    from arbit.app.acts.opened import Access
    from arbit.app.trade.conversion import Done
    from arbit.config import Settings

MOST = Decimal(10**12)

Amount = Annotated[
    str | None, typer.Argument(help="How much to spend, or all.", show_default=False)
]
From = Annotated[str | None, typer.Argument(metavar="FROM", help="Asset to spend.")]
To = Annotated[str | None, typer.Argument(metavar="TO", help="Asset to receive.")]
Sweep = Annotated[
    str | None, typer.Option("--sweep", metavar="TO", help="Turn all that is worth little into TO.")
]
Below = Annotated[str, typer.Option(help="What counts as little, in the reference currency.")]
Venue = Annotated[
    str | None,
    typer.Option(help="Venue. Default: the settings' first.", autocompletion=completion.venues),
]
MaxCost = Annotated[
    str, typer.Option("--max-cost-bps", help="Most it may cost, against the middle of the books.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the routes only; always wins.")]
Real = Annotated[
    bool, typer.Option("--i-accept-real-orders", help="Send real orders with real money.")
]
ProfileName = Annotated[
    str,
    typer.Option("--profile", help="The sandbox's market.", autocompletion=completion.profiles),
]
FeeBps = Annotated[
    str | None, typer.Option(help="Taker fee in bps; the larger of it and the account's counts.")
]
Seed = Annotated[str, typer.Option(help="The sandbox's seed.")]
DataDir = Annotated[str | None, typer.Option("--data-dir", help="Where the journal is kept.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


def convert(
    amount: Amount = None,
    start: From = None,
    end: To = None,
    sweep: Sweep = None,
    below: Below = "10",
    venue: Venue = None,
    max_cost_bps: MaxCost = "150",
    dry_run: DryRun = False,
    i_accept_real_orders: Real = False,
    profile: ProfileName = "calm",
    fee_bps: FeeBps = None,
    seed: Seed = "1",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Convert AMOUNT of FROM into TO by the cheapest route of one, two or three orders.

    Direct and indirect routes are shown side by side, net of fees and depth. Dry unless told
    otherwise: nothing is sent. On the sandbox no flag is needed.

    Examples:
    arbit convert 250 USD ETH --venue kraken

    arbit convert all EUR BTC --venue sandbox

    arbit convert --sweep USD --below 5 --venue sandbox
    """
    from arbit.app.acts.asked import asked_convert, daemon_of
    from arbit.app.acts.convert import ConvertAsk, run_convert
    from arbit.app.acts.opened import Ask

    said = dict(locals())
    asked = _asked(amount, start, end, sweep)
    cost = Decimal(str(number("--max-cost-bps", max_cost_bps, 0, 10_000, "bps")))
    wanted = ConvertAsk(
        end=asked[2],
        start=asked[1],
        amount=asked[0],
        max_cost_bps=cost,
        sweep=sweep is not None,
        below=Decimal(str(number("--below", below, 0.01, 1_000_000, "reference units"))),
    )
    settings = settings_of(said)
    name = venue or settings.default_venues[0]
    access = access_of(settings, name, said, reads=wanted.sweep)
    ask = Ask(name, access, "convert", profile_of(profile), whole("--seed", seed, 0, 2**63 - 1))
    shown = (lambda _: None) if as_json else show
    door = daemon_of(settings, name)
    if door is None:
        told = run_convert(settings, ask, wanted, shown)
    else:
        told = asked_convert(door, ask, wanted, shown)
    finish(told, as_json=as_json)


def _asked(
    amount: str | None, start: str | None, end: str | None, sweep: str | None
) -> tuple[Decimal | None, str, str]:
    """Amount, FROM and TO. UserError for too little, too much, or what is no amount."""
    if sweep is not None:
        if amount is not None:
            raise UserError(f"--sweep {sweep}: expected no AMOUNT beside it, but got {amount}")
        return None, "", sweep.upper()
    if amount is None or start is None or end is None:
        raise UserError("convert: expected AMOUNT FROM TO, such as 250 USD ETH, or --sweep TO")
    start, end = start.upper(), end.upper()
    if start == end:
        raise UserError(f"convert {amount} {start} {end}: expected two different assets")
    return (None if amount == "all" else _amount(amount)), start, end


def _amount(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not (value.is_finite() and 0 < value <= MOST):
        raise UserError(f"AMOUNT {text}: expected a number above 0 and up to 1e12, or all")
    return value


def profile_of(name: str) -> str:
    """The sandbox's profile. UserError for none."""
    if name not in PROFILES:
        raise UserError(f"--profile {name!r}: expected one of {', '.join(PROFILES)}")
    return name


def settings_of(said: Mapping[str, Any]) -> Settings:
    """Settings with the options laid over them."""
    import re

    from arbit.config import Override, load_settings, venue_key
    from arbit.config.fields import VENUE_NAME

    venue = said["venue"]
    if venue is not None and not re.fullmatch(VENUE_NAME, venue):
        raise UserError(
            f"--venue {venue!r}: expected a built-in venue such as kraken or sandbox, or an "
            "exchange id of ccxt, in lower case"
        )
    overrides = []
    if said["data_dir"] is not None:
        overrides.append(Override("--data-dir", "ARBIT_DATA_DIR", said["data_dir"]))
    settings = load_settings(overrides=overrides)
    if said["fee_bps"] is None:
        return settings
    name = venue or settings.default_venues[0]
    for key, text in (("taker_fee_bps", said["fee_bps"]), ("taker_fee_bps_by_symbol", "{}")):
        overrides.append(Override("--fee-bps", venue_key(name, key), text))
    return load_settings(overrides=overrides)


def access_of(settings: Settings, venue: str, said: Mapping[str, Any], *, reads: bool) -> Access:
    """How far the account is opened: dry unless told otherwise; the sandbox needs no telling.

    `reads` says that what is owned must be known even where nothing is sent.
    """
    from arbit.app.acts.opened import Access
    from arbit.config import SANDBOXES

    told = said["i_accept_real_orders"] or venue in SANDBOXES
    if told and not (said["dry_run"] or settings.dry_run):
        return Access.TRADED
    return Access.READ if reads else Access.QUOTED


def finish(told: ConvertTold | None, *, as_json: bool) -> None:
    """The end of the command: what came of it, and its exit code."""
    from arbit.app.trade.unread import tell

    if told is None:
        raise typer.Exit(Code.INTERRUPTED)
    if as_json:
        tell(json.dumps(asdict(told), indent=2))
    else:
        for report in told.reports:
            if report.asked:
                tell(_end_of(report))
        for note in told.notes:
            tell(f"note: {note}")
        if told.mode == "quote":
            tell("nothing was sent (--i-accept-real-orders sends)")
    if told.failed:
        raise typer.Exit(Code.REFUSED)


def _end_of(report: ConvertReport) -> str:
    if report.done is None:
        return f"not converted: {report.refused}"
    return done_words(report.done, report.start, report.end)


def done_words(done: Done, start: str, end: str) -> str:
    """What a conversion from one asset into another came to."""
    left = f", {done.left} left in between" if done.left else ""
    cost = f", at a cost of {done.cost or 'nobody knows what'}"
    why = f" ({done.detail})" if done.detail else ""
    return (
        f"{done.end}{why}: spent {done.spent} {start}, received {done.received} "
        f"{end}{left}{cost} [{done.cycle_id}]"
    )


def show(report: ConvertReport) -> None:
    """The routes side by side."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120)
    title = f"{report.amount} {report.start} into {report.end} at {report.venue} ({report.mode})"
    table = Table(title=title, title_justify="left")
    for name in ("route", "spends", "brings", "at limits", "cost bps", "orders"):
        table.add_column(name)
    for one in report.routes:
        if one.why_not:
            words = f"{one.legs} order{'s' if one.legs != 1 else ''}"
            table.add_row(one.path or words, "", "", "", "", one.why_not)
            continue
        mark = "[bold]" if one.path == report.chosen else ""
        table.add_row(
            f"{mark}{one.path}",
            one.spend,
            one.receive,
            one.receive_at_limits,
            one.cost_bps,
            "\n".join(one.orders),
        )
    console.print(table)
    if report.sentence:
        console.print(report.sentence, highlight=False)
    if report.refused:  # beside the table, for nothing is asked for any more
        said = f"not converted: {report.refused}"
        console.print(said, highlight=False, markup=False, soft_wrap=True)
