"""`arbit fitness`: is there anything here for me, at my fees and my latency?"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arbit.cli import completion
from arbit.cli.completion import PROFILES
from arbit.cli.exits import Code
from arbit.cli.numbers import number, whole
from arbit.domain.errors import UserError

if TYPE_CHECKING:
    from arbit.app.measure.fitness import Screen
    from arbit.config import Settings
    from arbit.fitness.report import Report

MAX_SECONDS = 31_536_000

Venues = Annotated[
    list[str] | None,
    typer.Option(
        "--venue",
        help="Venue to watch; repeat for several. Default: the settings'.",
        autocompletion=completion.venues,
    ),
]
Simulate = Annotated[
    bool, typer.Option("--simulate/--no-simulate", help="Trade opportunities on paper as well.")
]
Secs = Annotated[str | None, typer.Option("--secs", help="Seconds to watch; else until Ctrl-C.")]
Ws = Annotated[
    bool | None, typer.Option("--ws/--no-ws", help="WebSocket books, or REST polling alone.")
]
MetricsPort = Annotated[str | None, typer.Option(help="Serve /metrics on this loopback port.")]
Symbols = Annotated[
    str | None, typer.Option(help="Markets to watch, e.g. BTC/USD,ETH/BTC,ETH/USD.")
]
Triangles = Annotated[
    str | None, typer.Option(help="Triangles as three markets each, ';' between them, or auto.")
]
LatencyMs = Annotated[str | None, typer.Option(help="Latency of each paper order, in ms.")]
FeeBps = Annotated[str | None, typer.Option(help="Taker fee of every leg, in bps.")]
ProfileName = Annotated[
    str,
    typer.Option("--profile", help="The sandbox's market.", autocompletion=completion.profiles),
]
Seed = Annotated[str, typer.Option(help="The sandbox's seed: same seed, same market.")]
Persist = Annotated[
    bool, typer.Option("--persist", help="Keep episodes in the data folder (or ARBIT_HISTORY_URL).")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout and nothing else.")]
LogJson = Annotated[bool, typer.Option("--log-json", help="Log lines as JSON.")]
Replay = Annotated[
    Path | None, typer.Option(help="Replay a recording (Kraken v2 or Binance ndjson) instead.")
]


def fitness(
    venue: Venues = None,
    simulate: Simulate = False,
    secs: Secs = None,
    ws: Ws = None,
    metrics_port: MetricsPort = None,
    symbols: Symbols = None,
    triangles: Triangles = None,
    latency_ms: LatencyMs = None,
    fee_bps: FeeBps = None,
    profile: ProfileName = "calm",
    seed: Seed = "1",
    as_json: Json = False,
    log_json: LogJson = False,
    replay: Replay = None,
    persist: Persist = False,
) -> None:
    """Measure what a market offers, count every gap once, and say plainly whether it pays.

    Without a venue it starts our own synthetic exchange: no network, no keys.

    Examples:
    arbit fitness --simulate --secs 20

    arbit fitness --venue kraken --secs 300

    arbit fitness --replay recording.ndjson --fee-bps 10
    """
    seconds = None if secs is None else number("--secs", secs, 0.001, MAX_SECONDS, "s")
    if profile not in PROFILES:
        raise UserError(f"--profile {profile!r}: expected one of {', '.join(PROFILES)}")
    if symbols is not None and triangles is not None:
        raise UserError("--symbols and --triangles: expected one of them, both were given")
    if replay is not None:
        _nothing_live(
            {
                "--venue": venue,
                "--secs": secs,
                "--ws/--no-ws": ws,
                "--metrics-port": metrics_port,
                "--persist": persist or None,
            }
        )
    seeded = whole("--seed", seed, 0, 2**63 - 1)
    said = _said(venue, latency_ms, fee_bps, symbols, triangles, ws, metrics_port, log_json)
    if replay is not None:
        _replay(_settings(said, ("kraken", "binance")), replay, simulate, as_json)
    else:
        names = said.venues or _settings(said, ()).default_venues
        venues = tuple(dict.fromkeys(names))
        options = _Options(venues, simulate, seconds, profile, seeded, as_json, persist)
        _run(_settings(said, options.venues), options)


def _nothing_live(said: Mapping[str, object]) -> None:
    for option, value in said.items():
        if value not in (None, []):
            raise UserError(f"{option} and --replay: a recording has no such thing")


@dataclass(frozen=True, slots=True)
class _Said:
    """The options that stand for settings, as the user wrote them; None where nothing was said."""

    venues: tuple[str, ...]
    for_scan: Mapping[str, str | None]
    for_venues: Mapping[str, str | None]
    metrics_port: str | None
    log_json: bool


@dataclass(frozen=True, slots=True)
class _Options:
    """The options that are about this one run."""

    venues: tuple[str, ...]
    simulate: bool
    seconds: float | None
    profile: str
    seed: int
    as_json: bool
    persist: bool


def _said(
    venue: list[str] | None,
    latency_ms: str | None,
    fee_bps: str | None,
    symbols: str | None,
    triangles: str | None,
    ws: bool | None,
    metrics_port: str | None,
    log_json: bool,
) -> _Said:
    """The options that stand for settings, each under its setting's name."""
    return _Said(
        venues=tuple(venue or ()),
        for_scan={"LATENCY_MS": latency_ms},
        for_venues={
            "TAKER_FEE_BPS": fee_bps,
            # One fee for every leg: what the settings say of single markets gives way to it.
            "TAKER_FEE_BPS_BY_SYMBOL": None if fee_bps is None else "{}",
            "SYMBOLS": symbols,
            "TRIANGLES": triangles,
            "WS_ENABLED": None if ws is None else str(ws).lower(),
        },
        metrics_port=metrics_port,
        log_json=log_json,
    )


