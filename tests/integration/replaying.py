"""One line to replay a recording as the command line would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from arbit.app.measure.replay import ReplayOptions, replay
from arbit.config import Override, load_settings
from arbit.domain.errors import RecordingError
from arbit.fitness.report import Report


def replayed(
    path: Path, *, fee_bps: str | None = "0", simulate: bool = True, **more: str
) -> tuple[Report, RecordingError | None]:
    said = dict(more)
    if fee_bps is not None:
        for venue in ("KRAKEN", "BINANCE"):
            said[f"ARBIT_VENUES__{venue}__TAKER_FEE_BPS"] = fee_bps
    overrides = [Override(key, key, text) for key, text in said.items()]
    settings = load_settings(None, {}, overrides)
    return replay(settings, ReplayOptions(path, simulate, lambda _: None))


def whole(path: Path, **given: Any) -> Report:
    report, error = replayed(path, **given)
    assert error is None
    json.dumps(report.as_dict(), allow_nan=False)
    return report
