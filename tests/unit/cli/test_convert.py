"""What `arbit convert` says of a mistake, before anything is opened."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from arbit.cli import main


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["x", "USD", "ETH"], "AMOUNT x: expected a number above 0 and up to 1e12, or all"),
        (["1", "USD", "usd"], "convert 1 USD USD: expected two different assets"),
        (["1", "USD"], "convert: expected AMOUNT FROM TO, such as 250 USD ETH, or --sweep TO"),
        (["1", "USD", "ETH", "--sweep", "BTC"], "--sweep BTC: expected no AMOUNT beside it"),
        (["1", "USD", "ETH", "--profile", "wild"], "--profile 'wild': expected one of calm,"),
        (["1", "USD", "ETH", "--max-cost-bps", "-1"], "--max-cost-bps -1: expected a number from"),
        (["1", "USD", "ETH", "--venue", "No!"], "--venue 'No!': expected a built-in venue"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    line: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["arbit", "convert", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr()
    assert (left.value.code, told.out) == (2, "")
    assert told.err.count("\n") == 1
    assert f"arbit: {line}" in told.err
