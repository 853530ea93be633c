"""Who is talked to: every connection, name looked up and port opened, as the interpreter tells it.

An audit hook cannot be taken out again, so there is one for the whole process, which does nothing
while nobody listens. It hears what goes through Python's sockets: uvloop's do not, so commands run
on the standard loop here.
"""

from __future__ import annotations

import ipaddress
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
BINDS = frozenset({"socket.bind"})
LOOKS_UP = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
STARTS = frozenset({"subprocess.Popen", "os.posix_spawn", "os.exec", "os.system", "os.fork"})
ALL = CONNECTS | BINDS | LOOKS_UP | STARTS


class NotOut(OSError):
    """Nothing leaves this machine in a test."""


@dataclass
class Heard:
    """What was heard. `ours` are threads of the test, which may connect as they like."""

    places: set[tuple[str, int]] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    bound: set[tuple[str, int]] = field(default_factory=set)
    started: list[str] = field(default_factory=list)
    ours: set[int] = field(default_factory=set)

    def take(self, event: str, given: tuple[Any, ...]) -> None:
        """One event of the interpreter. NotOut for what would leave this machine."""
        if threading.get_ident() in self.ours:
            return
        if event in STARTS:
            self.started.append(str(given[0] if event != "subprocess.Popen" else given[1]))
        elif event in LOOKS_UP:
            self._name(given[0])
        elif event in BINDS:
            if isinstance(given[1], tuple):  # and not the path of a Unix socket
                self.bound.add(given[1][:2])
        else:
            address = given[1] if event != "socket.sendmsg" else given[-1]
            self._place(address)

    def _name(self, host: object) -> None:
        name = host.decode() if isinstance(host, bytes) else str(host)
        self.names.add(name)
        if not _is_here(name):
            raise NotOut(f"{name} is looked up by a test")

    def _place(self, address: object) -> None:
        if isinstance(address, str | bytes):
            self.files.add(address if isinstance(address, str) else address.decode())
        elif isinstance(address, tuple):
            self.places.add((address[0], address[1]))
            if not _is_here(address[0]):
                raise NotOut(f"{address[0]} is connected to by a test")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in {"localhost", "None", ""}


_listening: list[Heard] = []
_hooked: list[bool] = []


def _hook(event: str, given: tuple[Any, ...]) -> None:
    if _listening and event in ALL:
        _listening[-1].take(event, given)


@contextmanager
def hearing() -> Iterator[Heard]:
    """Hear everything until it is left."""
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)
    heard = Heard()
    _listening.append(heard)
    try:
        yield heard
    finally:
        _listening.remove(heard)