def _settings(said: _Said, venues: Sequence[str]) -> Settings:
    """Settings with the options laid over them, each venue option for every venue named."""
    from arbit.config import Override, load_settings

    overrides = []

    def lay(option: str, key: str, text: str | None) -> None:
        if text is not None:
            overrides.append(Override(option, key, text))

    for key, text in said.for_scan.items():
        lay(_option(key), f"ARBIT_SCAN__{key}", text)
    for name in venues:
        for key, text in said.for_venues.items():
            lay(_option(key), f"ARBIT_VENUES__{name.upper()}__{key}", text)
    if said.metrics_port is not None:
        lay("--metrics-port", "ARBIT_METRICS_PORT", said.metrics_port)
    if said.log_json:
        lay("--log-json", "ARBIT_LOG_JSON", "true")
    return load_settings(overrides=overrides)


def _option(key: str) -> str:
    names = {"TAKER_FEE_BPS": "--fee-bps", "WS_ENABLED": "--ws/--no-ws"}
    return names.get(key, "--" + key.lower().replace("_", "-"))


def _replay(settings: Settings, path: Path, simulate: bool, as_json: bool) -> None:
    """Replay; a recording that breaks off is reported up to there, then named, with exit code 2."""
    from arbit.app.measure.replay import ReplayOptions, replay

    def tell(count: int) -> None:
        if not as_json and sys.stderr.isatty():
            sys.stderr.write(f"\r{count} frames replayed")

    report, error = replay(settings, ReplayOptions(path, simulate, lambda _: None, tell))
    _print([report if error is None else report.broken_off(str(error))], as_json)
    if error is not None:
        raise error


def _run(settings: Settings, options: _Options) -> None:
    from arbit.app.measure.fitness import FitnessOptions, run_fitness

    what = FitnessOptions(
        venues=options.venues,
        simulate=options.simulate,
        seconds=options.seconds,
        profile=options.profile,
        seed=options.seed,
        persist=options.persist,
    )
    reports = run_fitness(settings, what, _screen(options))
    _print(reports, options.as_json)
    if any(report.failure for report in reports):
        raise typer.Exit(Code.FOUND)


def _screen(options: _Options) -> Screen:
    """A live table on a terminal, a plain line now and then elsewhere, nothing with --json."""
    from arbit.cli.progress import LiveTable, PlainLines, Silence

    if options.as_json:
        return Silence()
    return LiveTable(options.seconds) if sys.stdout.isatty() else PlainLines()


def _print(reports: Sequence[Report], as_json: bool) -> None:
    if as_json:
        found = [report.as_dict() for report in reports]
        whole: dict[str, Any] = found[0] if len(found) == 1 else {"venues": found}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
        return
    from rich.console import Console

    from arbit.cli.screen import show_report

    console = Console(width=None if sys.stdout.isatty() else 120)
    for report in reports:
        show_report(report, console)
