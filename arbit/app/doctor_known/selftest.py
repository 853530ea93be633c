"""Runs the known-answer self-test in a folder of its own, which is gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from arbit.app.doctor_known.judge import Wrong, judge
from arbit.app.doctor_known.pipeline import play
from arbit.domain.errors import ArbitError


def known_answers(folder: Path) -> list[Wrong]:
    """What of the pipeline gives another answer than it must; empty when nothing does.

    In virtual time, without any network. The database lies in a temporary folder: where the system
    offers none, in `folder`. OSError when it can be made in neither.
    """
    with _temporary(folder) as made:
        try:
            return judge(play(made))
        except ArbitError as error:
            return [Wrong("start", str(error))]


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    try:
        made = tempfile.TemporaryDirectory(prefix="arbit-doctor-")
    except OSError:
        made = tempfile.TemporaryDirectory(prefix="doctor-", dir=folder)
    with made as name:
        yield Path(name)
