"""Inside a simulation the outside world raises: threads, sockets, real time, ambient chance.

Names are replaced while a run lasts, also where a module of ours has bound one for itself; what is
beyond the reach of a name (a socket opened or a process started by anybody, by any way) is stopped
by an audit hook. What no guard sees, the order of a set for one, differs from process to process,
and is found by the determinism gate.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import random
import socket
import sys
import threading
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import tenacity

from tests.patches import replaced
from tests.simulation import dates, logs

_RANDOM = (
    *("random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform"),
    *("gauss", "getrandbits", "randbytes", "expovariate", "seed", "betavariate", "triangular"),
    *("gammavariate", "lognormvariate", "normalvariate", "paretovariate", "vonmisesvariate"),
    *("weibullvariate", "_urandom"),  # the last one is what `secrets` draws from
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


def _forbidden(name: str, real: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Raises inside; whoever bound it for good meanwhile is well served outside."""

    def raises(*args: Any, **named: Any) -> Any:
        if _State.inside or real is None:
            raise OutsideWorld(name)
        return real(*args, **named)

    return raises


class _SeededOnly(random.Random):
    """`random.Random`, but never without a seed."""

    def __init__(self, x: Any = None) -> None:
        if x is None:
            raise OutsideWorld("random.Random()")
        super().__init__(x)


@contextlib.contextmanager
def guarded(
    virtual_s: Callable[[], float], logged: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the outside world off. tenacity's own stop watch is given virtual time.

    `logged` hears what is logged, at any level; without it logging is as it was, and asks for the
    time.
    """
    if not _State.hooked:
        sys.addaudithook(_hook)
        _State.hooked = True
    targets = _closed()
    targets += dates.bound(targets)
    targets += logs.heard(logged) if logged is not None else []
    watch = types.SimpleNamespace(monotonic=virtual_s, sleep=_forbidden("sleep"))
    targets.append((tenacity, "time", watch))
    with replaced(targets):
        _State.inside = True
        try:
            yield
        finally:
            _State.inside = False


def _closed() -> list[tuple[Any, str, Any]]:
    return [
        *dates.closed(_forbidden),
        *((random, one, _forbidden(f"random.{one}", getattr(random, one))) for one in _RANDOM),
        *((os, one, _forbidden(f"os.{one}", getattr(os, one))) for one in ("urandom", "getrandom")),
        *((uuid, one, _forbidden(f"uuid.{one}", getattr(uuid, one))) for one in ("uuid1", "uuid4")),
        (threading, "_start_new_thread", _forbidden("a thread")),
        (_thread, "start_new_thread", _forbidden("a thread")),
        (socket, "socketpair", _forbidden("socket.socketpair")),
        (random, "Random", _SeededOnly),
        (random, "SystemRandom", _forbidden("random.SystemRandom")),
    ]
