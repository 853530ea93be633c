"""Answers that ccxt decodes and nobody should walk: a wall of brackets is an error of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arbit.config import RateTier
from arbit.domain.errors import FrameError
from arbit.venues.ccxt.client import MOST_LEVELS, RestClient, too_deep
from arbit.venues.ccxt.settings import CcxtSettings
from arbit.venues.kraken.budgets import RequestBudget
from arbit.venues.kraken.nonce import Nonces
from arbit.venues.kraken.rest import Credentials, PrivateRest
from tests.unit.venues.virtual import VirtualClock


def nested(levels: int, inside: object = 1) -> Any:
    body: Any = inside
    for turn in range(levels):
        body = [body] if turn % 2 else {"a": body}
    return body


class NoStore:
    def load(self) -> int:
        return 0

    def save(self, nonce: int) -> bool:
        return bool(nonce)


@pytest.mark.parametrize("levels", [0, 1, MOST_LEVELS])
def test_what_any_answer_could_be_is_not_too_deep(levels: int) -> None:
    assert not too_deep(nested(levels))


@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 900, 20_000])
def test_a_level_more_is(levels: int) -> None:
    assert too_deep({"error": [], "result": [1, nested(levels), 2]})


@pytest.mark.parametrize("levels", [900, 20_000])
async def test_neither_client_lets_anything_else_out_for_a_wall_of_brackets(levels: int) -> None:
    """Python's own decoder gives up at some thousand levels, with an error of its own."""
    text = '{"error": [], "result": {"status": ' + "[" * levels + "]" * levels + "}}"

    async def fetch(*_: object) -> object:
        return json.loads(text)

    clock = VirtualClock()
    public: Any = RestClient(CcxtSettings("kraken"), clock)
    public.exchange.fetch = fetch
    with pytest.raises(FrameError):
        await public.ask("publicGetSystemStatus")
    nonces, budget = Nonces(NoStore(), clock.wall_ns), RequestBudget(RateTier.PRO)
    private: Any = PrivateRest(
        CcxtSettings("kraken"), Credentials("key", "c2VjcmV0"), nonces, budget, clock
    )
    private._made().fetch = fetch
    with pytest.raises(FrameError):
        await private.post("OpenOrders", {})
