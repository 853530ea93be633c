"""One line an event, whatever a venue sends; and no secret in any of them."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.domain.events import Event
from arbit.telemetry.alerts_table import name_of
from arbit.telemetry.logs import EventLog, set_up_logs
from arbit.telemetry.logs_clean import Redactor
from arbit.telemetry.logs_file import BoundedFile
from arbit.telemetry.logs_table import COMMON, FIELDS, LINES

SECRET = "https://discord.example/api/webhooks/7/canary-token-of-the-hook"
NAMES = {name_of(kind) for kind in get_args(Event)} | set(LINES)
NASTY = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            '\r\n{"event": "breaker_changed"}',
            "\x1b[2J\x1b]0;title\x07",
            '"}\n{"level": "critical"}',
            "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e",
            "\ud800\udfff\x00\u202e",
            "x" * 1_000_000,
            f"could not be posted to {SECRET}",
            "canary-token-of-the-hook" * 400,
        ]
    ),
)


pytestmark = pytest.mark.usefixtures("logging_as_it_was")


@given(st.data())
def test_each_event_is_one_line_of_known_fields(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(get_args(Event)))
    values: dict[str, object] = {}
    for field in dataclasses.fields(kind):
        if field.type in {"int", "float"}:
            values[field.name] = data.draw(st.floats() if field.type == "float" else st.integers())
        elif str(field.type).startswith("tuple"):
            values[field.name] = tuple(data.draw(st.lists(NASTY, max_size=7)))
        else:
            values[field.name] = data.draw(NASTY)
    shown, kept = io.StringIO(), Kept()
    for as_json in (True, False):
        logger = set_up_logs(
            as_json=as_json,
            level="debug",
            wall_ns=lambda: 10**18,
            stream=shown,
            file=kept,
            redact=Redactor([SECRET]),
        )
        EventLog(logger, lambda: 0, run="abcde")(kind(**values))
    lines = shown.getvalue().splitlines()
    assert len(lines) == 2
    line = json.loads(lines[0])
    assert line["event"] in NAMES
    assert set(line) <= set(COMMON) | set(FIELDS)
    assert line["run"] == "abcde"
    assert all(one.isprintable() for one in lines)
    assert all(len(one) < 60_000 for one in lines)
    assert "canary" not in shown.getvalue() + "".join(kept.lines)
    assert json.loads(kept.lines[1]) == line


@given(NASTY)
def test_a_library_s_line_and_its_traceback_are_one_line(text: str) -> None:
    shown = io.StringIO()
    for as_json in (True, False):
        set_up_logs(
            as_json=as_json,
            level="debug",
            wall_ns=lambda: 10**18,
            stream=shown,
            redact=Redactor([SECRET]),
        )
        error = ValueError(text)
        logging.getLogger("asyncio").error("%s", text, exc_info=error)
    lines = shown.getvalue().splitlines()
    assert len(lines) == 2
    line = json.loads(lines[0])
    assert (line["event"], line["logger"]) == ("library", "asyncio")
    assert "ValueError" in line["traceback"]
    assert "canary" not in shown.getvalue()


class Kept(BoundedFile):
    """A log file that is a list."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"), "arbit", 1 << 30, 1)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
