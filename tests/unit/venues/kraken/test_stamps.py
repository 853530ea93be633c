"""Times as the venue writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.domain.errors import FrameError
from arbit.venues.kraken.stamps import rfc3339, stamp_ns

MS = 1_000_000


@given(st.integers(0, 4_000_000_000_000))
def test_a_deadline_is_never_written_later_than_it_was_meant(wall_us: int) -> None:
    wall_ns = wall_us * 1_000 + 999
    written_ns = stamp_ns(rfc3339(wall_ns))
    assert written_ns <= wall_ns < written_ns + MS


def test_it_is_written_to_the_millisecond_in_utc() -> None:
    assert rfc3339(1_764_000_000_000_999_999) == "2025-11-24T16:00:00.000Z"


def test_what_is_read_keeps_its_nanoseconds() -> None:
    assert stamp_ns("2025-11-24T16:00:00.123456789Z") == 1_764_000_000_123_456_789
    assert stamp_ns("2025-11-24T16:00:00Z") == 1_764_000_000_000_000_000


@pytest.mark.parametrize("text", ["", "yesterday", "2025-13-24T16:00:00Z", "2025-11-24T16:00:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(FrameError):
        stamp_ns(text)
