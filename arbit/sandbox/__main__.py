"""``python -m arbit.sandbox``: the exchange as a process of its own.

Prints one ready line of JSON on stdout (REST and WebSocket addresses, profile, seed,
``synthetic: true``) and runs until SIGTERM, Ctrl-C or, with ``--ends-with-parent``, until its
standard input ends. A wrong argument or a taken port: one line on stderr, exit status 2.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NoReturn

from arbit.sandbox.kraken.words import compact
from arbit.sandbox.profiles import PROFILE_NAMES
from arbit.sandbox.server import FACES, SandboxOptions, SandboxServer

MISTAKE = 2
MAX_PACE = 20
MAX_PORT = 65_535


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of a page of usage."""
        sys.stderr.write(f"arbit sandbox: {message}\n")
        raise SystemExit(MISTAKE)


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def _port(text: str) -> int:
    value = _whole(text)
    if value > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text} is no port: expected 0 to {MAX_PORT}")
    return value


def _pace(text: str) -> int:
    value = _whole(text)
    if not 1 <= value <= MAX_PACE:
        raise argparse.ArgumentTypeError(f"{text} is no pace: expected 1 to {MAX_PACE}")
    return value


def _amount(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not (value.is_finite() and 0 <= value < Decimal(10) ** 12):
        raise argparse.ArgumentTypeError(f"{text} is no amount: expected 0 to 1e12")
    return value


def _balances(text: str) -> dict[str, Decimal]:
    found = {}
    for part in text.split(","):
        asset, sign, amount = part.strip().partition("=")
        if not asset or not sign:
            raise argparse.ArgumentTypeError(f"{part!r}: expected a list such as USD=10000,BTC=1")
        found[asset] = _amount(amount)
    return found


def _parser() -> _Parser:
    parser = _Parser(prog="python -m arbit.sandbox", description="A synthetic exchange, loopback.")
    add = parser.add_argument
    add("--face", choices=FACES, default="kraken", help="whose wire to speak")
    add("--profile", choices=PROFILE_NAMES, default="calm", help="the market to play")
    add("--seed", type=_whole, default=1, help="same seed, same market")
    add("--port", type=_port, default=0, help="0 takes a free one")
    add("--pace", type=_pace, default=1, help="seconds of market played in one, 1 to 20")
    add("--frozen", action="store_true", help="start with the market standing still")
    add("--no-control", action="store_true", help="no /sandbox paths")
    add("--connects", type=_whole, default=150, help="connects allowed per ten minutes")
    add("--idle-close-s", type=_whole, default=60, help="close unsubscribed sockets; 0 never")
    add("--state", type=Path, default=None, help="keep the accounts in this folder")
    add("--taker-fee-bps", type=_amount, default=None, help="one taker fee for every pair")
    add("--tier", choices=("starter", "intermediate", "pro"), default="starter")
    add("--balances", type=_balances, default=None, help="e.g. USD=10000,BTC=0.1")
    add("--fees-post-after-s", type=_whole, default=20, help="alpaca: when a fee is posted")
    add("--requests-per-minute", type=_whole, default=200, help="alpaca: 0 means no limit")
    add("--plan", choices=("free", "paid"), default="free", help="alpaca: of market data")
    add("--text-updates", action="store_true", help="alpaca: trade updates as text frames")
    add("--ends-with-parent", action="store_true", help="end when standard input ends")
    add("--json", action="store_true", help="nothing but the ready line, also on stderr")
    return parser


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """End with the parent: its end of our standard input closes with it, on every system."""

    def wait_for_end() -> None:
        # Unbuffered: a thread holding the buffer's lock would spoil the interpreter's exit.
        while os.read(0, 1024):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has ended before the parent did
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait_for_end, name="parent", daemon=True).start()


def _stop_on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows: no loop handlers, but plain ones work

            def on_signal(*_: object) -> None:
                loop.call_soon_threadsafe(stop.set)

            signal.signal(number, on_signal)


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    _stop_on_signals(loop, stop)
    if options.ends_with_parent:
        _watch_parent(loop, stop)
    limits = SandboxOptions(
        connects_per_window=options.connects,
        idle_close_s=float(options.idle_close_s),
        control=not options.no_control,
        frozen=options.frozen,
        pace=options.pace,
        state=options.state,
        taker_fee_bps=options.taker_fee_bps,
        tier=options.tier,
        balances=options.balances,
        fees_post_after_s=float(options.fees_post_after_s),
        requests_per_minute=options.requests_per_minute,
        plan=options.plan,
        binary_updates=not options.text_updates,
    )
    server = SandboxServer(options.profile, options.seed, options.port, limits, options.face)
    async with server as sandbox:
        log = sandbox.exchange.log.path
        ready = {
            **sandbox.addresses,
            "profile": options.profile,
            "seed": options.seed,
            "synthetic": True,
            "log": None if log is None else str(log),
        }
        if options.face != "kraken":
            ready["face"] = options.face
        sys.stdout.write(compact(ready) + "\n")
        sys.stdout.flush()
        if not options.json:
            sys.stderr.write("This market is synthetic: no price here is real. Ctrl-C ends it.\n")
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        sys.stderr.write(f"arbit sandbox: port {options.port} on 127.0.0.1: {error.strerror}\n")
        return MISTAKE
    return 0


if __name__ == "__main__":
    sys.exit(main())
