"""Numbers of private messages: counted per connection or per channel, and no gap goes unseen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.venues.kraken.private.sequence import Arrived, Sequences

NEXT, AGAIN, GAP = Arrived.NEXT, Arrived.AGAIN, Arrived.GAP
order = st.lists(st.sampled_from(["executions", "balances"]), min_size=3, max_size=30)


Numbered = tuple[str, int, bool]


def numbered(channels: list[str], *, shared: bool) -> list[Numbered]:
    """Each message with its number, and whether it is its channel's snapshot."""
    counts = {"executions": 0, "balances": 0}
    out = []
    for at, channel in enumerate(channels, 1):
        counts[channel] += 1
        out.append((channel, at if shared else counts[channel], counts[channel] == 1))
    return out


def heard(messages: list[Numbered]) -> list[Arrived]:
    sequences = Sequences()
    return [sequences.take(name, number, snapshot=first) for name, number, first in messages]


@given(order, st.booleans())
def test_a_whole_stream_has_no_gap_however_it_is_counted(channels: list[str], shared: bool) -> None:
    assert set(heard(numbered(channels, shared=shared))) == {NEXT}


@given(order, st.booleans(), st.integers(min_value=0, max_value=31))
def test_a_missing_message_is_a_gap_as_soon_as_its_count_goes_on(
    channels: list[str], shared: bool, at: int
) -> None:
    whole = numbered(["executions", "balances", *channels], shared=shared)
    at %= len(whole)
    goes_on = [name for name, _, _ in whole[at + 1 :] if shared or name == whole[at][0]]
    found = heard(whole[:at] + whole[at + 1 :])
    assert (GAP in found) == bool(goes_on)


@given(order, st.booleans(), st.integers(min_value=0, max_value=31))
def test_a_repeated_message_is_old_news_and_no_gap(
    channels: list[str], shared: bool, at: int
) -> None:
    whole = numbered(["executions", "balances", *channels], shared=shared)
    again = at % len(whole)
    found = heard(whole[: again + 1] + whole[again:])
    assert found.count(AGAIN) == 1
    assert GAP not in found


@pytest.mark.parametrize("number", [0, -1, 2, 99])
def test_a_stream_begins_at_one(number: int) -> None:
    assert Sequences().take("executions", number, snapshot=True) is GAP


@given(st.integers(min_value=1, max_value=2**40), st.integers(min_value=1, max_value=20))
def test_a_number_that_leaps_does_not_make_old_news_of_what_comes_after(
    leap: int, told: int
) -> None:
    """Or a single number read wrongly would hide every later loss of its connection."""
    sequences = Sequences()
    sequences.take("balances", 1, snapshot=True)
    for number in range(1, told + 1):
        sequences.take("executions", number, snapshot=number == 1)
    assert sequences.take("executions", told + 1 + leap, snapshot=False) is GAP
    assert sequences.take("executions", told + 1, snapshot=False) is GAP  # asked for once more
    assert sequences.take("executions", told + 2, snapshot=False) is NEXT
    assert sequences.take("executions", told + 4, snapshot=False) is GAP  # a true loss is seen
    assert sequences.take("executions", told + 5, snapshot=False) is NEXT
    assert sequences.take("executions", told + 3, snapshot=False) is AGAIN
