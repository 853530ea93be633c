"""What the compose files promise: safe unless asked otherwise, nothing reachable from outside."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer.main
import yaml
from jsonschema import Draft7Validator

from arbit.cli import app
from arbit.config import load_settings
from arbit.config.risk import RiskSettings
from tests.e2e.compose import BASE, DOCKER, KEYS, MIB, OURS, REPO, SECRETS, files, service

SCHEMA = REPO / "tests" / "data" / "compose-spec" / "schema.json"
ORDERS = {"kraken": "KRAKEN_ORDERS", "alpaca": "ALPACA_ORDERS"}
REAL = {"MAX_NOTIONAL": "20"} | dict.fromkeys(ORDERS.values(), "--i-accept-real-orders")
SAID = files(BASE, KEYS)
ALL = pytest.mark.parametrize("name", sorted(SAID))
EACH = pytest.mark.parametrize("name", OURS)


@pytest.mark.parametrize("path", [BASE, KEYS], ids=lambda path: path.name)
def test_a_file_is_what_the_specification_allows(path: Path) -> None:
    judge = Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert not [error.message for error in judge.iter_errors(said)]
    said["services"]["kraken"]["read_onyl"] = True
    assert list(judge.iter_errors(said)), "the schema lets anything through"


@ALL
def test_every_service_has_a_root_it_cannot_write_no_rights_and_limits(name: str) -> None:
    one = service(name, SAID[name], REAL)
    assert one.read_only
    assert one.no_capabilities
    assert one.no_new_privileges
    assert one.user[0] > 0
    assert 0 < one.pids <= 128
    assert 0 < one.memory <= 512 * MIB


@ALL
def test_what_is_published_is_published_on_this_machines_own_address(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service(name, SAID[name], REAL).ports)


@EACH
def test_a_daemon_is_nobody_keeps_its_data_and_has_time_to_stop(name: str) -> None:
    one = service(name, SAID[name], REAL)
    assert min(one.user) >= 10_000
    assert one.volumes == {"/data": name}, "a volume of its own, with the database in it"
    assert one.core_bytes == 0
    assert one.grace_s > RiskSettings().grace_s
    assert one.ports == ()
    assert one.profiles == (() if name == "fitness" else (name,))


@EACH
def test_a_daemon_that_needs_no_network_has_none(name: str) -> None:
    networks = yaml.safe_load(BASE.read_text(encoding="utf-8"))["networks"]
    needs = name in {"kraken", "alpaca"}
    assert networks["metrics"] == {"internal": True}
    expected = ("metrics", "outside") if needs else ("metrics",)
    assert service(name, SAID[name], REAL).networks == expected


@EACH
def test_an_order_is_real_only_where_it_is_accepted_by_name(name: str) -> None:
    dry = service(name, SAID[name], {"MAX_NOTIONAL": "20"}).command
    real = service(name, SAID[name], REAL).command
    assert "--i-accept-real-orders" not in dry
    assert ("--i-accept-real-orders" in real) == (name in {"kraken", "alpaca"})
    assert ("--dry-run" in dry) == (name in {"kraken", "alpaca"})


def test_what_accepts_real_orders_at_one_venue_accepts_none_at_another() -> None:
    for name, accepts in ORDERS.items():
        said = {"MAX_NOTIONAL": "20", accepts: "--i-accept-real-orders"}
        real = {
            one for one in OURS if "--i-accept-real-orders" in service(one, SAID[one], said).command
        }
        assert real == {name}


def test_no_variable_of_compose_looks_like_a_setting_of_ours() -> None:
    names = re.findall(r"\$\{(\w+)", BASE.read_text(encoding="utf-8") + KEYS.read_text("utf-8"))
    assert names
    assert not [
        name for name in names if name.startswith("ARBIT")
    ], "arbit refuses what it knows not"


def test_a_key_is_laid_over_it_with_a_cap_that_must_be_said() -> None:
    assert files(BASE)["kraken"].get("secrets") is None
    with pytest.raises(KeyError, match="MAX_NOTIONAL"):
        service("kraken", SAID["kraken"], {})
    given = service("kraken", SAID["kraken"], {"MAX_NOTIONAL": "20"})
    assert given.environment["ARBIT_SCAN__MAX_NOTIONAL_PER_CYCLE"] == "20"


@EACH
def test_its_command_and_its_settings_are_understood(name: str, tmp_path: Path) -> None:
    one = service(name, SAID[name], REAL)
    group = typer.main.get_command(app)
    command = group.commands[one.command[0]]  # type: ignore[attr-defined]  # it is a group
    command.make_context(command.name, list(one.command[1:]))
    environ = {}
    for key, value in one.environment.items():
        if key.endswith("_FILE"):
            file = tmp_path / Path(value).name
            file.write_text("MADEUPANDPUBLICMADEUPANDPUBLICMADEUP0123\n", encoding="ascii")
            file.chmod(0o400)
            environ[key] = str(file)
            assert value.startswith(f"{SECRETS}/")
            assert Path(value).name in one.secrets
        else:
            environ[key] = value
    settings = load_settings(env_file=None, environ=environ)
    assert settings.metrics_port == 9464
    assert settings.metrics_allow_remote


def test_no_secret_stands_in_a_file_of_ours() -> None:
    text = BASE.read_text(encoding="utf-8") + KEYS.read_text(encoding="utf-8")
    assert not re.search(r"API_(KEY|SECRET): ", text)
    ignored = (REPO / ".gitignore").read_text(encoding="utf-8").split()
    assert {"/docker/arbit.env", "/docker/secrets/"} <= set(ignored)


@ALL
def test_every_file_that_is_mounted_is_there(name: str) -> None:
    for source in service(name, SAID[name], REAL).volumes.values():
        if source.startswith("."):
            assert (DOCKER / source.split(":")[0]).exists(), source


def test_grafana_can_be_looked_at_and_nothing_else() -> None:
    said = SAID["grafana"]["environment"]
    assert said["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert said["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert said["GF_AUTH_BASIC_ENABLED"] == "false"
    assert said["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
