"""Every command that a document shows is run as it is written, on exchanges of our own.

`kraken` and `alpaca` are sandboxes that speak their wire: the settings say where; `sandbox` is the
one that the command itself begins. What would run
until it is stopped is stopped after a second; nothing else of a command is changed. Blocks of the
newcomer's path are run in their order by `tests/e2e/newcomer.sh`, and are not run again here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest

from arbit.sandbox.keys import TRADE_KEY, TRADE_SECRET
from tests.documents.commands import NEWCOMER, REPO, Documented, documents, shown
from tests.integration.cli_desk import Desk
from tests.integration.server_thread import served

DATA = Path(os.environ.get("SHARED_DATA", REPO.parent / "shared" / "data"))
RECORDED = DATA / "binance" / "triangle-btc-eth-usdt-2025-08-31.ndjson"
ALPACA_KEY, ALPACA_SECRET = "SANDBOXALPACATRADEKEY", "sandbox-alpaca-secret-made-up-and-public"
RUNS_ON = {"fitness": "1", "live": "1"}  # for so many seconds here
ENDS_BY_ITSELF = ("--secs", "--cycles", "--replay", "--recover-only", "--help")
# What this test cannot run, and why. Each must still be understood (`test_known.py`).
NOT_RUN = {
    "--venue mexc": "nobody plays this exchange here, and no real one is contacted",
    "sandbox": "it serves until it is stopped: every other command here runs on one",
}
# 0 is well; some may honestly end otherwise on an exchange of ours.
MAY_END = {
    "--i-accept-real-orders": {0, 3},  # refused without a shadow run of a day: as it should
    "doctor": {0, 1},  # 1: this machine's trouble, told with what mends it
    "shadow": {0, 3},  # 3: no day of dry runs here
    "status": {0, 1},  # 1: no daemon runs
    "why": {0, 1},
    "convert": {0, 3},
    "rebalance": {0, 3},
    "resume": {0, 2},
}


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """The settings that put every venue of the documents onto exchanges of ours."""
    with ExitStack() as stack:
        kraken, alpaca = (
            stack.enter_context(served(face, "volatile")) for face in ("kraken", "alpaca")
        )
        reached = alpaca.addresses
        settings = {
            "KRAKEN": {
                "REST_URL": kraken.rest_url,
                "WS_URL": kraken.ws_url,
                "PRIVATE_WS_URL": kraken.ws_url,
                "API_KEY": TRADE_KEY,
                "API_SECRET": TRADE_SECRET,
                "RATE_TIER": "pro",
            },
            "ALPACA": {
                "REST_URL": reached["rest"],
                "DATA_URL": reached["data"],
                "WS_URL": reached["ws"],
                "PRIVATE_WS_URL": reached["private_ws"],
                "API_KEY": ALPACA_KEY,
                "API_SECRET": ALPACA_SECRET,
            },
        }
        yield {
            f"ARBIT_VENUES__{venue}__{key}": value
            for venue, keys in settings.items()
            for key, value in keys.items()
        }


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One working folder for all: a key's nonces are kept in it."""
    found = Desk(tmp_path_factory.mktemp("reader"))
    for name in ("work", "home", "tmp"):
        (found.root / name).mkdir()
    return found


@pytest.fixture(scope="module")
def begun() -> set[str]:
    """The documents that were begun."""
    return set()


def begin(folder: Path) -> None:
    """A reader begins a document with nothing killed or paused, whatever the last one showed."""
    for switched in [*folder.glob("var/KILL*"), *folder.glob("var/pause*")]:
        switched.unlink()


def why_not(one: Documented) -> str:
    """Why a command is not run here, or nothing."""
    said = " ".join(one.words)
    if NEWCOMER in one.kind:
        return "the newcomer's script runs it"
    found = (
        why
        for what, why in NOT_RUN.items()
        if said.startswith(f"{what} ") or (f" {what}" in said and what[0] == "-")
    )
    return next(found, "")


def as_typed(one: Documented) -> list[str]:
    """Its words; what runs on is told to stop."""
    words = list(one.words)
    seconds = RUNS_ON.get(words[0])
    if seconds and not any(word in ENDS_BY_ITSELF for word in words):
        words += ["--secs", seconds]
    if "--secs" in words:  # an hour is not waited for
        words[words.index("--secs") + 1] = seconds or "1"
    if "--cycles" in words:
        words[words.index("--cycles") + 1] = "1"
    return words


def ends(one: Documented) -> set[int]:
    """With which codes it may end."""
    return next((codes for word, codes in MAY_END.items() if word in one.words), {0})


COMMANDS = [one for page in documents() for one in shown(page)]


@pytest.mark.parametrize("one", COMMANDS, ids=str)
def test_it_is_run_as_it_is_written(
    one: Documented, desk: Desk, begun: set[str], addresses: dict[str, str]
) -> None:
    if why := why_not(one):
        pytest.skip(why)
    if one.document not in begun:
        begun.add(one.document)
        begin(desk.work)
    lay_out(desk.work)
    if "--replay" in one.words and not RECORDED.exists():
        pytest.skip(f"no recorded data: {RECORDED}")
    given = {name: value for name, value in one.settings if value != "..."}
    done = desk.within(*as_typed(one), **addresses | given)
    assert done.returncode in ends(one), done.stderr or done.stdout
    assert "Traceback" not in done.stderr


def lay_out(folder: Path) -> None:
    """What a document takes for granted: a recording to replay."""
    recording = folder / "recording.ndjson"
    if not recording.exists() and RECORDED.exists():
        with RECORDED.open(encoding="utf-8") as lines:
            recording.write_text("".join(islice(lines, 2_000)), encoding="utf-8")
