"""The sandbox's own server on the network in memory, and what it truly knows."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from arbit.sandbox.accounts import Account
from arbit.sandbox.keys import MAIN
from arbit.sandbox.server import SandboxOptions, SandboxServer
from tests.simulation import market as markets
from tests.wiresim.net import WireLoop
from tests.wiresim.plan import Plan
from tests.wiresim.truth import Truth

PORT = 8_080


class WireVenue:
    """Owns the server. Made inside the guard, entered by whoever runs the seed."""

    def __init__(self, loop: WireLoop, plan: Plan) -> None:
        self.loop = loop
        options = SandboxOptions(
            tick_ms=plan.tick_ms,
            taker_fee_bps=plan.fee_bps,
            tier=plan.venue["rate_tier"],
            balances={asset: Decimal(much) for asset, much in plan.balances.items()},
        )
        profile: Any = markets.profile(plan.weather_hz)  # a market takes one, or its name
        self.server = SandboxServer(profile, plan.seed, PORT, options)
        self.exchange = self.server.exchange
        self.market = self.server.market
        self.planter = markets.Planter(self.market, random.Random(f"plants {plan.seed}"))
        self.truth = Truth(self.market, lambda: loop.now_ns)
        self._watch_books()

    @property
    def account(self) -> Account:
        """The account that is traded with."""
        return self.exchange.books.account(MAIN)

    def agrees(self, asset: str, left: Decimal, slack: Decimal) -> bool:
        """Whether books that differ by this are right: here nothing is ever stated later."""
        del asset, slack
        return not left

    def at(self, when_ns: int, callback: Callable[..., object], *args: Any) -> None:
        """Do it at a virtual time, as the venue's own doing."""
        self.loop.at_ns(when_ns, callback, *args, context=self.loop.nobody)

    def _watch_books(self) -> None:
        """Whatever shows a book tells the truth about it first."""
        stream, rest = self.server.stream, self.server._rest
        publish, read, answer = stream.publish, stream._read_book, rest.answer

        def publishes(symbols: dict[str, None]) -> None:
            self.truth.note(symbols)
            publish(symbols)

        def reads(client: Any, key: tuple[str, int], *, snapshot: bool) -> None:
            self.truth.note([key[0]])
            read(client, key, snapshot=snapshot)

        def answers(name: str, params: Mapping[str, str]) -> dict[str, object]:
            self.truth.note(self.market.pairs)
            return answer(name, params)

        stream.publish = publishes  # type: ignore[method-assign]  # heard, not changed
        stream._read_book = reads  # type: ignore[method-assign]  # as above
        rest.answer = answers  # type: ignore[method-assign]  # as above
