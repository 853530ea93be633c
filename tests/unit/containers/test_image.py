"""What the image promises, and whether its health-check tells a daemon that decides from others."""

from __future__ import annotations

import importlib.util
import re
import socket
from typing import Any

import pytest

from arbit.domain.events import FeedCounts
from arbit.domain.readings import VenueReading
from arbit.telemetry.probes import healthz
from tests.e2e.compose import BASE, DOCKER, OURS, REPO, files, service

TEXT = re.sub(r"\\\n", " ", (DOCKER / "Dockerfile").read_text(encoding="utf-8"))
FINAL = TEXT[TEXT.rindex("\nFROM ") :]
MOST_S = 60.0
SAID = files(BASE)


def reading(**said: Any) -> VenueReading:
    return VenueReading("kraken", FeedCounts(), {}, {}, {}, {}, {}, **said)


def healthcheck() -> Any:
    spec = importlib.util.spec_from_file_location("healthcheck", DOCKER / "healthcheck.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_packages_come_by_hash_and_none_is_compiled() -> None:
    first, second = re.findall(r"pip install .*", TEXT)
    assert "--require-hashes --only-binary :all: -r /src/requirements.lock" in first
    assert "--no-deps" in second
    assert "--no-index" in second
    assert not re.search(r"apt|gcc|build-essential|pip install", FINAL)


def test_it_runs_as_the_user_that_compose_says_and_writes_under_one_volume() -> None:
    (user,) = re.findall(r"^USER (\d+):(\d+)$", FINAL, re.MULTILINE)
    for name in OURS:
        assert service(name, SAID[name], {}).user == tuple(map(int, user))
    assert min(map(int, user)) >= 10_000
    assert re.findall(r"^VOLUME (.+)$", FINAL, re.MULTILINE) == ["/data"]
    for key in ("ARBIT_DATA_DIR", "ARBIT_LOCK_DIR", "TMPDIR", "HOME"):
        assert re.search(rf"\b{key}=/data(/\w+)?\s", FINAL), key
    assert "PYTHONDONTWRITEBYTECODE=1" in FINAL


def test_it_measures_on_our_own_exchange_unless_told_otherwise() -> None:
    assert FINAL.rstrip().endswith('ENTRYPOINT ["arbit"]\nCMD ["fitness", "--simulate"]')


def test_what_is_copied_is_there_and_let_through_and_nothing_else_is() -> None:
    lines = (REPO / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_through = {line[1:] for line in rules if line.startswith("!")}
    copied = {
        word
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", TEXT, re.MULTILINE)
        for word in line.split()
    }
    assert copied == let_through
    assert all((REPO / one).exists() for one in copied)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (reading(turned_ago_s=0.1, decided_ago_s=1.0), ""),
        (reading(turned_ago_s=0.1, decided_ago_s=61.0), "decided 61 s ago"),
        (reading(turned_ago_s=0.1), "nothing was decided yet"),
        (reading(turned_ago_s=11.0, decided_ago_s=1.0), "no turn for 11.0 s"),
        (reading(ended=True, decided_ago_s=1.0), "its run has ended"),
    ],
)
def test_a_daemon_is_well_while_each_venue_decides(told: VenueReading, expected: str) -> None:
    why = healthcheck().judged(healthz([told]).said(), MOST_S)
    assert why == [] if not expected else expected in why[0]


def test_a_daemon_that_watches_nothing_yet_is_not_well() -> None:
    assert healthcheck().judged(healthz([]).said(), MOST_S) == ["no venue is watched yet"]


def test_nobody_at_the_port_is_not_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("ARBIT_METRICS_PORT", str(port))
    monkeypatch.setattr("sys.argv", ["healthcheck.py", "60"])
    assert healthcheck().main() == 1
    assert "does not tell how it is" in capsys.readouterr().out
