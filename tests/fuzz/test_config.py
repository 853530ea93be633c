"""A quick slice of `python -m tests.fuzz.config`, and bugs that it must find."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from arbit.config import load, text
from tests.fuzz.config import Guard, assert_told, run

RUNS = 40


def test_wrong_settings_end_every_command_with_a_line_each_and_reach_nothing() -> None:
    counts = run(RUNS, 1)
    assert counts["wrong"] + counts["right all the same"] >= RUNS
    assert counts["wrong"] > RUNS // 2


def test_a_loader_that_asks_the_network_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = text.environment_triples

    def asks(*asked: Any) -> Any:
        if Guard.on:
            with socket.socket() as one:
                one.connect(("127.0.0.1", 1))
        return real(*asked)

    monkeypatch.setattr("arbit.config.load.environment_triples", asks)
    with pytest.raises(AssertionError, match=r"socket\.connect"):
        run(RUNS, 1, small=False)


def test_a_line_that_does_not_say_what_was_expected_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(load, "expected", lambda _: "")
    with pytest.raises(AssertionError):
        run(RUNS, 1, small=False)


def test_a_secret_that_is_repeated_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text.Said, "name", property(lambda said: f"{said.label}={said.value}"))
    with pytest.raises(AssertionError, match="a secret was told"):
        run(RUNS * 2, 1, small=False)


@pytest.mark.parametrize(
    "line",
    [
        *("something is wrong", "arbit: ARBIT_X: wrong", "arbit: ARBIT_X: expected "),
        *("arbit: expected a number", "arbit: ARBIT_X=\x1b[31m: expected a number"),
    ],
)
def test_a_line_that_says_too_little_is_refused(line: str) -> None:
    with pytest.raises(AssertionError):
        assert_told(line)
