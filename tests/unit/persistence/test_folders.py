"""A data folder that cannot be one: the folder is named, and what was expected of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from arbit.domain.errors import UserError
from arbit.persistence.locks import Lock
from arbit.persistence.migrate import upgrade


def locked(folder: Path) -> None:
    with Lock(folder / "kraken-paper.lock", "kraken:paper is traded", 0):
        pass


def made(folder: Path) -> None:
    upgrade(folder / "arbit.db")


@pytest.mark.parametrize("opened", [locked, made])
def test_a_file_in_the_place_of_the_folder_is_named_with_what_was_expected(
    tmp_path: Path, opened: Callable[[Path], None]
) -> None:
    (tmp_path / "var").touch()
    with pytest.raises(UserError) as told:
        opened(tmp_path / "var")
    wanted = "expected a folder that can be made and written"
    assert str(told.value) == f"{tmp_path / 'var'}: {wanted}: File exists"
    opened(tmp_path / "other")
