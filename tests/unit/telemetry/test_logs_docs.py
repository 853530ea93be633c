"""The tables of log lines in WARP.md are what the code writes."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from arbit.domain.events import Event
from arbit.telemetry import logs_docs
from arbit.telemetry.logs import EventLog, set_up_logs
from arbit.telemetry.logs_table import COMMON, FIELDS, LEVELS, LINES
from arbit.telemetry.webhook_bodies import json_body
from tests.unit.telemetry.test_alerts import HALTED, alert_of_

ROOT = Path(__file__).parents[3]


pytestmark = pytest.mark.usefixtures("logging_as_it_was")


def test_the_page_is_what_the_tables_say() -> None:
    page = (ROOT / logs_docs.PAGE).read_text("utf-8")
    assert logs_docs.placed(page) == page, "python -m arbit.telemetry.logs_docs"
    assert "WARP.md#log-lines" in (ROOT / "README.md").read_text("utf-8")


def test_every_event_has_a_level_and_every_field_a_meaning() -> None:
    assert set(LEVELS) == set(get_args(Event))
    used = {field.name for kind in get_args(Event) for field in dataclasses.fields(kind)}
    used |= {field for _, _, fields in LINES.values() for field in fields} | {"unwritten"}
    assert used == set(FIELDS)


def test_the_samples_are_lines_as_they_are_written() -> None:
    stream = io.StringIO()
    logger = set_up_logs(
        as_json=True, level="info", wall_ns=lambda: 1_795_845_600 * 10**9, stream=stream
    )
    log = EventLog(logger, lambda: 0, run="ab7kx")
    for sample in logs_docs._SAMPLES:
        log(sample)
    section = logs_docs.section()
    for line in stream.getvalue().splitlines():
        assert line in section
        assert list(json.loads(line))[: len(COMMON)] == ["timestamp", "level", "event", "run"]


def test_the_page_of_alerts_has_every_field_of_a_body() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text("utf-8")
    said = set(re.findall(r"`([a-z]+)`", page.split("## What a webhook gets")[1].split("\n## ")[0]))
    alert = alert_of_(HALTED)
    assert alert is not None
    assert set(json_body(alert)) <= said
