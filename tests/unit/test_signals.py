"""Linux tells of a signal whether it has been delivered."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.integration.signals import undelivered

# A process of its own: of this one another thread would take the signal, and end it.
WAITS = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("blocked", flush=True)
sys.stdin.readline()
signal.sigwait({signal.SIGUSR1})
print("taken", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")
def test_a_signal_is_undelivered_until_it_is_taken_and_only_that_one() -> None:
    number, pipe = signal.SIGUSR1, subprocess.PIPE
    command = [sys.executable, "-I", "-c", WAITS]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "blocked\n"
        assert not undelivered(process.pid, number)
        os.kill(process.pid, number)
        assert undelivered(process.pid, number)
        assert not undelivered(process.pid, number + 1)
        process.stdin.write("take it\n")
        process.stdin.flush()
        assert process.stdout.readline() == "taken\n"
        assert not undelivered(process.pid, number)
        process.stdin.close()
    assert process.returncode == 0
    assert not undelivered(2**22 + 1, number), "nobody has this id"
