"""A log file that stays within its bound, whatever the disk does."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
from pathlib import Path

import pytest
import structlog

from arbit.telemetry.logs import set_up_logs
from arbit.telemetry.logs_clean import Redactor
from arbit.telemetry.logs_file import AGAIN_NS, BoundedFile

KIB = 1024


class Desk:
    """A file of 16 KiB, three of them at most, and a clock that is set."""

    def __init__(self, folder: Path, files: int = 3) -> None:
        self.folder = folder
        self.now_ns = 0
        self.told: list[tuple[str, int]] = []
        self.file = BoundedFile(folder, "arbit", 16 * KIB, files)
        self.file.now_ns = lambda: self.now_ns
        self.file.tell = lambda why, lost: self.told.append((why, lost))

    def say(self, text: str) -> None:
        self.file.handle(logging.makeLogRecord({"msg": json.dumps({"said": text})}))

    def sizes(self) -> dict[str, int]:
        return {path.name: path.stat().st_size for path in sorted(self.folder.iterdir())}

    def said(self) -> list[str]:
        names = [f"arbit.{number}.log" for number in (9, 8, 2, 1)] + ["arbit.log"]
        paths = [self.folder / name for name in names if (self.folder / name).exists()]
        text = "".join(path.read_text("utf-8") for path in paths)
        return [json.loads(line)["said"] for line in text.splitlines()]


@pytest.mark.parametrize("files", [1, 2, 3])
def test_full_files_are_put_aside_and_the_oldest_is_deleted(tmp_path: Path, files: int) -> None:
    desk = Desk(tmp_path / "logs", files)
    for number in range(300):
        desk.say(f"{number:04} " + "x" * 1_500)
        assert sum(desk.sizes().values()) <= files * 16 * KIB
        assert len(desk.sizes()) <= files
    assert desk.said()[-1].startswith("0299")
    numbers = [int(said[:4]) for said in desk.said()]
    assert numbers == list(range(numbers[0], 300))  # none is missing, none comes twice
    assert desk.file.lost == 0
    assert (desk.file.path.stat().st_mode & 0o777, desk.folder.stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )


def test_what_earlier_settings_allowed_is_pruned(tmp_path: Path) -> None:
    for name in ("arbit.1.log", "arbit.2.log", "arbit.7.log", "arbit.log"):
        (tmp_path / name).write_bytes(b"{}\n" * 20_000)
    (tmp_path / "arbit-2.log").write_text("another process's", "utf-8")
    (tmp_path / "notes.txt").write_text("somebody's", "utf-8")
    desk = Desk(tmp_path)
    desk.say("first")
    assert set(desk.sizes()) == {"arbit.log", "arbit-2.log", "notes.txt"}
    assert desk.said() == ["first"]


def test_a_run_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    Desk(tmp_path).say("first")
    Desk(tmp_path).say("second")
    assert Desk(tmp_path).said() == ["first", "second"]


def test_a_full_disk_costs_lines_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, write, calls = Desk(tmp_path), os.write, []

    def half(descriptor: int, data: bytes) -> int:
        calls.append(data)
        return write(descriptor, data[: len(data) // 2])

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    desk.say("before")
    monkeypatch.setattr(os, "write", half)
    desk.say("half")
    for _ in range(100):
        desk.say("lost")
    assert len(calls) == 1  # and is left alone for a while
    assert desk.told == [("No space left on device", 0)]
    desk.now_ns += AGAIN_NS
    monkeypatch.setattr(os, "write", full)
    desk.say("lost too")
    desk.now_ns += AGAIN_NS
    monkeypatch.setattr(os, "write", write)
    desk.say("after")
    assert desk.said() == ["before", "after"]  # no torn line is left
    assert desk.told == [("No space left on device", 0), ("", 102)]


@pytest.mark.parametrize("what", ["fifo", "folder", "link", "folder's place taken"])
def test_what_is_no_file_of_ours_is_never_written_to(tmp_path: Path, what: str) -> None:
    folder, elsewhere = tmp_path / "logs", tmp_path / "elsewhere"
    elsewhere.write_text("somebody's", "utf-8")
    if what == "folder's place taken":
        folder.write_text("a file", "utf-8")
    else:
        folder.mkdir()
        path = folder / "arbit.log"
        if what == "fifo":
            os.mkfifo(path)
        elif what == "link":
            path.symlink_to(elsewhere)
        else:
            path.mkdir()
    desk = Desk(folder)
    desk.say("x")
    assert desk.file.lost == 1
    assert len(desk.told) == 1
    assert elsewhere.read_text("utf-8") == "somebody's"


def test_a_line_longer_than_a_file_is_lost_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.say("y" * 17 * KIB)
    desk.say("after")
    assert (desk.said(), desk.file.lost) == (["after"], 1)


def test_a_line_of_a_library_that_does_not_fit_its_figures_is_written_and_raises_nothing(
    tmp_path: Path,
) -> None:
    file = BoundedFile(tmp_path, "arbit", 16 * KIB, 1)
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        set_up_logs(as_json=True, level="info", wall_ns=lambda: 0, stream=io.StringIO(), file=file)
        logging.getLogger("ccxt").warning("so many: %d", "many")
    finally:
        root.handlers[:], _ = before
        root.setLevel(before[1])
        structlog.reset_defaults()
    assert json.loads(file.path.read_text("utf-8"))["said"] == "so many: %d"


def test_a_key_of_many_lines_is_hidden_however_an_error_spells_it() -> None:
    key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIcanary\n-----END EC PRIVATE KEY-----\n"
    redact = Redactor([key])
    for said in (key, repr(key), json.dumps({"key": key}), f"at line MHcCAQEEIcanary of {key!r}"):
        assert "canary" not in redact(said)
