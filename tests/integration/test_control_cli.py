"""`arbit kill`, `unkill`, `pause`, `resume`: what they say, and whether anybody listens."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbit.app.door import control
from arbit.app.reports import database
from arbit.persistence.lease import Lease
from arbit.persistence.locks import lock_of
from arbit.persistence.migrate import upgrade
from arbit.risk.kill import KillSwitch, Orders, Resume
from tests.integration.typing_in import Run, typing_in
from tests.unit.persistence.made import NOON_NS

HERE = f"process {os.getpid()} (since 2024-10-04 12:00:00 UTC)"
NOBODY = 65_534
READ_AHEAD = (control, database)  # a test that gives its rights away may not read them any more


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command as typed in a folder of its own: its code, what it said, and what it complained."""
    return typing_in(tmp_path, monkeypatch, capsys, {})


@contextlib.contextmanager
def daemon(folder: Path, account: str = "kraken:live:0123456789ab") -> Iterator[None]:
    """The lease of a daemon that runs."""
    upgrade(folder / "arbit.db")
    with Lease(folder, folder / "arbit.db", account, NOON_NS):
        yield


@contextlib.contextmanager
def rights_of_nobody() -> Iterator[None]:
    """Root may do everything: without its rights a folder of another user is one."""
    if not hasattr(os, "seteuid"):
        pytest.skip("no users here")
    am_root = os.geteuid() == 0
    if am_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if am_root:
            os.seteuid(0)


def test_a_kill_that_is_heard_names_its_file_and_who_was_told(run: Run, tmp_path: Path) -> None:
    with daemon(tmp_path / "var"):
        code, said, _ = run("kill")
    file = tmp_path / "var" / "KILL"
    assert code == 0
    assert said == f"killed: no order leaves while {file} exists (arbit unkill); told {HERE}\n"
    assert file.exists()


def test_a_kill_where_no_daemon_runs_says_so_loudly_and_is_there_all_the_same(
    run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "var"
    with daemon(folder):
        pass  # it has ended: its lock's file stays, held by nobody
    code, said, _ = run("kill")
    assert code == 0
    assert said.count("\n") == 1
    assert f"BUT NO DAEMON RUNS IN {folder}" in said
    assert f"the next start there finds {folder / 'KILL'}" in said
    assert KillSwitch(folder).on()
    code, said, _ = run("unkill")
    assert (code, said) == (0, f"the kill switch is off: {folder / 'KILL'} is gone\n")
    code, said, _ = run("unkill")
    assert (code, said) == (0, f"the kill switch was off: there was no {folder / 'KILL'}\n")


def test_an_unkill_that_leaves_it_on_says_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "stop").touch()
    monkeypatch.setenv("ARBIT_RISK__KILL_SWITCH_FILE", str(tmp_path / "stop"))
    run("kill")
    _, said, _ = run("unkill")
    assert f"BUT THE KILL SWITCH IS STILL ON: {tmp_path / 'stop'}" in said


