"""What keeps an order from leaving, and what is never told: keys, limits, deadlines, secrets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arbit.domain.account import AccountUnfit, KeyDoubted
from arbit.domain.errors import VenueRefused, VenueUnreachable
from arbit.domain.order import OrderState, Remedy
from tests.unit.venues.alpaca.venue import MINE, SECOND, SECRET, Scene, answer, outcome_of
from tests.unit.venues.virtual import settle


async def test_a_key_that_is_withdrawn_halts_until_it_is_good_again() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.key_good = False
        said = {"code": 40110000, "message": "request is not authorized"}
        scene.venue.on_post = lambda _body: answer(401, said)
        outcome = await outcome_of(scene, scene.gateway.send(scene.intent()))
        assert (outcome.state, outcome.remedy) == (OrderState.REJECTED, Remedy.HALT)
        await scene.clock.advance(5)
        assert [type(one) for one in scene.told_of(KeyDoubted)] == [KeyDoubted]
        assert "refuses this API key" in scene.gateway.unready()
        scene.venue.key_good = True
        await scene.clock.advance(60)
        assert scene.gateway.unready() == ""


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"message": "request is not authorized"}, AccountUnfit),
        (401, b"", AccountUnfit),
        (403, {"message": "forbidden."}, AccountUnfit),
        (403, b"<html>a page on the way</html>", VenueRefused),
        (404, {"message": "endpoint not found."}, VenueRefused),
    ],
)
async def test_asked_again_only_the_venues_own_words_speak_against_a_key(
    status: int, body: object, error: type[Exception]
) -> None:
    scene = Scene()
    await scene.side.ask_again()
    scene.venue.answers["/v2/account"] = answer(status, body)
    with pytest.raises(error, match=str(status)):
        await scene.side.ask_again()


async def test_too_many_requests_are_waited_out_in_words() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.on_post = lambda _body: answer(429, {"message": "too many requests."})
        outcome = await outcome_of(scene, scene.gateway.send(scene.intent()))
        assert (outcome.state, outcome.remedy) == (OrderState.REJECTED, Remedy.BACK_OFF)
        assert scene.gateway.unready() == "told to wait 5 s more: 429 too many requests."
        again = await outcome_of(scene, scene.gateway.send(scene.intent("abq1w2e2-11")))
        assert again.reason.startswith("not sent: told to wait")
        await scene.clock.advance(6)
        assert scene.gateway.unready() == ""


async def test_orders_leave_room_for_questions_about_them() -> None:
    scene = Scene()
    async with scene.running():
        budget = scene.venue.budget
        while budget.may(scene.clock.monotonic_ns(), reserved=True):
            budget.spend(scene.clock.monotonic_ns())
            if scene.gateway.unready():
                break
        assert scene.gateway.unready().startswith("the request limit has no room for")
        assert not budget.wait_ns(scene.clock.monotonic_ns(), reserved=True, cost=19)
        intent = replace(scene.intent(), client_id="abq1w2e9-11")
        assert (await scene.gateway.send(intent)).reason.startswith("not sent: the request limit")


async def test_an_order_that_is_forbidden_at_the_last_moment_does_not_leave() -> None:
    scene = Scene()
    async with scene.running():
        waiting = scene.gateway.send(scene.intent())
        scene.gateway.forbid = lambda _intent: "killed"
        outcome = await outcome_of(scene, waiting)
        assert (outcome.reason, scene.venue.posted) == ("not sent: killed", [])


async def test_a_deadline_that_the_request_might_outlive_is_not_sent() -> None:
    scene = Scene()
    async with scene.running():
        near = replace(scene.intent(), deadline_ns=scene.clock.wall_ns() + 10 * SECOND)
        outcome = await outcome_of(scene, scene.gateway.send(near))
        assert outcome.reason.startswith("not sent: its deadline is so near")


async def test_an_order_whose_bytes_were_held_up_is_not_sent_nearer_to_its_deadline() -> None:
    scene = Scene()
    async with scene.running():
        waiting = scene.gateway.send(scene.intent())
        scene.clock.now_ns += 20 * SECOND  # a machine that slept between the word and the bytes
        outcome = await outcome_of(scene, waiting)
        assert outcome.reason.startswith("not sent: its deadline is so near")
        assert scene.venue.posted == []


async def test_a_cancellation_asks_for_the_venues_id_first_where_it_is_not_known() -> None:
    scene = Scene()
    async with scene.running():
        await scene.gateway.cancel("abnobody1-11")
        assert scene.venue.calls[-1][:2] == ("GET", "/v2/orders:by_client_order_id")
        waiting = scene.gateway.send(scene.intent())
        await settle()
        await scene.gateway.cancel(MINE)
        assert scene.venue.calls[-1][:2] == ("DELETE", f"/v2/orders/id-{MINE}")
        scene.venue.answers["/v2/orders/"] = answer(422, {"message": "not cancelable"})
        await scene.gateway.cancel(MINE)
        scene.venue.answers["/v2/orders/"] = answer(500, {"message": "internal"})
        with pytest.raises(VenueUnreachable, match="500 internal"):
            await scene.gateway.cancel(MINE)
        scene.venue.tell(MINE, "canceled")
        assert (await waiting).state is OrderState.EMPTY


async def test_the_secret_is_said_to_the_stream_and_to_nobody_else() -> None:
    scene = Scene()
    async with scene.running():
        scene.venue.key_good = False
        scene.venue.line.cut()
        scene.venue.on_post = lambda _body: answer(401, {"message": "unauthorized."})
        await scene.clock.advance(5)
        said = f"{scene.told}{scene.events}{scene.gateway.unready()}{scene.side}"
        said += repr(vars(scene.gateway)) + repr(scene.gateway._setup) + repr(scene.venue._keys)
        assert SECRET not in said
        assert any(SECRET in str(one) for one in scene.venue.requests)
