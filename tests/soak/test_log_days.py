"""The day of the log in small: minutes, and files so small that they are put aside all the time."""

from __future__ import annotations

import pytest

from arbit.config import LogSettings
from tests.soak import log_days

pytestmark = pytest.mark.usefixtures("logging_as_it_was")


def test_the_folder_of_the_log_is_never_larger_than_its_bound() -> None:
    told = log_days.run(0.1, settings=LogSettings(file_kib=64, files=3))
    assert told.broken() == []
    assert told.most_bytes > 0.6 * told.bound_bytes  # it was full, and stayed
    assert told.most_files == 4  # with the lock
    assert told.lost > 0  # the disk was full at times
