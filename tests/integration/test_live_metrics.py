"""The page of a real run: every series of the document, on this machine alone, and the probes."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.live_desk import REPO, Daemon, Exchange, until

LISTENS = "0A"  # a socket's state in /proc
LOOPBACK = "0100007F"
NAMED = {
    "ARBIT_INVENTORY__CAPS": "DOGE=1000000",
    "ARBIT_INVENTORY__TARGETS": "DOGE=0",
}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Exchange(tmp_path / "one") as exchange:
        at = exchange.addresses("sandbox")
        with Daemon(tmp_path, "sandbox", "--metrics-port", "0", **at, **NAMED) as daemon:
            daemon.wait_until_it_trades()
            yield daemon


def asked(daemon: Daemon, path: str, within_s: float = 10.0) -> tuple[int, str]:
    """The answer to one question."""
    url = str(daemon.wait_for("metrics_served")["url"])
    host, port = url.removeprefix("http://").removesuffix("/metrics").split(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=within_s)) as asking:
        asking.request("GET", path)
        answer = asking.getresponse()
        return answer.status, answer.read().decode()


def answered(daemon: Daemon, path: str) -> tuple[int, str]:
    """The answer, where a question that takes its time to come is hung up on, and asked again."""
    heard: list[tuple[int, str]] = []

    def told() -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            heard.append(asked(daemon, path))
        return bool(heard)

    until(told, f"an answer about {path}", daemon.lines)
    return heard[0]


def documented() -> set[str]:
    """The names of docs/metrics.md; of a histogram the one that counts."""
    text = (REPO / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", text, re.MULTILINE)
    return {f"{name}_count" if kind == "histogram" else name for name, kind in rows}


def test_every_series_of_the_document_is_there_and_probes_follow_the_process(
    daemon: Daemon,
) -> None:
    wanted = documented()
    assert len(wanted) > 50

    def missing() -> set[str]:
        _, page = answered(daemon, "/metrics")
        return wanted - set(re.findall(r"^(\w+)[ {]", page, re.MULTILINE))

    until(lambda: not missing(), "every series of docs/metrics.md", [str(missing())])
    until(lambda: answered(daemon, "/readyz")[0] == 200, "a run that is ready")
    status, said = answered(daemon, "/healthz")
    assert (status, json.loads(said)["ok"]) == (200, True)
    if sys.platform == "linux":
        assert listening(daemon.pid) == {LOOPBACK}
    daemon.signal(signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            asked(daemon, "/healthz", 0.3)
    finally:
        daemon.signal(signal.SIGCONT)
    until(lambda: answered(daemon, "/healthz")[0] == 200, "a process that goes on")
    assert daemon.stop() == 0, daemon.said


def listening(pid: int) -> set[str]:
    """The addresses, in hexadecimal digits, of every socket that a process listens on."""
    own = set[str]()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            own.update(re.findall(r"socket:\[(\d+)\]", str(handle.readlink())))
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{name}").read_text(encoding="ascii").splitlines()[1:]
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == LISTENS and row[9] in own}
