"""`arbit fitness` as its user meets it: its exit code, its two streams, its files."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.integration.cli_desk import GUARD_S, Desk, sandboxes_of, strict_json
from tests.integration.kraken_tape import gap, quiet, write

# Typer itself asks for pydantic, so that one is not ours to leave out.
HEAVY = ("ccxt", "aiohttp", "picows", "msgspec", "structlog", "prometheus_client", "uvloop")


def assert_one_clear_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("arbit: ")
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--secs", "-5"], ["--secs -5", "expected a number from"]),
        (["--secs", "0"], ["--secs 0", "expected a number from"]),
        (["--secs", "nan"], ["--secs nan", "expected a number from"]),
        (["--secs", "1e99"], ["--secs 1e99", "expected a number from"]),
        (["--secs", "soon"], ["--secs soon", "expected a number from"]),
        (["--seed", "-1"], ["--seed -1"]),
        (["--bogus"], ["--bogus"]),
        (["--replay"], ["--replay"]),
        (["--profile", "stormy"], ["--profile 'stormy'", "calm, volatile, thin, whole-venue"]),
        (["--venue", "no-such-venue!"], ["no-such-venue!"]),
        (["--venue", "nosuchvenue"], ["nosuchvenue"]),
        (["--fee-bps", "minus"], ["--fee-bps", "minus"]),
        (["--fee-bps", "1001"], ["--fee-bps", "1001", "0 to 1000"]),
        (["--latency-ms", "-1"], ["--latency-ms", "-1", "0 to 60000"]),
        (["--symbols", "BTCUSD"], ["--symbols", "BTCUSD"]),
        (["--triangles", "BTC/USD,ETH/BTC"], ["--triangles", "BTC/USD,ETH/BTC"]),
        (["--replay", "nowhere.ndjson"], ["--replay nowhere.ndjson", "No such file"]),
        (["--replay", "."], ["--replay .", "expected a file"]),
        (["--metrics-port", "70000"], ["--metrics-port", "70000"]),
        (["--replay", "tape", "--venue", "kraken"], ["--venue and --replay"]),
        (["--symbols", "BTC/USD", "--triangles", "auto"], ["--symbols and --triangles"]),
    ],
)
def test_a_mistake_on_the_command_line_is_one_clear_line(
    desk: Desk, arguments: list[str], words: list[str]
) -> None:
    assert_one_clear_line(desk.within("fitness", *arguments), *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--symbols", "BTC/USD,NOPE/USD"], ["'NOPE/USD'", "no such market"]),
        (["--symbols", "BTC/USD,ETH/USD"], ["no triangle among BTC/USD, ETH/USD"]),
        (
            ["--triangles", "BTC/USD,ETH/BTC,ETH/EUR"],
            ["is no triangle", "buy BTC/USD", "buy ETH/BTC", "sell ETH/EUR", "end in EUR"],
        ),
        (["--triangles", "BTC/USD,ETH/BTC,NOPE/USD"], ["'NOPE/USD' is not listed"]),
        (
            ["--triangles", "BTC/USD,ETH/BTC,ETH/USD;ETH/USD,ETH/BTC,BTC/USD"],
            ["expected each triangle once"],
        ),
    ],
)
def test_a_mistake_that_only_the_venue_s_listing_shows_is_one_clear_line(
    desk: Desk, arguments: list[str], words: list[str]
) -> None:
    done = desk.within("fitness", "--secs", "1", "--json", *arguments)
    assert_one_clear_line(done, *words)
    assert sandboxes_of(desk) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ARBIT_SCAN__LATENCY_MS\n", [".env, line 1", "KEY=value"]),
        ("# fine\nARBIT_SCAN__LATENCY=5\n", [".env, line 2", "unknown setting"]),
        ("ARBIT_SCAN__LATENCY_MS=lots\n", [".env, line 1", "lots", "0 to 60000"]),
        ("ARBIT_VENUES__KRAKEN__BOOK_DEPTH=11\n", [".env, line 1", "10, 25, 100, 500, 1000"]),
    ],
)
def test_a_mistake_in_the_env_file_is_one_clear_line(
    desk: Desk, text: str, words: list[str]
) -> None:
    (desk.work / ".env").write_text(text, encoding="utf-8")
    assert_one_clear_line(desk.within("fitness", "--secs", "1"), *words)


def test_a_mistake_in_the_environment_is_one_clear_line(desk: Desk) -> None:
    done = desk.within("fitness", "--secs", "1", ARBIT_LATENCY_MS="60")
    assert_one_clear_line(done, "ARBIT_LATENCY_MS:", "expected ARBIT_SCAN__LATENCY_MS")


def test_half_an_address_of_the_sandbox_is_never_completed_by_a_real_one(desk: Desk) -> None:
    url = "http://127.0.0.1:9"
    done = desk.within("fitness", "--secs", "1", ARBIT_VENUES__SANDBOX__REST_URL=url)
    assert_one_clear_line(done, "ARBIT_VENUES__SANDBOX__WS_URL", "expected both or neither")


def test_a_slip_in_a_venues_name_is_one_clear_line(desk: Desk) -> None:
    done = desk.within("fitness", "--secs", "1", ARBIT_VENUES__SANBOX__TAKER_FEE_BPS="0")
    assert_one_clear_line(done, "'sanbox'")


def test_a_venue_that_nobody_answers_for_is_exit_code_4_and_one_line(desk: Desk) -> None:
    done = desk.within(
        *("fitness", "--venue", "kraken", "--secs", "1"),
        ARBIT_VENUES__KRAKEN__REST_URL="http://127.0.0.1:9",
        ARBIT_VENUES__KRAKEN__WS_URL="ws://127.0.0.1:9/v2",
    )
    assert done.returncode == 4
    assert "kraken could not be reached" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_several_mistakes_are_all_told_at_once_a_line_each(desk: Desk) -> None:
    done = desk.arbit("fitness", ARBIT_NOPE="1", ARBIT_METRICS_PORT="-1")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2
    assert "Traceback" not in done.stderr


# --- recordings ----------------------------------------------------------------------------------


def test_a_recording_is_one_json_object_and_nothing_else(desk: Desk) -> None:
    write(desk.work / "tape", *((0.0, line) for line in quiet()), (1.0, gap()), (2.0, quiet()[2]))
    done = desk.arbit("fitness", "--simulate", "--json", "--fee-bps", "0", "--replay", "tape")

    assert (done.returncode, done.stderr) == (0, "")
    found = strict_json(done.stdout)
    assert (found["market"], found["venue"]) == ("recorded", "kraken")
    assert found["funnel"]["filled"] == 1
    assert found["paper"]["pnl"] == {"USD": "50"}


def test_a_recording_without_a_triangle_is_a_verdict_and_no_error(desk: Desk) -> None:
    write(desk.work / "tape", (0.0, quiet()[0]))
    done = desk.within("fitness", "--replay", "tape")

    assert (done.returncode, done.stderr) == (0, "")
    assert "No triangle among the 1 markets watched" in done.stdout


@pytest.mark.parametrize("as_json", [True, False])
def test_a_truncated_recording_is_reported_up_to_there_and_named(desk: Desk, as_json: bool) -> None:
    tape = write(desk.work / "tape", *((0.0, line) for line in quiet()), (1.0, gap()))
    tape.write_text(tape.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    done = desk.within("fitness", "--replay", "tape", *(["--json"] if as_json else []))

    assert done.returncode == 2
    assert done.stderr.startswith("arbit: tape, line 4: expected one JSON object")
    assert len(done.stderr.splitlines()) == 1
    if as_json:
        assert strict_json(done.stdout)["evaluations"] == 1
    else:
        assert "Verdict" in done.stdout


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\x89PNG\n", b"[]\n", b"{}\n", b"a,b,c\n1,2,3\n"]
)
def test_a_file_that_is_no_recording_is_one_clear_line(desk: Desk, content: bytes) -> None:
    (desk.work / "tape").write_bytes(content)
    assert_one_clear_line(desk.within("fitness", "--replay", "tape"), "tape")


# --- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["fitness", "--help"], ["sandbox", "-h"]])
def test_help_needs_nothing_heavy(desk: Desk, arguments: list[str]) -> None:
    script = (
        "import sys, arbit.cli\n"
        f"sys.argv = ['arbit', *{arguments!r}]\n"
        "try:\n    arbit.cli.main()\n"
        "except SystemExit:\n"
        f"    print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=desk.work,
        env=desk.env(),
        capture_output=True,
        text=True,
        timeout=GUARD_S,
        check=False,
    )
    assert done.stderr.strip() == "[]"
    assert "Usage" in done.stdout


def test_help_shows_examples_that_can_be_typed(desk: Desk) -> None:
    shown = " ".join(desk.within("fitness", "--help").stdout.split())

    for example in (
        "arbit fitness --simulate --secs 20",
        "arbit fitness --venue kraken --secs 300",
        "arbit fitness --replay recording.ndjson --fee-bps 10",
    ):
        assert example in shown
