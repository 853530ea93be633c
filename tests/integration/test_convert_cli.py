"""`arbit convert` as a process, against the sandbox over real sockets."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from tests.integration.cli_desk import Desk


def told(desk: Desk, *arguments: str, code: int = 0, **env: str) -> dict[str, Any]:
    """What a run says of itself as JSON."""
    run = desk.arbit("convert", *arguments, "--venue", "sandbox", "--json", **env)
    assert run.returncode == code, run.stderr + run.stdout
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_a_dry_run_shows_direct_and_indirect_side_by_side_and_touches_nothing(desk: Desk) -> None:
    run = told(desk, "1000", "USD", "ETH", "--dry-run")
    (report,) = run["reports"]
    assert run["mode"] == "quote"
    assert [route["legs"] for route in report["routes"]] == [1, 2, 3]
    assert report["chosen"] == report["routes"][0]["path"] == "USD>ETH"
    assert report["better_bps"] == "0.00"
    assert report["done"] is None
    # Three legs cost more than two, and two more than one: here each pays the base tier.
    costs = [Decimal(route["cost_bps"]) for route in report["routes"]]
    assert 38 < costs[0] < costs[1] < costs[2] < 140
    assert not (desk.work / "var").exists()
