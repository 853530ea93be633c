"""A real Prometheus scrapes a daemon that trades: everything we ask it for has an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.prometheus.server import BINARY, MISSING
from tests.prometheus.story import data, rejected, scene


@pytest.mark.skipif(BINARY is None, reason=MISSING)
def test_every_panel_and_left_side_has_data_and_orders_that_are_turned_down_raise_alerts(
    tmp_path: Path,
) -> None:
    with scene(tmp_path) as at:
        assert data(at) == []
        rejected(at)
