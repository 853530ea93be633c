"""The runbook knows every way in which a daemon says that something is wrong."""

from __future__ import annotations

import pytest

from arbit.domain.health import Health
from arbit.health import RULES as HEALTH_RULES
from arbit.risk.breaker import RULES as BREAKER_RULES
from tests.documents.commands import REPO

ROWS = [
    line.split("|")[1].strip()
    for line in (REPO / "docs" / "runbook.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ")
]


@pytest.mark.parametrize("reason", [one.value for one in BREAKER_RULES])
def test_every_reason_of_the_breaker_has_its_row(reason: str) -> None:
    assert f"breaker `{reason}`" in ROWS


@pytest.mark.parametrize("health", [one for one in Health if one is not Health.TRADING])
def test_every_state_but_trading_has_a_row(health: Health) -> None:
    assert any(row.startswith(f"`{health.value}`") for row in ROWS)


def test_every_guard_that_blocks_is_named() -> None:
    told = {"gate", "breaker", "draining", "journal", ""}  # by other rows, or by itself
    guards = {one.guard for one in HEALTH_RULES if one.health is Health.BLOCKED} - told
    assert guards == {guard for guard in guards if any(f"`{guard}`" in row for row in ROWS)}
