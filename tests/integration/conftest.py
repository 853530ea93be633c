"""Fixtures that several files of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.cli_desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    for name in ("work", "home", "tmp"):
        (tmp_path / name).mkdir()
    return Desk(tmp_path)
