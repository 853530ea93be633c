"""What the compose files say of our own services, read as plain values.

Only the little of the specification that our files use is understood, and everything else about a
service raises: a limit that nobody looks at would be no limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).parents[2]
DOCKER = REPO / "docker"
BASE = DOCKER / "compose.yaml"
KEYS = DOCKER / "compose.keys.yaml"
OURS = ("fitness", "rehearsal", "kraken", "alpaca")
SECRETS = "/run/secrets"
MIB = 1 << 20

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<rest>[^}]*))?\}")
_SIZE = re.compile(r"(\d+)m")
_KNOWN = frozenset(
    {
        *("image", "build", "command", "environment", "env_file", "volumes", "tmpfs", "secrets"),
        *("user", "read_only", "cap_drop", "security_opt", "init", "ulimits"),
        *("pids_limit", "mem_limit", "stop_grace_period", "restart", "logging"),
        *("networks", "ports", "profiles", "depends_on"),
    }
)


@dataclass(frozen=True, slots=True)
class Service:
    """One service as a container engine would run it. Sizes in bytes, times in seconds."""

    name: str
    command: tuple[str, ...]
    user: tuple[int, int]
    read_only: bool
    no_new_privileges: bool
    no_capabilities: bool
    pids: int
    memory: int
    grace_s: float
    environment: Mapping[str, str]
    volumes: Mapping[str, str]
    tmpfs: Mapping[str, tuple[str, ...]]
    secrets: tuple[str, ...]
    core_bytes: int
    files: int
    ports: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    profiles: tuple[str, ...] = field(default=())


def filled_in(text: str, said: Mapping[str, str]) -> str:
    """A line with its variables replaced, as compose does. KeyError for one that must be said."""

    def one(found: re.Match[str]) -> str:
        value = said.get(found["name"], "")
        if value or found["how"] is None:
            return value
        if found["how"] == "?":
            raise KeyError(f"{found['name']}: {found['rest']}")
        return str(found["rest"])

    return _VARIABLE.sub(one, text)


def files(*paths: Path) -> dict[str, Any]:
    """The services of these files, what a later one says laid over what an earlier one does."""
    services: dict[str, Any] = {}
    for path in paths:
        for name, said in yaml.safe_load(path.read_text(encoding="utf-8"))["services"].items():
            there = services.setdefault(name, {})
            for key, value in said.items():
                if isinstance(value, dict) and isinstance(there.get(key), dict):
                    there[key] = there[key] | value
                elif key == "secrets":
                    there[key] = [*there.get(key, []), *value]
                else:
                    there[key] = value
    return services


def service(name: str, said: Mapping[str, Any], variables: Mapping[str, str]) -> Service:
    """One service. ValueError for a key that is not understood here."""
    unknown = set(said) - _KNOWN
    if unknown:
        raise ValueError(f"{name}: nobody here understands {', '.join(sorted(unknown))}")
    user, _, group = str(said["user"]).partition(":")
    ulimits = said.get("ulimits", {})
    return Service(
        name=name,
        command=tuple(filled_in(str(word), variables) for word in said.get("command", ())),
        user=(int(user), int(group)),
        read_only=said.get("read_only") is True,
        no_new_privileges="no-new-privileges:true" in said.get("security_opt", ()),
        no_capabilities=said.get("cap_drop") == ["ALL"] and "cap_add" not in said,
        pids=int(said["pids_limit"]),
        memory=_bytes(said["mem_limit"]),
        grace_s=float(str(said.get("stop_grace_period", "10s")).removesuffix("s")),
        environment={
            key: filled_in(str(value), variables)
            for key, value in said.get("environment", {}).items()
        },
        volumes=dict(_mount(line) for line in said.get("volumes", ())),
        tmpfs=dict(_tmpfs(line) for line in said.get("tmpfs", ())),
        secrets=tuple(said.get("secrets", ())),
        core_bytes=ulimits.get("core", -1),
        files=ulimits.get("nofile", -1),
        ports=tuple(said.get("ports", ())),
        networks=tuple(said.get("networks", ())),
        profiles=tuple(said.get("profiles", ())),
    )


def _bytes(size: str) -> int:
    found = _SIZE.fullmatch(str(size))
    if found is None:
        raise ValueError(f"{size!r}: expected mebibytes such as 512m")
    return int(found[1]) * MIB


def _mount(line: str) -> tuple[str, str]:
    """Where it is mounted, and what."""
    what, _, where = line.partition(":")
    return where, what


def _tmpfs(line: str) -> tuple[str, tuple[str, ...]]:
    where, _, options = line.partition(":")
    return where, tuple(filter(None, options.split(",")))
