"""Every command there is: its help, each of its options with a mistake, and what a shell offers.

A command or an option that is added is walked, too: what is free text is named here, and every
other option with a value needs one that is wrong.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from arbit import __version__
from arbit.cli.commands_docs import Shown, commands
from arbit.cli.panels import Panel
from tests.integration.typing_in import Run, typing_in

ALL = {one.name: one for one in commands()}
NOWHERE = "127.0.0.1:1"
ADDRESSES = {
    "ARBIT_VENUES__SANDBOX__REST_URL": f"http://{NOWHERE}",
    "ARBIT_VENUES__SANDBOX__WS_URL": f"ws://{NOWHERE}",
}
# What a command needs beside the option that is tried.
BESIDE = {"convert": ["1", "USD", "ETH"], "pause": ["sandbox"], "resume": ["sandbox"]}
WRONG = {
    "--venue": "Kra ken",
    "--secs": "-1",
    "--cycles": "0",
    "--seed": "-1",
    "--port": "70000",
    "--profile": "stormy",
    "--face": "martian",
    "--metrics-port": "70000",
    "--symbols": "BTCUSD",
    "--triangles": "BTC/USD,ETH/BTC",
    "--latency-ms": "-1",
    "--fee-bps": "minus",
    "--max-notional": "-1",
    "--max-slippage-bps": "1001",
    "--max-cost-bps": "10001",
    "--min-notional": "USD",
    "--min-edge-bps": "x",
    "--below": "0",
    "--policy": "reckless",
    "--order-transport": "pigeon",
    "--format": "xls",
    "--year": "1",
    "--days": "-1",
    "--replay": "nowhere.ndjson",
}
# Any text may stand there; what it names may be missing, which other tests look at.
FREE = {"--data-dir", "--account", "--html", "--out", "--sweep", "--kill-switch-file"}


def options_of(one: Shown) -> Iterator[Any]:
    return (option for option in one.options if option.param_type_name == "option")


EVERY = [(one.name, option) for one in ALL.values() for option in options_of(one)]
VALUED = [(name, option) for name, option in EVERY if not option.is_flag]


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    def forbidden(*_: object) -> NoReturn:
        raise AssertionError("a mistake was taken to the network")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr("subprocess.Popen", forbidden)
    monkeypatch.setattr("asyncio.create_subprocess_exec", forbidden)
    return typing_in(tmp_path, monkeypatch, capsys, {**ADDRESSES, "COLUMNS": "200"})


@pytest.mark.parametrize("name", ALL)
def test_help_tells_what_it_does_with_an_example_and_every_option(typed: Run, name: str) -> None:
    one = ALL[name]
    code, out, err = typed(*name.split(), "--help")
    assert (code, err) == (0, "")
    told = " ".join(out.split())
    assert one.summary in told
    assert one.examples
    for example in one.examples:
        assert " ".join(example.split()) in told
    for option in options_of(one):
        assert option.opts[0] in told


def test_the_first_page_has_every_command_under_its_heading(typed: Run) -> None:
    code, out, _ = typed("-h")
    assert code == 0
    for panel in Panel:
        assert panel.value in out
        under = out.split(panel.value)[1].split("╰")[0]
        names = {one.name.split()[0] for one in ALL.values() if one.panel == panel}
        assert names
        for name in names:
            assert re.search(rf"│ {re.escape(name)} ", under), name


@pytest.mark.parametrize(
    ("name", "option"), EVERY, ids=[f"{name} {option.opts[0]}" for name, option in EVERY]
)
def test_an_option_said_by_halves_is_one_line(typed: Run, name: str, option: Any) -> None:
    """A flag with a value, or an option without its value."""
    flag, *_ = option.opts
    code, out, err = typed(
        *name.split(), *BESIDE.get(name, []), f"{flag}=yes" if option.is_flag else flag
    )
    assert (code, out) == (2, ""), err
    (line,) = err.splitlines()
    assert line.startswith("arbit: ")
    assert flag in line


@pytest.mark.parametrize(
    ("name", "option"), VALUED, ids=[f"{name} {option.opts[0]}" for name, option in VALUED]
)
def test_a_value_that_makes_no_sense_is_one_line_before_anything_is_begun(
    typed: Run, tmp_path: Path, name: str, option: Any
) -> None:
    flag, *_ = option.opts
    if flag in FREE:
        assert flag not in WRONG
        return
    code, out, err = typed(*name.split(), *BESIDE.get(name, []), flag, WRONG[flag])
    assert (code, out) == (2, ""), err
    (line,) = err.splitlines()
    assert line.startswith("arbit: ")
    assert WRONG[flag] in line
    assert list(tmp_path.iterdir()) == [], "nothing was begun"


@pytest.mark.parametrize("name", ALL)
def test_a_setting_that_is_wrong_is_one_line_whatever_the_command(
    typed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # Two read no settings, and to the doctor what is wrong with them is a finding.
    if name in {"sandbox", "config init", "doctor"}:
        return
    if name == "doctor":  # which tells of it as of anything else that it finds (test_doctor)
        return
    monkeypatch.setenv("ARBIT_LOG_LEVEL", "loud")
    code, out, err = typed(*name.split(), *BESIDE.get(name, []))
    assert (code, out) == (2, "")
    assert err == "arbit: ARBIT_LOG_LEVEL=loud: expected debug or info or warning or error\n"
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_told(typed: Run) -> None:
    assert typed("--version") == (0, f"arbit {__version__}\n", "")


@pytest.mark.parametrize("words", [["nosuch"], ["db"], ["config", "nosuch"], []])
def test_a_command_that_is_none_is_a_mistake(typed: Run, words: list[str]) -> None:
    code, out, err = typed(*words)
    assert code == 2
    assert err.startswith("arbit: No such command") or "Usage" in out


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("arbit mar", ["markets"]),
        ("arbit config ", ["show", "check", "init"]),
        ("arbit plan --s", ["--symbols"]),
        ("arbit fitness --venue krak", ["kraken", "krakenfutures"]),
        ("arbit live --venue sand", ["sandbox", "sandbox-alpaca"]),
        ("arbit pause al", ["all", "alpaca"]),
        ("arbit status kraken", ["kraken", "krakenfutures"]),
        ("arbit live --policy ", ["sequential", "parallel"]),
        ("arbit fitness --profile wh", ["whole-venue"]),
        ("arbit sandbox --face ", ["kraken", "alpaca"]),
        ("arbit export --format k", ["koinly"]),
    ],
)
def test_a_shell_completes_commands_options_and_names(
    typed: Run, monkeypatch: pytest.MonkeyPatch, line: str, offered: list[str]
) -> None:
    monkeypatch.setenv("_ARBIT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    code, out, _ = typed()
    assert code == 0
    assert out.split() == offered


def test_every_option_that_names_a_venue_is_completed() -> None:
    for name, option in EVERY:
        if "--venue" in option.opts:
            assert option._custom_shell_complete is not None, name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown_for_each_shell(
    typed: Run, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    monkeypatch.undo()  # of bash its version is asked, and nobody of anything else
    monkeypatch.setenv("_ARBIT_COMPLETE", f"source_{shell}")
    code, out, _ = typed()
    assert code == 0
    assert "_ARBIT_COMPLETE" in out
