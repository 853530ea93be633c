"""The processes behind a command: who starts, who is stopped how, and who is left."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from tests.integration.cli_desk import GUARD_S, Desk, is_alive, sandboxes_of, strict_json

interruptible = pytest.mark.skipif(os.name == "nt", reason="signals of a terminal are POSIX")


def test_a_run_without_anything_configured_measures_our_own_exchange(desk: Desk) -> None:
    done = desk.arbit("fitness", "--simulate", "--secs", "4", "--json", "--seed", "3")

    assert done.returncode == 0, done.stderr
    found = strict_json(done.stdout)
    assert (found["venue"], found["market"]) == ("sandbox", "synthetic")
    assert found["books"]["failed"] == 0
    assert found["books"]["verified"] > 0
    assert found["evaluations"] > 0
    assert found["ws_share"] >= 0.99
    counts = list(found["funnel"].values())
    assert counts == sorted(counts, reverse=True)
    assert found["verdict"]
    assert desk.strays() == []
    assert sandboxes_of(desk) == []


def test_what_a_person_sees_says_that_the_market_is_synthetic(desk: Desk) -> None:
    done = desk.arbit("fitness", "--secs", "2")

    assert done.returncode == 0, done.stderr
    assert "SYNTHETIC" in done.stdout
    assert "Verdict" in done.stdout
    assert "Traceback" not in done.stderr


@interruptible
@pytest.mark.parametrize(
    ("whole_group", "number"),
    [(True, signal.SIGINT), (False, signal.SIGINT), (False, signal.SIGTERM)],
    ids=["as a terminal does", "the process", "as a service manager does"],
)
def test_ctrl_c_and_sigterm_end_the_watching_and_not_the_report(
    desk: Desk, whole_group: bool, number: signal.Signals
) -> None:
    process = desk.start("fitness", "--simulate")
    try:
        assert process.stdout is not None
        assert "SYNTHETIC" in process.stdout.readline()
        children = psutil.Process(process.pid).children(recursive=True)
        assert children, "the sandbox is a child process"
        time.sleep(1.5)  # let it see something; nothing is asserted about how much
        if whole_group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        said, complained = process.communicate(timeout=GUARD_S)
    finally:
        process.kill()
    assert process.returncode == 0, complained
    assert "Verdict" in said
    assert "Traceback" not in complained
    assert not any(is_alive(child) for child in children)


@interruptible
def test_the_sandbox_is_gone_when_its_parent_is_killed(desk: Desk) -> None:
    process = desk.start("fitness")
    try:
        assert process.stdout is not None
        process.stdout.readline()
        children = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.kill()
        process.communicate(timeout=GUARD_S)
    gone, alive = psutil.wait_procs(children, timeout=GUARD_S)
    assert gone
    assert alive == []


@interruptible
def test_the_sandbox_as_a_server_says_that_nothing_is_real_and_stops_politely(desk: Desk) -> None:
    process = desk.start("sandbox", "--seed", "5")
    try:
        assert process.stdout is not None
        shown = "".join(process.stdout.readline() for _ in range(4))
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        _, complained = process.communicate(timeout=GUARD_S)
    finally:
        process.kill()
    assert "SYNTHETIC MARKET: nothing here is real" in shown
    assert "http://127.0.0.1:" in shown
    assert "ws://127.0.0.1:" in shown
    assert "Stop with Ctrl-C" in shown
    assert "Traceback" not in complained
    assert process.returncode == 0
    assert not any(is_alive(child) for child in children)


@interruptible
def test_a_sandbox_that_dies_breaks_the_run_off_and_the_report_says_so(desk: Desk) -> None:
    process = desk.start("fitness", "--secs", "60")
    try:
        assert process.stdout is not None
        assert "SYNTHETIC" in process.stdout.readline()
        (child,) = psutil.Process(process.pid).children(recursive=True)
        child.kill()
        said, complained = process.communicate(timeout=GUARD_S)
    finally:
        process.kill()
    assert process.returncode == 1, complained
    assert "broke off" in said
    assert "the sandbox exchange ended by itself" in " ".join(said.split())
