"""Every way to the time of day: closed inside a simulation, or shifted for a whole process.

A name that a module of ours has bound for itself (`from time import time`) is found there, too.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

Targets = list[tuple[Any, str, Any]]

CLOCKS = (
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    *("process_time", "process_time_ns", "thread_time", "thread_time_ns"),
    *("clock_gettime", "clock_gettime_ns", "sleep", "localtime", "gmtime", "ctime"),
)
WRITTEN = {"strftime": 2, "asctime": 1}  # harmless where the time is given: so many arguments
OURS = ("arbit",)
_real_now = dt.datetime.now  # kept as it was, whatever its class is replaced by


def bound(targets: Iterable[tuple[Any, str, Any]], rooms: Collection[str] = OURS) -> Targets:
    """Where modules of these packages hold what `targets` replace, under whatever name."""
    new = {id(getattr(owner, name)): value for owner, name, value in targets}
    modules = [one for name, one in sys.modules.items() if name.split(".")[0] in rooms]
    return [
        (module, name, new[id(value)])
        for module in modules
        for name, value in vars(module).items()
        if id(value) in new
    ]


class _AsTheReal(type):
    """What the real class made is one of these, too."""

    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, cls.__mro__[1])

    def __subclasscheck__(cls, one: type) -> bool:
        return issubclass(one, cls.__mro__[1])


def calendars(now: Callable[[str, Any], dt.datetime]) -> Targets:
    """`datetime` and `date` whose present is what `now` says, asked with a name and a zone."""

    class datetime(dt.datetime, metaclass=_AsTheReal):  # noqa: N801  as it is called
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return now("datetime.now", tz)

        @classmethod
        def utcnow(cls) -> Any:
            return now("datetime.utcnow", dt.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:
            return now("datetime.today", None)

    class date(dt.date, metaclass=_AsTheReal):  # noqa: N801  as it is called
        @classmethod
        def today(cls) -> Any:
            return now("date.today", None).date()

    return [(dt, "datetime", datetime), (dt, "date", date)]


def closed(forbidden: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> Targets:
    """Each way there is, replaced by what `forbidden` makes of its name and of itself."""
    now = forbidden("the date", lambda _, zone: _real_now(zone))
    found: Targets = [
        (time, name, forbidden(f"time.{name}", getattr(time, name)))
        for name in CLOCKS
        if hasattr(time, name)
    ]
    for name, given in WRITTEN.items():
        real = getattr(time, name)
        found.append((time, name, _unless_told(forbidden(f"time.{name}", real), real, given)))
    return [*found, *calendars(now)]


def _unless_told(
    other: Callable[..., Any], real: Callable[..., Any], given: int
) -> Callable[..., Any]:
    def written(*args: Any) -> Any:
        return real(*args) if len(args) >= given else other(*args)

    return written


def shifted(by_s: int) -> Targets:
    """Each way there is, with a time that is later by so many seconds."""
    told: dict[str, Callable[..., Any]] = {}
    for name in ("time", "monotonic", "perf_counter"):
        told[name] = _later(getattr(time, name), by_s)
        told[f"{name}_ns"] = _later(getattr(time, f"{name}_ns"), by_s * 10**9)
    told["clock_gettime"] = _later(time.clock_gettime, by_s)
    told["clock_gettime_ns"] = _later(time.clock_gettime_ns, by_s * 10**9)
    wall_s = told["time"]
    for name in ("localtime", "gmtime", "ctime"):
        real = getattr(time, name)
        told[name] = lambda at_s=None, real=real: real(wall_s() if at_s is None else at_s)
    for name, given in WRITTEN.items():
        real = getattr(time, name)
        told[name] = _unless_told(
            lambda *args, real=real: real(*args, time.localtime()), real, given
        )
    found: Targets = [(time, name, value) for name, value in told.items()]
    return [*found, *calendars(lambda _, zone: _real_now(zone) + dt.timedelta(seconds=by_s))]


def _later(real: Callable[..., Any], by: int) -> Callable[..., Any]:
    return lambda *args: real(*args) + by


def shift(by_s: int, rooms: Collection[str] = (*OURS, "tests")) -> None:
    """From now on, and for good, this process lives so many seconds later."""
    targets = shifted(by_s)
    for owner, name, value in [*bound(targets, rooms), *targets]:
        setattr(owner, name, value)
