"""What stands beside the image: Prometheus, systemd, the workflow, and the newcomer's path."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from arbit.cli.exits import Code
from arbit.config.risk import RiskSettings
from tests.documents.commands import NEWCOMER, blocks
from tests.e2e.compose import BASE, DOCKER, OURS, REPO, files

SAID = files(BASE)
PROMTOOL = shutil.which("promtool")
ANALYZE = shutil.which("systemd-analyze")
SCRIPT = REPO / "tests" / "e2e" / "newcomer.sh"
RUNBOOK = REPO / "docs" / "runbook.md"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def ran(*words: str, cwd: Path) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- Prometheus and Grafana ---------------------------------------------------------------------


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A folder with what compose mounts into Prometheus's."""
    for line in SAID["prometheus"]["volumes"]:
        source, target, *_ = line.split(":")
        if source.startswith("."):
            shutil.copy(DOCKER / source, tmp_path / Path(target).name)
    return tmp_path


def test_prometheus_asks_our_services_where_they_serve() -> None:
    (job,) = read(DOCKER / "prometheus" / "prometheus.yml")["scrape_configs"]
    assert job["job_name"] == "arbit", "the rules ask for it by this name"
    (asked,) = job["dns_sd_configs"]
    assert asked["names"] == list(OURS)
    assert all(
        SAID[name]["environment"]["ARBIT_METRICS_PORT"] == str(asked["port"]) for name in OURS
    )


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_takes_the_configuration_as_it_is_mounted(mounted: Path) -> None:
    said = ran(str(PROMTOOL), "check", "config", "prometheus.yml", cwd=mounted)
    assert "SUCCESS: 2 rule files found" in said


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
def test_a_container_that_ended_is_told_of_and_one_that_never_was_is_not(mounted: Path) -> None:
    gone = {
        "exp_labels": {"service": "kraken", "severity": "critical"},
        "exp_annotations": {
            "summary": "kraken ran within the last hour and its container is gone "
            "(quiet an hour after it was stopped on purpose)"
        },
    }
    times = {"3m": [], "9m": [gone], "3h": []}
    story = {
        "rule_files": ["gone.rules.yml"],
        "evaluation_interval": "30s",
        "tests": [
            {
                "interval": "30s",
                "input_series": [
                    {"series": 'up{job="arbit",service="fitness"}', "values": "1+0x400"},
                    {"series": 'up{job="arbit",service="kraken"}', "values": "1+0x6 stale"},
                ],
                "alert_rule_test": [
                    {"alertname": "ArbitGone", "eval_time": at, "exp_alerts": told}
                    for at, told in times.items()
                ],
            }
        ],
    }
    (mounted / "story.yml").write_text(yaml.safe_dump(story), encoding="utf-8")
    ran(str(PROMTOOL), "test", "rules", "story.yml", cwd=mounted)


def test_grafana_is_given_prometheus_and_the_generated_boards() -> None:
    folder = DOCKER / "grafana" / "provisioning"
    (source,) = read(folder / "datasources" / "prometheus.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = read(folder / "dashboards" / "arbit.yaml")["providers"]
    mounts = [line.split(":") for line in SAID["grafana"]["volumes"]]
    (docs,) = [where for where, target, *_ in mounts if target == provider["options"]["path"]]
    assert len(list((DOCKER / docs).glob("*.json"))) == 2


# --- systemd ------------------------------------------------------------------------------------


Unit = dict[str, dict[str, str]]


@pytest.fixture
def unit() -> Unit:
    """Section, key, value; what is said several times counts together."""
    found: Unit = {}
    for line in (DOCKER / "arbit.service").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section[key] = f"{section[key]} {value}" if key in section else value
    return found


def test_the_service_is_dry_and_has_time_to_stop(unit: Unit) -> None:
    said = unit["Service"]
    assert said["ExecStart"].endswith("live --venue kraken --dry-run")
    assert "LoadCredential" not in said
    assert int(said["TimeoutStopSec"]) > RiskSettings().grace_s * 1.5
    assert (said["KillSignal"], said["KillMode"]) == ("SIGTERM", "mixed")


def test_it_starts_again_after_faults_alone_and_not_for_ever(
    unit: Unit,
) -> None:
    said = unit["Service"]
    assert said["Restart"] == "on-failure"
    never = set(map(int, said["RestartPreventExitStatus"].split()))
    assert never == {Code.MISTAKE, Code.REFUSED}
    assert int(unit["Unit"]["StartLimitBurst"]) < RiskSettings().max_crashes


def test_it_may_write_its_own_folder_and_nothing_else(unit: Unit) -> None:
    said = unit["Service"]
    assert said["User"] == "arbit"
    assert said["ProtectSystem"] == "strict"
    assert said["StateDirectory"] == "arbit"
    assert not {
        "ReadWritePaths",
        "BindPaths",
    } & set(said)
    assert said["CapabilityBoundingSet"] == said["AmbientCapabilities"] == ""
    for key in ("NoNewPrivileges", "MemoryDenyWriteExecute", "ProtectHome", "PrivateDevices"):
        assert said[key] == "yes", key


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed (Debian: systemd)")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    text = (DOCKER / "arbit.service").read_text(encoding="utf-8")
    copy = tmp_path / "arbit.service"
    copy.write_text(text.replace("/usr/local/lib/arbit/bin/arbit", "/bin/true"), encoding="utf-8")
    done = subprocess.run(
        [str(ANALYZE), "verify", str(copy)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "arbit.service" not in done.stderr


# --- the workflow -------------------------------------------------------------------------------


def test_every_action_is_pinned_by_commit_and_every_job_is_bounded() -> None:
    text = (REPO / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    for what, rest in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", what), what
        assert re.match(r" # v\d+\.\d+\.\d+$", rest), f"{what}: of which version"
    told = yaml.safe_load(text)
    assert told["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 40 for job in told["jobs"].values())


def test_the_workflow_runs_what_may_be_run_anywhere_and_the_containers_for_real() -> None:
    jobs = read(REPO / ".github" / "workflows" / "ci.yml")["jobs"]
    lines = {
        name: "\n".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()
    }
    assert lines["everything"].strip() == ".ci/run"
    assert "docker compose --profile rehearsal up" in lines["containers"]
    assert "pip-audit --strict" in lines["dependencies"]
    assert "cyclonedx-py" in lines["dependencies"]
    assert "newcomer.sh" in lines["newcomer"]


# --- the newcomer's path ------------------------------------------------------------------------


def test_every_block_of_the_path_has_a_check_and_every_check_a_block() -> None:
    steps = [kind.split()[-1] for _, kind, _ in blocks(RUNBOOK) if NEWCOMER in kind]
    checks = re.findall(r"^after_(\w+)\(\)", SCRIPT.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(set(steps)) == len(steps)
    assert set(checks) == {"readme", *steps}


def test_the_path_goes_by_everything_that_a_new_user_must_do() -> None:
    typed = "\n".join(text for _, kind, text in blocks(RUNBOOK) if NEWCOMER in kind)
    for what in (
        *("arbit doctor", "arbit keys:check --venue sandbox", "arbit live --venue sandbox --dry"),
        *("arbit live --venue sandbox --profile", "arbit kill", "--recover-only"),
        "arbit db upgrade",
    ):
        assert what in typed, what
    ran("bash", "-n", str(SCRIPT), cwd=REPO)
