"""What all tests share: property tests draw the same examples in every run, and campaigns are fast.

A campaign lives whole daemons thousands of times; being traced for coverage makes it 2.6 times as
slow, and what it reaches is covered by the tests of the rooms themselves.
"""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("arbit", derandomize=True, deadline=None, database=None)
settings.load_profile("arbit")

HERE = Path(__file__).parent
CAMPAIGNS = tuple(HERE / name for name in ("simulation", "wiresim", "fuzz"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the campaigns' own tests untraced."""
    for item in items:
        if any(item.path.is_relative_to(campaign) for campaign in CAMPAIGNS):
            item.add_marker(pytest.mark.no_cover)
