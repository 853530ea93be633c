"""A Prometheus of our own on a free port, for as long as a block lasts."""

from __future__ import annotations

import http.client
import json
import math
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from arbit.telemetry.panels import BOARDS
from arbit.telemetry.rules import RULES, rules_yaml
from tests.integration.live_desk import GUARD_S, until

BINARY = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
MISSING = "Prometheus is not installed (Debian's package `prometheus`)"
WINDOW = "15s"  # in the place of minutes and hours: what a test can wait for
_RANGE = re.compile(r"\[\d+[smh]\]")


@dataclass(frozen=True, slots=True)
class Told:
    """One alert as Prometheus tells it."""

    name: str
    state: str
    labels: dict[str, str]

    @property
    def firing(self) -> bool:
        """Whether it fires, and does not wait any more."""
        return self.state == "firing"


class Prometheus:
    """Asks one that runs."""

    def __init__(self, port: int) -> None:
        self._port = port

    def values(self, expr: str) -> list[float]:
        """What an expression comes to now; what is no number is left out."""
        told = self._get("/api/v1/query", {"query": expr})["result"]
        return [found for one in told if not math.isnan(found := float(one["value"][1]))]

    def alerts(self) -> list[Told]:
        """Those that wait or fire now."""
        told = self._get("/api/v1/alerts", {})["alerts"]
        return [Told(one["labels"]["alertname"], one["state"], one["labels"]) for one in told]

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return self._ask("/-/ready")[0] == http.HTTPStatus.OK
        except OSError:
            return False

    def _get(self, path: str, asked: dict[str, str]) -> Any:
        status, body = self._ask(f"{path}?{urlencode(asked)}")
        assert status == http.HTTPStatus.OK, body
        return json.loads(body)["data"]

    def _ask(self, path: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=GUARD_S)) as to:
            to.request("GET", path)
            answer = to.getresponse()
            return answer.status, answer.read()


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """One that scrapes `target` (host:port) twice a second, with our rules.

    Each must hold for one second instead of its own, over quarters of a minute instead of hours.
    """
    if BINARY is None:
        raise RuntimeError(MISSING)
    folder.mkdir()
    (folder / "arbit.rules.yml").write_text(sooner(rules_yaml(for_s=1)), encoding="utf-8")
    (folder / "prometheus.yml").write_text(_config(target), encoding="utf-8")
    port = _free_port()
    process = subprocess.Popen(
        [
            *(BINARY, f"--config.file={folder}/prometheus.yml"),
            *(f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"),
            "--log.level=error",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    asked = Prometheus(port)
    try:
        until(asked.ready, "a Prometheus that is ready")
        yield asked
    finally:
        process.kill()
        process.wait()


def sooner(expr: str) -> str:
    """The same over a quarter of a minute."""
    return _RANGE.sub(f"[{WINDOW}]", expr)


def expressions() -> Sequence[tuple[str, str]]:
    """(where, what) of every panel and of every rule's left side, all venues, sooner."""
    panels = [
        (f"{board.uid}: {panel.title}", expr.replace("$venue", ".*"))
        for board in BOARDS
        for panel in board.panels
        for expr, _ in panel.asked
    ]
    return [(where, sooner(expr)) for where, expr in [*panels, *((r.name, r.left) for r in RULES)]]


def without_data(asked: Prometheus, among: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that answer nothing yet."""
    return [(where, expr) for where, expr in among if not asked.values(expr)]


def _config(target: str) -> str:
    return f"""
global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}
rule_files: [arbit.rules.yml]
scrape_configs:
  - {{job_name: arbit, static_configs: [{{targets: ["{target}"]}}]}}
"""


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
