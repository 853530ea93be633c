"""Linux tells of a signal whether it has been delivered."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.integration.signals import undelivered


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")
def test_a_signal_is_undelivered_until_it_is_taken_and_only_that_one() -> None:
    number = signal.SIGUSR1
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        assert not undelivered(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert undelivered(os.getpid(), number)
        assert not undelivered(os.getpid(), number + 1)
        assert signal.sigwait({number}) == number
        assert not undelivered(os.getpid(), number)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert not undelivered(2**22 + 1, number), "nobody has this id"