@pytest.mark.parametrize(
    "words", [("kill",), ("unkill",), ("pause", "kraken"), ("resume", "kraken")]
)
def test_a_missing_folder_is_named_and_not_made(
    run: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    code, _, complaint = run(*words, "--data-dir", "elsewhere")
    assert code == 2
    assert complaint.startswith(f"arbit: {tmp_path / 'elsewhere'}: expected the data folder of")
    assert complaint.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_pause_and_a_resume_name_who_is_told(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "var"
    with daemon(folder):
        code, said, _ = run("pause", "kraken")
        assert code == 0
        assert f"paused, by {folder / 'pause.kraken'}; told {HERE}" in said
        assert Orders(folder, "kraken").paused()
        _, said, _ = run("resume", "kraken", "--accept-balances")
        assert f"resumed, by {folder / 'resume.kraken'}; told {HERE}" in said
        assert not Orders(folder, "kraken").paused()
        assert Orders(folder, "kraken").take_resume() is Resume.ACCEPT_BALANCES
        _, said, _ = run("pause", "sandbox")
        assert f"BUT NO DAEMON TRADES IT IN {folder}" in said, "another venue's daemon is none"
    for word in ("pause", "resume"):
        code, said, _ = run(word, "kraken")
        assert code == 0
        assert f"BUT NO DAEMON TRADES IT IN {folder}" in said
        assert said.count("\n") == 1


def test_each_says_the_same_as_one_object_for_a_program(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "var"
    with daemon(folder):
        for words in (("kill",), ("unkill",), ("pause", "all"), ("resume", "all")):
            code, said, complaint = run(*words, "--json")
            assert (code, complaint) == (0, "")
            told = json.loads(said)
            assert list(told) == ["done", "daemons"]
            assert len(told["done"]) == 1
            assert told["daemons"] == [], "one without a door is not asked"
        pausing, (code, said, _) = run("pause", "kraken"), run("pause", "kraken", "--json")
        assert json.loads(said)["done"] == [pausing[1].rstrip("\n")]
    assert Orders(folder, "kraken").paused()


@pytest.mark.parametrize("word", ["pause", "resume"])
def test_a_venue_that_nobody_knows_is_a_mistake(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    code, _, complaint = run(word, "krakn")
    assert code == 2
    assert complaint.startswith("arbit: venue 'krakn': expected alpaca, kraken, sandbox, ")
    assert list(folder.iterdir()) == []
    assert run(word, "../krakn")[0] == 2

    lock_of(folder, "krakn:paper").touch()  # it was traded here, if on paper
    assert run(word, "krakn")[0] == 0
    monkeypatch.setenv("ARBIT_VENUES__MEXC__FEED", "ccxt")  # it is configured
    assert run(word, "mexc")[0] == 0


@pytest.mark.parametrize(
    "words", [("kill",), ("unkill",), ("pause", "kraken"), ("resume", "kraken"), ("db", "check")]
)
def test_a_file_in_the_place_of_the_folder_is_one_line(
    run: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "var").touch()
    code, _, complaint = run(*words)
    assert code == 2
    assert "var" in complaint
    assert complaint.count("\n") == 1


def test_a_folder_in_the_place_of_a_file_is_one_line(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "var"
    for name in ("KILL", "pause.kraken", "resume.kraken"):
        (folder / name).mkdir(parents=True)
    assert run("kill")[0] == 0
    assert KillSwitch(folder).on()
    code, _, complaint = run("unkill")
    assert code == 2
    assert complaint.startswith(f"arbit: {folder / 'KILL'}: cannot be taken away")
    assert KillSwitch(folder).on()
    assert run("pause", "kraken")[0] == 0
    code, _, complaint = run("resume", "kraken")
    assert (code, complaint.count("\n")) == (2, 1)
    (folder / "pause.kraken").rmdir()
    code, _, complaint = run("resume", "kraken")
    assert (code, complaint.count("\n")) == (2, 1)
    assert f"{folder / 'resume.kraken'}" in complaint
    assert sorted(path.name for path in folder.iterdir()) == ["KILL", "resume.kraken"]


@pytest.mark.parametrize("mode", [0o000, 0o500])
@pytest.mark.parametrize(
    "words",
    [
        *(("kill",), ("unkill",), ("pause", "kraken"), ("resume", "kraken")),
        *(("db", "current"), ("db", "check"), ("db", "upgrade"), ("db", "backup")),
    ],
)
def test_a_folder_of_another_user_is_one_line(
    run: Run, tmp_path: Path, words: tuple[str, ...], mode: int
) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "var").mkdir(parents=True)
    (theirs / "var" / "KILL").touch(0o600)
    (theirs / "var" / "pause.kraken").touch(0o600)
    (theirs / "var").chmod(0o500)
    theirs.chmod(mode)
    os.chdir("/")  # the working folder is not what this is about
    with rights_of_nobody():
        code, _, complaint = run(*words, "--data-dir", str(theirs / "var"))
    theirs.chmod(0o700)
    (theirs / "var").chmod(0o700)
    assert (code, complaint.count("\n")) == (2, 1), complaint
    assert str(theirs) in complaint


def test_a_kill_of_one_venue_stops_that_one_alone(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "var"
    with daemon(folder):
        code, said, _ = run("kill", "kraken")
        assert code == 0
        file = folder / "KILL.kraken"
        assert said.startswith(f"killed: no order leaves for kraken while {file} exists")
        assert said.endswith(f"(arbit unkill kraken); told {HERE}\n")
        assert KillSwitch(folder, venue="kraken").on()
        assert KillSwitch(folder, venue="kraken").why() == str(file)
        assert not KillSwitch(folder, venue="sandbox").on()
        _, said, _ = run("unkill")
        assert "still killed are KILL.kraken (arbit unkill VENUE)" in said
        assert KillSwitch(folder, venue="kraken").on(), "each is taken back by its own name"
        _, said, _ = run("kill", "sandbox")
        assert f"BUT NO DAEMON TRADES SANDBOX IN {folder}" in said
        run("kill")
        _, said, _ = run("unkill", "kraken")
        assert f"BUT THE KILL SWITCH IS STILL ON: {folder / 'KILL'}" in said
    code, _, complaint = run("kill", "krakn")
    assert (code, complaint.count("\n")) == (2, 1)


def test_all_that_were_traded_here_are_paused_and_resumed_in_one_word(
    run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    code, _, complaint = run("pause", "all")
    assert code == 2
    assert complaint == f"arbit: all: expected a venue that was traded in {folder}, there is none\n"
    lock_of(folder, "sandbox-alpaca:sandbox:0123456789ab").touch()
    lock_of(folder, "binance:paper").touch()
    with daemon(folder):
        code, said, _ = run("pause", "all")
        assert code == 0
        venues = ["binance", "kraken", "sandbox-alpaca"]
        assert [line.split(":")[0] for line in said.splitlines()] == venues
        assert all(Orders(folder, name).paused() for name in venues)
        assert run("resume", "all")[0] == 0
        assert not any(Orders(folder, name).paused() for name in venues)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")
@pytest.mark.parametrize("answer", [b"what?\n", b"[1]\n", b'{"told": {}}\n', b'{"told": 7}\n', b""])
def test_one_that_answers_nonsense_keeps_no_other_from_its_pause(
    run: Run, tmp_path: Path, answer: bytes
) -> None:
    accounts = ("binanceus:live:0123456789ab", "kraken:live:0123456789ab")
    folder = tmp_path / "var"
    with daemon(folder, accounts[0]), daemon(folder, accounts[1]):
        door = Path(os.path.relpath(lock_of(folder, accounts[0]).with_suffix(".sock")))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(door))
            listener.listen()
            there: list[bool] = []

            def serve() -> None:
                caller, _ = listener.accept()
                there.append(Orders(folder, "kraken").paused())  # before anybody is asked
                with caller:
                    caller.recv(4096)
                    caller.sendall(answer)

            served = threading.Thread(target=serve, daemon=True)
            served.start()
            code, said, complaint = run("pause", "all")
            served.join(5)
    assert (code, complaint, there) == (0, "", [True])
    assert "does not answer (" in said
    assert all(Orders(folder, name).paused() for name in ("binanceus", "kraken"))
