"""What all tests share: property tests draw the same examples in every run, and campaigns are fast.

A campaign lives whole daemons thousands of times; being traced for coverage makes it 2.6 times as
slow, and what it reaches is covered by the tests of the rooms themselves.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from tests.unstalled import UnstalledLoop

settings.register_profile("arbit", derandomize=True, deadline=None, database=None)
settings.load_profile("arbit")

HERE = Path(__file__).parent
CAMPAIGNS = tuple(HERE / name for name in ("simulation", "wiresim", "fuzz", "property"))
TRACED_CHILDREN = "COVERAGE_PROCESS_CONFIG"  # by which coverage's own patch has children traced
UNTRACED = "untraced"  # marks a single test that plays as long as a campaign does
# Campaigns are shared out first: whoever is through early takes small files from the end, and no
# process is left alone with a long one. The rest comes between.
LAST = HERE / "unit"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have files of long tests begun first."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if _of_a_campaign(item):
        return 0
    return 2 if item.path.is_relative_to(LAST) else 1


def _of_a_campaign(item: pytest.Item) -> bool:
    return any(item.path.is_relative_to(campaign) for campaign in CAMPAIGNS)


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of a coroutine test: asyncio's own, or where it says so one without stalls."""
    if item.get_closest_marker("unstalled"):
        return {"unstalled": UnstalledLoop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Leave untraced what costs much and shows little.

    The plugin's own mark for it does nothing in a test process that another one began: there is a
    second tracer beneath the one that it takes away.
    """
    tracer = sys.gettrace() if _of_a_campaign(item) or item.get_closest_marker(UNTRACED) else None
    kept = None if _traces_children(item) else os.environ.pop(TRACED_CHILDREN, None)
    if tracer is not None:
        sys.settrace(None)
    try:
        return (yield)
    finally:
        if tracer is not None:
            sys.settrace(tracer)
        if kept is not None:
            os.environ[TRACED_CHILDREN] = kept


def _traces_children(item: pytest.Item) -> bool:
    """Whether it is only in a process of its own that what is tested runs: a command of ours."""
    return item.path.stem.endswith("_cli")


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """What a test sets up of logging, the whole process's, is gone after it."""
    root, ours = logging.getLogger(), logging.getLogger("arbit")
    before = (root.handlers[:], root.level, ours.level)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    structlog.reset_defaults()
