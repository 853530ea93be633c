"""Planted bugs of the wire layer, each a patch at run time that the wire simulation must catch.

`python -m tests.wiresim.saboteurs` plants each and runs seeds until one finds something; one that
survives `--seeds` of them is a hole. `--only NAME` runs one.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: ANN001, ANN002, ANN202  # a patch has the shape of what it replaces
from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from arbit.domain.errors import VenueError
from arbit.domain.order import OrderState, Outcome
from arbit.risk import switches
from arbit.venues import following
from arbit.venues.confirm import QuietBooks
from arbit.venues.dial import _Listener
from arbit.venues.kraken import rest_orders
from arbit.venues.kraken.nonce import Nonces
from arbit.venues.kraken.private import ws_orders
from arbit.venues.kraken.rest import PrivateRest
from arbit.venues.kraken.session import KrakenSession
from arbit.venues.kraken.shard import Shard
from tests.patches import Sets, patched
from tests.simulation.saboteurs import ALL as SIMULATED
from tests.simulation.saboteurs import Saboteur
from tests.wiresim.runner import run_seeds

SEEDS = 300
ALL: dict[str, Saboteur] = {}


def bug(what: str) -> Callable[[Callable[[Sets], None]], Callable[[Sets], None]]:
    """Enter a planted bug."""

    def entered(plant: Callable[[Sets], None]) -> Callable[[Sets], None]:
        ALL[plant.__name__] = Saboteur(plant.__name__, what, plant)
        return plant

    return entered


# --- orders ---------------------------------------------------------------------------------------


@bug("an order whose connection was reset is sent again")
def retry_after_reset(sets: Sets) -> None:
    real = PrivateRest._carry

    async def carry(self, name, params, by_ns):
        try:
            return await real(self, name, params, by_ns)
        except VenueError:
            return await real(self, name, params, by_ns)

    sets(PrivateRest, "_carry", carry)


@bug("ccxt's own retries are switched on")
def ccxt_retries(sets: Sets) -> None:
    real = PrivateRest._made

    def made(self):
        exchange = real(self)
        exchange.options.update(maxRetriesOnFailure=2, maxRetriesOnFailureDelay=0)
        return exchange

    sets(PrivateRest, "_made", made)


@bug("a reply over REST that proves nothing is taken for a refusal")
def truncated_is_refusal(sets: Sets) -> None:
    real = rest_orders._said

    async def said(intent, state, words, *rest):
        refused = OrderState.REJECTED if state is OrderState.UNKNOWN else state
        return await real(intent, refused, words, *rest)

    sets(rest_orders, "_said", said)


@bug("an order in flight on a socket that is lost is taken for refused")
def lost_is_refusal(sets: Sets) -> None:
    def lost(self, why):
        for client_id in tuple(self._out):
            self.end(Outcome(client_id, OrderState.REJECTED, reason=why))

    sets(following.Following, "lost", lost)


@bug("numbers leave as floats write them")
def exponents(sets: Sets) -> None:
    sets(ws_orders, "_number", lambda value: f"{float(value):.8e}")
    sets(rest_orders, "plain", lambda value: f"{float(value):.8e}")


@bug("quantities leave with more digits than the market has")
def off_the_lot(sets: Sets) -> None:
    real = ws_orders.add_order_frame

    def finer(intent, token, request_id):
        return real(replace(intent, qty=intent.qty * 3 / 7), token, request_id)

    sets(ws_orders, "add_order_frame", finer)


@bug("nonces are milliseconds of the wall clock")
def nonces_of_the_clock(sets: Sets) -> None:
    sets(Nonces, "next", lambda self: self._wall_ns() // 1_000_000)


@bug("an order that waits for the key's turn is not looked at again")
def turn_without_a_look(sets: Sets) -> None:
    sets(switches, "seen", lambda setup, symbol, now_ns: None)


# --- the public stream ----------------------------------------------------------------------------


@bug("checksums are not looked at")
def checksum_ignored(sets: Sets) -> None:
    sets(KrakenSession, "_agrees", lambda self, book, expected: True)


@bug("a snapshot that comes after its updates is believed")
def late_snapshot_believed(sets: Sets) -> None:
    sets(KrakenSession, "_late", lambda self, sub, wire: False)
    sets(KrakenSession, "_agrees", lambda self, book, expected: True)


@bug("nobody looks whether a socket is silent")
def watchdog_off(sets: Sets) -> None:
    def pulse(self, connection, now_ns):
        del connection
        self.session.tick(now_ns)
        if not self._through and self.session.live:
            self._through = True
            self._home.gate.through(self.number)

    sets(Shard, "_pulse", pulse)


@bug("a socket that answers nothing is kept for its beats")
def deaf_is_well(sets: Sets) -> None:
    sets(KrakenSession, "deaf_ns", lambda self, now_ns: 0)


@bug("a server that hangs up during the handshake is taken for an open socket")
def handshake_unseen(sets: Sets) -> None:
    sets(_Listener, "opened", True)


@bug("a lost socket is not dialled again")
def no_redial(sets: Sets) -> None:
    async def keep_open(self):
        await self._home.gate.enter(self.number)
        await self._one_life()
        await asyncio.Event().wait()

    sets(Shard, "keep_open", keep_open)


@bug("a lost socket's books stay believed")
def lost_is_believed(sets: Sets) -> None:
    def lost(self, reason, now_ns):
        del reason, now_ns
        self._asks.closed()
        self._statuses.lost(self._number)

    sets(KrakenSession, "lost", lost)


@bug("what a quiet book is compared with always agrees")
def any_look_confirms(sets: Sets) -> None:
    real = QuietBooks._judge

    def judge(self, window, symbol, sent_ns, verdict, detail):
        verdict = replace(verdict, equal=True, deep=True)
        return real(self, window, symbol, sent_ns, verdict, detail)

    sets(QuietBooks, "_judge", judge)


@bug("a socket is not closed when it is given up")
def sockets_left_open(sets: Sets) -> None:
    sets(Shard, "_end", lambda self, connection: None)


# --- the private stream ---------------------------------------------------------------------------


@bug("the account's socket is not watched")
def account_unwatched(sets: Sets) -> None:
    SIMULATED["no_watchdog"].plant(sets)


@bug("the end of a socket is told to nobody")
def end_untold(sets: Sets) -> None:
    sets(_Listener, "on_ws_disconnected", lambda self, transport: None)


# --- running --------------------------------------------------------------------------------------


def hunt(saboteur: Saboteur, seeds: int) -> tuple[int, str]:
    """How many seeds it took, and what gave it away; (0, "") when nothing did."""
    with patched(saboteur.plant):
        for number, result in enumerate(run_seeds(range(seeds)), 1):
            if result.violations:
                return number, result.violations[0]
    return 0, ""


def main() -> int:
    """1 when one survives."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--json", action="store_true", help="its last line always is")
    asked = parser.parse_args()
    survivors: list[str] = []
    chosen: list[Any] = [ALL[name] for name in asked.only] or list(ALL.values())
    for saboteur in chosen:
        began_s = time.monotonic()
        number, said = hunt(saboteur, asked.seeds)
        took_s = time.monotonic() - began_s
        survivors += [] if number else [saboteur.name]
        told = f"seed {number}: {said[:90]}" if number else "SURVIVED"
        print(f"{saboteur.name:24} {took_s:6.1f} s  {told}", flush=True)
    caught = len(chosen) - len(survivors)
    print(json.dumps({"saboteurs": len(chosen), "caught": caught, "survivors": survivors}))
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main())
