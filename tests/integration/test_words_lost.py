"""A command whose words cannot be written, or not all of them: its work is done all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arbit.app.door import control
from arbit.app.trade.unread import tell
from arbit.cli.streams import code_of, watched
from arbit.config import Settings
from arbit.persistence.locks import lock_of
from arbit.risk.kill import Orders, Resume
from tests.integration.cli_desk import GUARD_S, Desk
from tests.integration.typing_in import Run, typing_in

VENUES = ("binance", "kraken", "sandbox")
FULL, CLOSED, LEFT = ">/dev/full", ">&-", "| true"
NO_ROOM = "arbit: stdout: No space left on device: not all that was to be told is there\n"
UNBUFFERED = {"PYTHONUNBUFFERED": "1"}  # as in the image: each line is written at once
BUFFERED = {"PYTHONUNBUFFERED": ""}
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    traded(tmp_path / "var")
    return typing_in(tmp_path, monkeypatch, capsys, {})


def traded(folder: Path) -> None:
    """A data folder in which all `VENUES` were traded."""
    folder.mkdir()
    for name in VENUES:
        lock_of(folder, f"{name}:paper").touch()


def typed(desk: Desk, out: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A command whose stdout is what a shell makes of this."""
    line, gone = '"$@"' if out == LEFT else f'"$@" {out}', left_pipe()
    try:
        return subprocess.run(
            ["sh", "-c", line, "sh", sys.executable, "-m", "arbit", *words],
            cwd=desk.work,
            env=desk.env(**env),
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            timeout=GUARD_S,
            check=False,
        )
    finally:
        os.close(gone)


def left_pipe() -> int:
    """A pipe whose reader has left."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


posix = pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")


@posix
@full
@pytest.mark.parametrize(
    ("out", "code", "complaint"),
    [(CLOSED, 0, ""), (FULL, 1, NO_ROOM), (LEFT, 130, "")],
    ids=["closed", "full", "left"],
)
@pytest.mark.parametrize("env", [BUFFERED, UNBUFFERED], ids=["kept back", "at once"])
def test_a_kill_is_there_and_its_exit_code_says_what_became_of_its_words(
    desk: Desk, out: str, code: int, complaint: str, env: dict[str, str]
) -> None:
    traded(desk.work / "var")
    done = typed(desk, out, "kill", **env)
    assert (done.returncode, done.stderr) == (code, complaint)
    assert (desk.work / "var" / "KILL").exists()


@posix
@full
@pytest.mark.parametrize("words", [("--help",), ("config", "show")], ids=" ".join)
def test_a_reader_who_left_is_130_whoever_wrote(desk: Desk, words: tuple[str, ...]) -> None:
    """The library's own exit in that place is 1."""
    done = typed(desk, LEFT, *words, **UNBUFFERED)
    assert (done.returncode, done.stderr) == (130, "")


@posix
@full
def test_what_was_kept_back_until_the_end_is_written_before_the_exit_code_is_said(
    desk: Desk,
) -> None:
    done = typed(desk, FULL, "--version", **BUFFERED)
    assert (done.returncode, done.stderr) == (1, NO_ROOM)


@full
@pytest.mark.parametrize(("own", "code"), [(0, 1), (3, 3)])
def test_a_report_of_a_run_that_cannot_be_written_hides_no_exit_code_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, own: int, code: int
) -> None:
    with Path("/dev/full").open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        with watched() as out:
            tell("the report")  # swallows it: other reports follow
    assert code_of(out, own) == code
    assert capsys.readouterr().err == NO_ROOM


@posix
@full
@pytest.mark.parametrize("word", ["pause", "resume"])
def test_every_venue_is_told_before_a_word_is_written(desk: Desk, word: str) -> None:
    folder = desk.work / "var"
    traded(folder)
    done = typed(desk, FULL, word, "all", **UNBUFFERED)
    assert (done.returncode, done.stderr) == (1, NO_ROOM)
    assert all((folder / f"{word}.{name}").exists() for name in VENUES)


@pytest.mark.parametrize("word", ["pause", "resume"])
def test_what_was_done_is_said_before_any_daemon_is_asked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    heard: list[int] = []

    def answers(settings: Settings, venue: str) -> list[str]:
        heard.append(sum((settings.data_dir / f"{word}.{name}").exists() for name in VENUES))
        return [f"asked {venue}"]

    monkeypatch.setattr(control, "answers", answers)
    code, said, _ = run(word, "all")
    first = [line.split(":")[0] for line in said.splitlines()]
    assert (code, first) == (0, [*VENUES, *(f"asked {name}" for name in VENUES)])
    assert heard == [3, 3, 3]


def test_a_pause_that_fails_at_one_venue_is_set_at_the_others_and_programs_see_both(
    run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "var"
    (folder / "pause.kraken").symlink_to("nowhere/at-all")
    complaint = f"{folder / 'pause.kraken'}: No such file or directory"
    code, said, complained = run("pause", "all", "--json")
    told = json.loads(said)
    assert (code, complained) == (2, f"arbit: {complaint}\n")
    assert [line.split(":")[0] for line in told["done"]] == ["binance", "sandbox"]
    assert (told["daemons"], told["error"]) == ([], complaint)
    assert [Orders(folder, name).paused() for name in VENUES] == [True, False, True]
    code, said, complained = run("pause", "all")
    assert (code, said.count(": paused"), complained) == (2, 2, f"arbit: {complaint}\n")


def test_a_resume_that_fails_at_one_venue_ends_there_and_programs_see_both(
    run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "var"
    for name in VENUES:
        Orders(folder, name).pause()
    (folder / "resume.kraken").mkdir()
    code, said, complained = run("resume", "all", "--json")
    told = json.loads(said)
    assert code == 2
    assert complained == f"arbit: {told['error']}\n"
    assert [line.split(":")[0] for line in told["done"]] == ["binance"]
    assert Orders(folder, "binance").take_resume() is Resume.GO_ON
    assert Orders(folder, "sandbox").paused()
