"""`arbit live`: trade what is there, inside strict limits, or rehearse it on paper."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arbit.cli import completion
from arbit.cli.completion import PROFILES
from arbit.cli.exits import Code
from arbit.cli.numbers import number, whole
from arbit.domain.errors import UserError

if TYPE_CHECKING:
    from arbit.app.live.lane import LiveOptions
    from arbit.app.trade.told import LiveReport, LiveScreen
    from arbit.config import Settings

MAX_SECONDS = 31_536_000

Venue = Annotated[
    list[str] | None,
    typer.Option(
        help="Venue to trade on; repeat for several. Default: the settings' first.",
        autocompletion=completion.venues,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Paper orders only; always wins.")]
Real = Annotated[
    bool, typer.Option("--i-accept-real-orders", help="Send real orders with real money.")
]
Symbols = Annotated[str | None, typer.Option(help="Markets, e.g. BTC/USD,ETH/BTC,ETH/USD.")]
Triangles = Annotated[str | None, typer.Option(help="Triangles, ';' between them, or auto.")]
Ws = Annotated[bool | None, typer.Option("--ws/--no-ws", help="WebSocket books, or REST alone.")]
IocOnly = Annotated[
    bool, typer.Option("--ioc-only", help="Always on: every order is IOC and limit.")
]
MaxNotional = Annotated[str | None, typer.Option(help="Most a cycle starts with (reference).")]
MaxSlippage = Annotated[
    str | None, typer.Option("--max-slippage-bps", help="Limit price to top of book, a leg.")
]
MinNotional = Annotated[str | None, typer.Option(help="Smallest order, e.g. USD=5,EUR=5.")]
MinEdge = Annotated[str | None, typer.Option("--min-edge-bps", help="Edge demanded after fees.")]
PolicyName = Annotated[
    str | None,
    typer.Option(
        "--policy",
        help="sequential or parallel.",
        autocompletion=completion.among("sequential", "parallel"),
    ),
]
Transport = Annotated[
    str | None,
    typer.Option(
        "--order-transport", help="ws or rest.", autocompletion=completion.among("ws", "rest")
    ),
]
Cycles = Annotated[str | None, typer.Option(help="Stop a venue after so many cycles that traded.")]
Secs = Annotated[str | None, typer.Option("--secs", help="Stop a venue after so many seconds.")]
ProfileName = Annotated[
    str,
    typer.Option("--profile", help="The sandbox's market.", autocompletion=completion.profiles),
]
FeeBps = Annotated[
    str | None, typer.Option(help="Taker fee in bps; the larger of it and the account's counts.")
]
Seed = Annotated[str, typer.Option(help="The sandbox's seed.")]
MetricsPort = Annotated[str | None, typer.Option(help="Serve /metrics on this loopback port.")]
KillFile = Annotated[
    str | None, typer.Option("--kill-switch-file", help="No order leaves while it exists.")
]
Kill = Annotated[bool, typer.Option("--kill-switch", help="Start with the kill switch on.")]
DataDir = Annotated[str | None, typer.Option("--data-dir", help="Where the journal is kept.")]
RecoverOnly = Annotated[
    bool, typer.Option("--recover-only", help="End what was in flight, begin nothing, and stop.")
]
Override = Annotated[
    bool,
    typer.Option(
        "--override-shadow-run",
        help="Real orders without a shadow run that earned; needs --max-notional, the cap.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]
LogJson = Annotated[bool, typer.Option("--log-json", help="Log lines as JSON.")]


def live(
    venue: Venue = None,
    dry_run: DryRun = False,
    i_accept_real_orders: Real = False,
    symbols: Symbols = None,
    triangles: Triangles = None,
    ws: Ws = None,
    ioc_only: IocOnly = True,
    max_notional: MaxNotional = None,
    max_slippage_bps: MaxSlippage = None,
    min_notional: MinNotional = None,
    min_edge_bps: MinEdge = None,
    policy: PolicyName = None,
    order_transport: Transport = None,
    cycles: Cycles = None,
    secs: Secs = None,
    profile: ProfileName = "calm",
    fee_bps: FeeBps = None,
    seed: Seed = "1",
    metrics_port: MetricsPort = None,
    kill_switch_file: KillFile = None,
    kill_switch: Kill = False,
    data_dir: DataDir = None,
    recover_only: RecoverOnly = False,
    override_shadow_run: Override = False,
    as_json: Json = False,
    log_json: LogJson = False,
) -> None:
    """Trade triangles with IOC limit orders, inside strict limits. Dry unless told otherwise.

    On the sandbox, our own exchange with made-up money, no flag is needed. Several venues trade
    side by side, each on its own: what breaks at one ends no other. Options count for each of them.

    Examples:
    arbit live --venue sandbox --profile volatile --fee-bps 2 --cycles 10

    arbit live --venue kraken --dry-run --secs 3600

    arbit live --venue kraken --venue alpaca --dry-run

    arbit live --venue kraken --i-accept-real-orders --override-shadow-run --max-notional 50
    """
    _live(dict(locals()))  # every option by its name


def _live(said: Mapping[str, Any]) -> None:
    """Check what was said, trade, and report."""
    if said["symbols"] is not None and said["triangles"] is not None:
        raise UserError("--symbols and --triangles: expected one of them, both were given")
    if said["profile"] not in PROFILES:
        raise UserError(f"--profile {said['profile']!r}: expected one of {', '.join(PROFILES)}")
    from arbit.app.live.lane import LiveOptions
    from arbit.config.fields import VENUE_NAME

    for_all = {
        _MOST: None if said["override_shadow_run"] else said["max_notional"],
        ("--max-slippage-bps", "SCAN__MAX_SLIPPAGE_BPS"): said["max_slippage_bps"],
        ("--min-edge-bps", "SCAN__MIN_EDGE_BPS"): said["min_edge_bps"],
        ("--policy", "RISK__POLICY"): said["policy"],
        ("--kill-switch-file", "RISK__KILL_SWITCH_FILE"): said["kill_switch_file"],
        ("--kill-switch", "RISK__KILL_SWITCH"): "true" if said["kill_switch"] else None,
        ("--metrics-port", "METRICS_PORT"): said["metrics_port"],
        ("--data-dir", "DATA_DIR"): said["data_dir"],
        ("--log-json", "LOG_JSON"): "true" if said["log_json"] else None,
    }
    names = tuple(said["venue"] or _settings(for_all, (), {}).default_venues[:1])
    for name in names:
        if not re.fullmatch(VENUE_NAME, name):
            raise UserError(
                f"--venue {name!r}: expected a built-in venue such as kraken or sandbox, or an "
                "exchange id of ccxt, in lower case"
            )
    ws, fee_bps, secs, cycles = said["ws"], said["fee_bps"], said["secs"], said["cycles"]
    for_venue = {
        ("--symbols", "SYMBOLS"): said["symbols"],
        ("--triangles", "TRIANGLES"): said["triangles"],
        ("--ws/--no-ws", "WS_ENABLED"): None if ws is None else str(ws).lower(),
        ("--min-notional", "MIN_NOTIONAL"): said["min_notional"],
        ("--order-transport", "ORDER_TRANSPORT"): said["order_transport"],
        ("--fee-bps", "TAKER_FEE_BPS"): fee_bps,
        ("--fee-bps", "TAKER_FEE_BPS_BY_SYMBOL"): None if fee_bps is None else "{}",
    }
    options = LiveOptions(
        venues=names,
        real=said["i_accept_real_orders"],
        dry=said["dry_run"],
        seconds=None if secs is None else number("--secs", secs, 0.001, MAX_SECONDS, "s"),
        cycles=None if cycles is None else whole("--cycles", cycles, 1, 10**9),
        profile=said["profile"],
        seed=whole("--seed", said["seed"], 0, 2**63 - 1),
        recover_only=said["recover_only"],
        door=True,
        cap=_cap(said),
    )
    as_json = said["as_json"]
    reports = _traded(_settings(for_all, names, for_venue), options, as_json=as_json)
    _print(reports, as_json=as_json)
    if any(report.failure for report in reports):
        raise typer.Exit(Code.FOUND)
    if any(report.breaker == "halted" for report in reports):
        raise typer.Exit(Code.REFUSED)


def _traded(settings: Settings, options: LiveOptions, *, as_json: bool) -> list[LiveReport]:
    """Trade. Where real orders are refused, programs are told the evidence too."""
    from arbit.app.golive.gate import NotProven
    from arbit.app.live.run import run_live

    try:
        return run_live(settings, options, _screen(as_json=as_json))
    except NotProven as refused:
        if as_json:
            typer.echo(json.dumps({"refused": asdict(refused.told)}, indent=2))
        raise


Said = Mapping[tuple[str, str], str | None]
_MOST = ("--max-notional", "SCAN__MAX_NOTIONAL_PER_CYCLE")


def _cap(said: Mapping[str, Any]) -> Decimal | None:
    """What an override of the shadow run is bounded by; None without one. UserError for half."""
    if not said["override_shadow_run"]:
        return None
    if said["max_notional"] is None:
        raise UserError(
            "--override-shadow-run: expected with --max-notional, the most that cycles may start "
            "with, alone and together, for example --max-notional 50"
        )
    cap: Decimal = _settings({_MOST: said["max_notional"]}, (), {}).scan.max_notional_per_cycle
    return cap


def _settings(for_all: Said, venues: Sequence[str], for_venue: Said) -> Settings:
    """Settings with the options laid over them, each venue option for every venue named."""
    from arbit.config import Override, load_settings, venue_key

    prefixes = [venue_key(name, "") for name in venues]
    overrides = [
        Override(option, start + key, text)
        for said, starts in ((for_all, ["ARBIT_"]), (for_venue, prefixes))
        for start in starts
        for (option, key), text in said.items()
        if text is not None
    ]
    return load_settings(overrides=overrides)


def _screen(*, as_json: bool) -> LiveScreen:
    from arbit.cli.live_screen import LivePlain, LiveSilence, LiveTerminal

    if as_json:
        return LiveSilence()
    return LiveTerminal() if sys.stdout.isatty() else LivePlain()


def _print(reports: Sequence[LiveReport], *, as_json: bool) -> None:
    from arbit.app.trade.unread import tell

    if as_json:
        found = [asdict(report) for report in reports]
        whole: dict[str, Any] = found[0] if len(found) == 1 else {"lanes": found}
        tell(json.dumps(whole, indent=2))
        return
    from arbit.cli.live_screen import show

    for report in reports:
        show(report)
