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
# Files are shared out in this order: whoever is through early takes small ones from the end, and no
# process is left alone with a long one. The rest comes between.
FIRST, LAST = (*CAMPAIGNS, HERE / "property"), HERE / "unit"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the campaigns' own tests untraced, and have files of long tests begun first."""
    for item in items:
        if _of_a_campaign(item):
            item.add_marker(pytest.mark.no_cover)
    items.sort(key=_turn)


def _of_a_campaign(item: pytest.Item) -> bool:
    return any(item.path.is_relative_to(campaign) for campaign in CAMPAIGNS)


def _turn(item: pytest.Item) -> int:
    if any(item.path.is_relative_to(folder) for folder in FIRST):
        return 0
    return 2 if item.path.is_relative_to(LAST) else 1
