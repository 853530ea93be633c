"""Alpaca's face as a process: its ready line, and a mistake in one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from arbit.sandbox import SandboxServer
from arbit.sandbox.__main__ import main

GUARD_S = 20


def test_the_ready_line_names_every_address_and_the_process_ends_with_its_parent(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "arbit.sandbox", "--face", "alpaca", "--json"]
    with subprocess.Popen(
        [*command, "--state", str(tmp_path), "--ends-with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        child.communicate(timeout=GUARD_S)
    where = ready["rest"]
    port = where.rpartition(":")[2]
    assert ready == {
        "rest": f"http://127.0.0.1:{port}",
        "ws": f"ws://127.0.0.1:{port}/v1beta3/crypto/us",
        "data": where,
        "private_ws": f"ws://127.0.0.1:{port}/stream",
        "profile": "calm",
        "seed": 1,
        "synthetic": True,
        "log": str(tmp_path / "alpaca-events.ndjson"),
        "face": "alpaca",
    }
    assert child.returncode == 0
    first = json.loads((tmp_path / "alpaca-events.ndjson").read_text("utf-8").splitlines()[0])
    assert (first["kind"], first["restart"]) == ("session", False)


def test_a_face_nobody_has_is_one_line_and_exit_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--face", "binance"])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(ValueError, match="unknown face 'binance': expected one of kraken, alpaca"):
        SandboxServer(face="binance")


async def test_another_face_than_the_served_one_is_not_there() -> None:
    with pytest.raises(LookupError, match="does not show Kraken's face"):
        _ = SandboxServer(face="alpaca").kraken
    with pytest.raises(LookupError, match="does not show Alpaca's face"):
        _ = SandboxServer().alpaca
