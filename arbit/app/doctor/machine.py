"""Looks at what the program runs on: Python, system, event loop, packages, clock, settings."""

from __future__ import annotations

import importlib.util
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from arbit.app.config.check import wrong_together
from arbit.app.doctor import packages
from arbit.app.doctor.report import Ask, Found, fails, skips, warns, well

LEAST, NEWEST = (3, 11), (3, 13)  # of Python: what is needed, and up to which it is tested
YEAR_2025_NS, YEAR_2100_NS = 1_735_689_600 * 10**9, 4_102_444_800 * 10**9
LOOKS = 20_000  # of both clocks, within some milliseconds
JUMP_NS = 50_000_000
MANY = 5
CORRECT = "correct this line; arbit config check tells when all is well"
_CHMOD = re.compile(r"chmod 600 [^\s)]+")
REINSTALL = "python -m pip install --require-hashes -r requirements.lock"


def check_python(_: Ask) -> Iterator[Found]:
    """Its version."""
    found = sys.version_info[:2]
    seen = f"{platform.python_implementation()} {platform.python_version()}"
    if found < LEAST:
        yield fails(f"{seen}: 3.11 is needed", "install Python 3.11 and make the environment anew")
    elif found > NEWEST:
        yield warns(f"{seen} is newer than what was tested", "use Python 3.11 to 3.13")
    else:
        yield well(seen)


def check_system(_: Ask) -> Iterator[Found]:
    """Whether everything works on this system."""
    seen = f"{platform.system()} {platform.release()}, {platform.machine()}"
    if sys.platform == "win32":
        yield warns(
            f"{seen}: a daemon has no door here and is told by files alone",
            "trade from Linux or macOS; to measure this is good enough",
        )
    else:
        yield well(seen)


def check_loop(_: Ask) -> Iterator[Found]:
    """The quick event loop, where there is one."""
    if importlib.util.find_spec("uvloop") is not None:
        yield well(f"uvloop {packages.there('uvloop')}")
    elif sys.platform == "win32":
        yield well("the standard one: there is no other for this system")
    else:
        yield warns(
            "the standard one: each frame takes longer", "python -m pip install 'uvloop>=0.22,<1'"
        )


def check_packages(_: Ask) -> Iterator[Found]:
    """Each package this program needs is there, of a version it was made for."""
    locked = packages.locked_versions()
    asked = packages.wanted()
    if asked is None and not locked:
        yield skips("neither the program's own metadata nor its lock is here to compare with")
        return
    names = asked if asked is not None else {name: f"=={one}" for name, one in locked.items()}
    fix = REINSTALL if locked else "python -m pip install --force-reinstall arbit"
    if bad := list(packages.wrong(names)):
        yield fails(_some(bad), fix)
    elif odd := list(packages.others(locked, names)):
        yield warns(_some(odd), fix)
    else:
        yield well(f"{len(names)} packages, {'as tested' if locked else 'as asked for'}")


def check_clocks(ask: Ask) -> Iterator[Found]:
    """Our wall clock: a day of these years, which moves as the other clock does."""
    wall_ns, mono_ns = ask.clock.wall_ns(), ask.clock.monotonic_ns()
    fix = "set the clock: sudo timedatectl set-ntp true (or start chronyd or ntpd)"
    if not YEAR_2025_NS <= wall_ns <= YEAR_2100_NS:
        yield fails(f"the date cannot be true: {wall_ns // 10**9} s since 1970", fix)
        return
    for _ in range(LOOKS):
        if ask.clock.monotonic_ns() < mono_ns:
            yield fails("the monotonic clock runs backwards", "report this machine's kernel")
            return
    apart_ns = (ask.clock.wall_ns() - wall_ns) - (ask.clock.monotonic_ns() - mono_ns)
    if abs(apart_ns) > JUMP_NS:
        yield warns(f"it jumped by {apart_ns / 1e6:+.0f} ms while it was looked at", fix)
    else:
        yield well("steady; against a venue's it is compared where one is configured")


def check_settings(ask: Ask) -> Iterator[Found]:
    """Everything that was said can be meant."""
    for problem in ask.problems:
        mode = _CHMOD.search(problem)
        yield fails(problem, mode[0] if mode else CORRECT)
    if ask.settings is None:
        return
    found = wrong_together(ask.settings)
    for line in found:
        yield fails(line, CORRECT)
    if not found:
        where = ask.env_file if Path(ask.env_file).exists() else "the environment alone"
        yield well(f"valid, from {where}; arbit config show tells them")


def _some(lines: list[str]) -> str:
    more = len(lines) - MANY
    return "; ".join(lines[:MANY]) + (f" and {more} more" if more > 0 else "")
