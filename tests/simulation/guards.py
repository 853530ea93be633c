"""Inside a simulation the outside world raises: threads, sockets, real time, ambient chance.

Names are replaced while a run lasts; what is beyond the reach of a name (a socket opened or a
process started by anybody, by any way) is stopped by an audit hook.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import random
import socket
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import tenacity

from tests.patches import replaced

_TIME = (
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    *("process_time", "sleep", "localtime", "gmtime"),
)
_RANDOM = (
    *("random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform"),
    *("gauss", "getrandbits", "randbytes", "expovariate", "seed"),
)
_EVENTS = frozenset(
    {
        *("_thread.start_new_thread", "_thread.start_joinable_thread", "time.sleep"),
        *("socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo"),
        *("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system"),
    }
)


class OutsideWorld(RuntimeError):
    """Somebody inside a simulation reached for what is not simulated."""


class _State:
    inside = False
    hooked = False


def _hook(event: str, _: tuple[Any, ...]) -> None:
    if _State.inside and event in _EVENTS:
        raise OutsideWorld(event)


def _forbidden(name: str) -> Callable[..., Any]:
    def raises(*_: Any, **__: Any) -> Any:
        raise OutsideWorld(name)

    return raises


class _SeededOnly(random.Random):
    """`random.Random`, but never without a seed."""

    def __init__(self, x: Any = None) -> None:
        if x is None:
            raise OutsideWorld("random.Random()")
        super().__init__(x)


@contextlib.contextmanager
def guarded(virtual_s: Callable[[], float]) -> Iterator[None]:
    """Hold the outside world off. tenacity's own stop watch is given virtual time."""
    if not _State.hooked:
        sys.addaudithook(_hook)
        _State.hooked = True
    targets: list[tuple[Any, str, Any]] = [
        *((time, name, _forbidden(f"time.{name}")) for name in _TIME),
        *((random, name, _forbidden(f"random.{name}")) for name in _RANDOM),
        *((os, name, _forbidden(f"os.{name}")) for name in ("urandom", "getrandom")),
        *((uuid, name, _forbidden(f"uuid.{name}")) for name in ("uuid1", "uuid4")),
        (threading, "_start_new_thread", _forbidden("a thread")),
        (_thread, "start_new_thread", _forbidden("a thread")),
        (socket, "socketpair", _forbidden("socket.socketpair")),
        (random, "Random", _SeededOnly),
        (random, "SystemRandom", _forbidden("random.SystemRandom")),
        (tenacity, "time", types.SimpleNamespace(monotonic=virtual_s, sleep=_forbidden("sleep"))),
    ]
    with replaced(targets):
        _State.inside = True
        try:
            yield
        finally:
            _State.inside = False
