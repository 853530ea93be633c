"""The token: fresh for a connection, renewed at half its life, and never older than its life."""

from __future__ import annotations

import asyncio

import pytest

from arbit.domain.errors import VenueRefused, VenueUnreachable
from arbit.venues.kraken.private.token import Token, TokenKeeper
from tests.unit.venues.virtual import VirtualClock


class Desk:
    """A keeper on virtual time, and a venue that gives tokens or does not."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.asked = 0
        self.down = False
        self.text = "token"
        self.keeper = TokenKeeper(self._fetch, self.clock)

    async def _fetch(self) -> Token:
        self.asked += 1
        if self.down:
            raise VenueUnreachable("no answer")
        return Token(f"{self.text}-{self.asked}", 900)

    @property
    def current(self) -> str:
        return self.keeper.current(self.clock.monotonic_ns())


async def test_it_is_renewed_at_half_its_life_and_not_before() -> None:
    desk = Desk()
    assert desk.current == ""
    await desk.keeper.fresh()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(desk.keeper.renew_on(lambda: True))
        await desk.clock.advance(449)
        assert (desk.current, desk.asked) == ("token-1", 1)
        await desk.clock.advance(2)
        assert (desk.current, desk.asked) == ("token-2", 2)
        running.cancel()


async def test_an_unwanted_token_is_not_renewed() -> None:
    desk = Desk()
    await desk.keeper.fresh()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(desk.keeper.renew_on(lambda: False))
        await desk.clock.advance(1_000)
        assert (desk.current, desk.asked) == ("", 1)
        running.cancel()


async def test_a_venue_that_gives_none_is_asked_ever_less_often_until_it_does() -> None:
    desk = Desk()
    await desk.keeper.fresh()
    desk.down = True
    async with asyncio.TaskGroup() as group:
        running = group.create_task(desk.keeper.renew_on(lambda: True))
        await desk.clock.advance(895)
        assert 10 < desk.asked < 60
        assert desk.current == "token-1"
        assert "no answer" in desk.keeper.why
        await desk.clock.advance(10)
        assert desk.current == ""
        desk.down = False
        await desk.clock.advance(20)
        assert desk.current
        assert desk.keeper.why == ""
        running.cancel()


async def test_a_spoilt_token_is_not_sent_and_a_new_one_is_asked_for() -> None:
    desk = Desk()
    await desk.keeper.fresh()
    desk.keeper.spoil()
    assert desk.current == ""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(desk.keeper.renew_on(lambda: True))
        await desk.clock.advance(1)
        assert desk.current == "token-2"
        running.cancel()


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb", "\u00e9", "x" * 2_000])
async def test_a_token_that_would_break_a_frame_is_refused(text: str) -> None:
    desk = Desk()
    desk.text = text
    with pytest.raises(VenueRefused):
        await desk.keeper.fresh()
    assert desk.current == ""
