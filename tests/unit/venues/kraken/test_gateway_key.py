"""A key that the venue no longer takes: nothing is sent with it, and an operator is called."""

from __future__ import annotations

from arbit.config import OrderTransport
from arbit.domain.account import KeyDoubted
from arbit.domain.order import OrderState, Remedy
from arbit.venues.kraken.outcomes import Verdict
from tests.unit.venues.kraken.private.venue import Scene


async def test_a_key_in_question_stops_orders_and_an_operator_is_called() -> None:
    scene = Scene(OrderTransport.REST)
    async with scene.running():
        halt = Verdict(OrderState.REJECTED, Remedy.HALT)
        scene.gateway.judged_over_rest("EGeneral:Permission denied", halt)
        assert scene.gateway.unready() == ""
        assert scene.told_of(KeyDoubted) == []
        for _ in range(3):
            scene.gateway.judged_over_rest("EAPI:Invalid key", halt)
        assert scene.gateway.unready() == "EAPI:Invalid key"
        assert scene.told_of(KeyDoubted) == [KeyDoubted("EAPI:Invalid key")]
        await scene.gateway.tokens.fresh()
        assert scene.gateway.unready() == ""  # what was told has stopped trading


async def test_a_key_that_is_good_again_is_found_out_within_moments() -> None:
    scene = Scene(OrderTransport.WS)
    async with scene.running():
        await scene.clock.advance(1.0)
        scene.gateway.judged_over_rest(
            "EAPI:Invalid key", Verdict(OrderState.REJECTED, Remedy.HALT)
        )
        assert scene.gateway.unready() == "EAPI:Invalid key"
        await scene.clock.advance(20.0)
        assert scene.gateway.unready() == ""  # not at the half of the token's life, minutes later
