"""Bugs planted on purpose in what speaks Alpaca."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from arbit.domain.errors import FrameError
from arbit.domain.order import OrderState
from arbit.venues.alpaca import orders_book, resolve
from arbit.venues.alpaca import session as books
from arbit.venues.alpaca.http import Answer
from arbit.venues.alpaca.outcomes import Verdict
from arbit.venues.alpaca.outcomes import judge as good_judge
from arbit.venues.alpaca.parse_orders import trade_of
from arbit.venues.alpaca.session import AlpacaSession
from arbit.venues.alpaca.updates import UpdatesSession
from tests.fuzz import alpaca
from tests.patches import Sets

TAKEN = 422  # also of an id that is known there


def value_error_gets_out(sets: Sets) -> None:
    """The session of the books knows only the decoder's own errors."""
    good = books.parse  # type: ignore[attr-defined]  # as it is known there

    def bent(payload: bytes) -> Any:
        try:
            return good(payload)
        except FrameError:
            raise ValueError("a level that makes no sense") from None

    sets(books, "parse", bent)


def rest_not_heeded(sets: Sets) -> None:
    """Whatever REST shows, the streamed book is right."""
    sets(AlpacaSession, "compare", lambda _self, _symbol, _look, _now_ns: True)


def unread_update_is_no_gap(sets: Sets) -> None:
    """What cannot be read was nothing."""
    sets(UpdatesSession, "_gap", lambda _self, _why: None)


def fee_is_the_venues_word(sets: Sets) -> None:
    """A fee that is reckoned is taken for a stated one."""

    def bent(*given: Any) -> Any:
        return replace(trade_of(*given), fee_slack=None)

    sets(orders_book, "trade_of", bent)
    sets(resolve, "trade_of", bent)


def any_422_is_a_refusal(sets: Sets) -> None:
    """A client id that is known there counts as an order that was not placed."""

    def bent(answer: Answer) -> Verdict:
        found = good_judge(answer)
        taken = answer.status == TAKEN
        return replace(found, state=OrderState.REJECTED) if taken else found

    sets(alpaca, "judge", bent)
