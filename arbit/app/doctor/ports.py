"""Looks at what a daemon listens on: the page of metrics, loopback, and its door."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from arbit.app.doctor.report import Ask, Found, fails, skips, warns, well
from arbit.app.doctor.stores import daemons
from arbit.app.door.asking import door_of
from arbit.app.door.door import opened
from arbit.config import SANDBOXES, Settings
from arbit.domain.account import AccountId, Mode
from arbit.domain.errors import UserError
from arbit.persistence.locks import lock_of

FINGERPRINT = "0" * 12  # of a key: every account's has so many characters


def check_metrics_port(ask: Ask) -> Iterator[Found]:
    """The port of /metrics is free, or a daemon of this folder has it."""
    settings = ask.settings
    if settings is None:
        return
    host, port = settings.metrics_host, settings.metrics_port
    if not port:
        yield well("none is set" if port is None else "any free one")
        return
    why = _taken(host, port)
    if not why:
        yield well(f"{host}:{port} is free")
    elif daemons(settings):
        yield well(f"{host}:{port} is in use, and a daemon of this data folder runs")
    else:
        fix = f"stop what listens there (ss -ltnp 'sport = :{port}'), or set ARBIT_METRICS_PORT"
        yield fails(f"{host}:{port}: {why}", f"{fix} to another; 0 takes any")


def check_loopback(_: Ask) -> Iterator[Found]:
    """The sandbox exchange can be served to ourselves."""
    why = _taken("127.0.0.1", 0)
    if why:
        yield fails(f"127.0.0.1: {why}", "bring the loopback interface up: ip link set lo up")
    else:
        yield well("127.0.0.1 has a free port")


def check_door(ask: Ask) -> Iterator[Found]:
    """A daemon can be asked: its socket's path is short enough, and its folder takes sockets."""
    settings = ask.settings
    if settings is None:
        return
    if not hasattr(socket, "AF_UNIX"):
        yield skips("this system has no Unix sockets: files alone reach a daemon")
        return
    door = _longest(settings)
    if not door.parent.is_dir():
        most = len(os.fsencode(door))
        yield well(f"{most} bytes of path") if most <= 103 else _too_long(settings, str(most))
        return
    probe = door.with_name(f"{'.doctor':-<{len(door.name)}}")
    try:
        opened(probe).close()
        probe.unlink(missing_ok=True)
    except UserError as error:
        said = str(error).replace(str(probe), str(door))
        long = "bytes" in said
        yield _too_long(settings, said) if long else warns(said, f"chmod 700 {door.parent}")
        return
    yield well(f"a daemon can be asked at {door.parent}")


def _too_long(settings: Settings, said: str) -> Found:
    where = settings.data_dir.absolute()
    return warns(
        f"{said}: arbit status could not ask a daemon, which trades all the same",
        f"set ARBIT_DATA_DIR to a shorter path than {where}, or start in it with ARBIT_DATA_DIR=.",
    )


def _longest(settings: Settings) -> Path:
    doors = []
    for name in {*settings.default_venues, *settings.venues}:
        mode = Mode.SANDBOX if name in SANDBOXES else Mode.LIVE
        account = AccountId(name, mode, FINGERPRINT)
        doors.append(door_of(lock_of(settings.data_dir, str(account))))
    return max(doors, key=lambda path: len(os.fsencode(path)))


def _taken(host: str, port: int) -> str:
    """Why nobody could listen there; empty when we could. It is let go at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
