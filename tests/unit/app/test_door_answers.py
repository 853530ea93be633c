"""What is asked at a door is checked word by word: nothing of it is believed unread."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from arbit.app.acts.asked import asked_convert, daemon_of
from arbit.app.acts.convert import ConvertAsk
from arbit.app.acts.opened import Access, Ask
from arbit.app.door.asking import NobodyAnswers, answer
from arbit.app.live.door_answers import DoorSetup, LaneDoor
from arbit.clock import SystemClock
from arbit.config import load_settings
from arbit.domain.account import AccountId, Mode
from arbit.domain.errors import UserError

WELL = {
    "ask": "convert",
    "real": False,
    "start": "USD",
    "end": "BTC",
    "amount": "10.5",
    "max_cost_bps": "150",
    "sweep": False,
    "below": "10",
}


def door(mode: Mode = Mode.SANDBOX, *, started: bool = False, closed: bool = False) -> LaneDoor:
    """A lane of which no more is there than refuses."""
    trader = SimpleNamespace(
        setup=SimpleNamespace(account=AccountId("sandbox", mode)),
        started=started,
        engine=SimpleNamespace(closed=closed),
        rebalancer=SimpleNamespace(symbols=[]),
    )
    venue = SimpleNamespace(name="sandbox")
    desk = SimpleNamespace(setup=SimpleNamespace(venue=venue), cache=SimpleNamespace(symbols=[]))
    health: Any = SimpleNamespace(
        trader=trader, run_of=SimpleNamespace(desk=desk), waits=lambda: "it leaves"
    )
    return LaneDoor(DoorSetup(load_settings(), health, SystemClock(), lambda _: None))


async def refusal_of(asked: dict[str, Any], at: LaneDoor | None = None) -> str:
    caller: Any = SimpleNamespace(say=lambda _: None)
    with pytest.raises(UserError) as refused:
        await (at or door()).answer(asked, caller)
    said = str(refused.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start", "usd"),
        ("start", ""),
        ("start", None),
        ("end", "B" * 30),
        ("end", "BTC\n"),
        ("end", ["BTC"]),
        ("amount", 10.5),
        ("amount", "1e9"),
        ("amount", "NaN"),
        ("amount", "-1"),
        ("amount", "9" * 20),
        ("amount", "1" * 2_000),
        ("max_cost_bps", "٣"),
        ("max_cost_bps", None),
        ("below", {}),
    ],
)
async def test_what_is_no_name_and_no_number_is_refused_by_its_key(name: str, value: Any) -> None:
    assert (await refusal_of(WELL | {name: value})).startswith(f"{name}: expected ")


@pytest.mark.parametrize(
    "asked", [{}, {"ask": None}, {"ask": []}, {"ask": "start"}, {"ask": "_why"}]
)
async def test_nothing_else_can_be_asked_and_nothing_that_starts_trading(asked: Any) -> None:
    said = await refusal_of(asked)
    assert said == "ask: expected one of status, why, heard, convert, rebalance"


async def test_a_daemon_on_paper_sends_nothing_and_only_true_is_yes() -> None:
    on_paper = door(Mode.PAPER)
    assert "trades on paper" in await refusal_of(WELL | {"real": True}, on_paper)
    for odd in ("true", 1, None, [True]):
        said = await refusal_of(WELL | {"real": odd}, on_paper)
        assert "recovery is not over" in said, "it is a quote"


async def test_nothing_is_converted_before_recovery_nor_while_it_leaves() -> None:
    assert "recovery is not over" in await refusal_of(WELL)
    leaving = door(started=True, closed=True)
    assert await refusal_of(WELL | {"real": True}, leaving) == "sandbox: it leaves"


async def test_one_conversion_at_a_time() -> None:
    at = door()
    with at.alone():
        assert "another conversion is under way" in await refusal_of(WELL, at)
    await refusal_of(WELL, at)
    assert "recovery is not over" in await refusal_of(WELL, at), "a refused one is over"


def test_where_no_daemon_is_nobody_is_asked(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARBIT_DATA_DIR", str(tmp_path))
    assert daemon_of(load_settings(), "sandbox") is None
    assert daemon_of(load_settings(), "kraken") is None, "without a key no account is known"
    with pytest.raises(NobodyAnswers, match=r"none\.sock: No such file"):
        answer(tmp_path / "none.sock", {"ask": "status"})
    ask = Ask("sandbox", Access.TRADED, "convert")
    with pytest.raises(NobodyAnswers):
        asked_convert(tmp_path / "none.sock", ask, ConvertAsk("BTC", "USD"), lambda _: None)
