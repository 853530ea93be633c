"""Dashboards and rules are as their tables say, and ask for nothing that the page has not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from arbit.telemetry import boards, rules
from arbit.telemetry.catalogue import PROCESS, STALENESS, TRADING, VENUE
from arbit.telemetry.panels import BOARDS
from arbit.telemetry.series import Kind

REPO = Path(__file__).parents[3]
FILES = boards.files() | rules.files()
OTHERS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}
NAME = re.compile(r"\b(?:arbit|process|market_data|orderbook)_\w+|\bup\b")
PROMTOOL = shutil.which("promtool")


def on_the_page() -> set[str]:
    """Every name that can be asked for."""
    kinds = [(one.shown, one.kind) for one in PROCESS]
    kinds += [(one.shown, one.kind) for one in VENUE]
    kinds += [(one.shown, one.kind) for one in TRADING]
    kinds += [(name, Kind.HISTOGRAM) for name, _, _ in STALENESS]
    found = {name for name, kind in kinds if kind is not Kind.HISTOGRAM}
    of = {f"{name}_{end}" for name, kind in kinds for end in ("bucket", "sum", "count")}
    return found | of | OTHERS


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_is_what_its_table_says(path: Path) -> None:
    assert (REPO / path).read_text(encoding="utf-8") == FILES[path]


def test_nothing_is_asked_for_that_the_page_has_not() -> None:
    asked = [expr for board in BOARDS for panel in board.panels for expr, _ in panel.asked]
    asked += [rule.expr for rule in rules.RULES]
    assert len(asked) > 50
    for expr in asked:
        named = set(NAME.findall(expr))
        assert named, expr
        assert named <= on_the_page(), (expr, named - on_the_page())


def test_every_series_is_on_a_panel_or_in_a_rule_but_those_for_a_person_alone() -> None:
    text = " ".join(FILES.values())
    shown = [one.shown for one in PROCESS]
    shown += [one.shown for one in VENUE] + [one.shown for one in TRADING]
    left_out = {name for name in shown if name not in text}
    assert left_out == {
        "arbit_build_info",
        "arbit_inventory_target",
        "arbit_inventory_cap",
    }


def test_a_dashboard_names_no_data_source_that_it_does_not_bring_as_a_variable() -> None:
    for board in BOARDS:
        told: dict[str, Any] = json.loads(boards.board_json(board))
        variables = {one["name"] for one in told["templating"]["list"]}
        used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(told["panels"])))
        assert used == {"datasource", "venue"}
        assert used <= variables
        assert "__inputs" not in told
        numbers = [panel["id"] for panel in told["panels"]]
        assert len(numbers) == len(set(numbers))
        for panel in told["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= boards.WIDTH


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize(
    "asked",
    [
        ("check", "rules", "arbit.rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "arbit.rules.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing_wrong_and_each_rule_fires_when_its_proof_says(
    asked: tuple[str, ...],
) -> None:
    assert PROMTOOL is not None
    folder = REPO / rules.FOLDER
    ran = subprocess.run(
        [PROMTOOL, *asked], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
def test_rules_that_never_fire_fail_their_proofs_every_one(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    deaf = rules.rules_yaml()
    for rule in rules.RULES:
        deaf = deaf.replace(json.dumps(rule.expr), json.dumps("vector(1) > 2"))
    (tmp_path / "arbit.rules.yml").write_text(deaf, encoding="utf-8")
    (tmp_path / "arbit.rules.test.yml").write_text(rules.tests_yaml(), encoding="utf-8")
    asked = [PROMTOOL, "test", "rules", "arbit.rules.test.yml"]
    ran = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    said = ran.stdout + ran.stderr
    assert [rule.name for rule in rules.RULES if f"alertname: {rule.name}," not in said] == []
