"""Which packages there are, against what this program asks for and what it was tested with."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import arbit

LOCK = Path(arbit.__file__).resolve().parents[1] / "requirements.lock"
_WANTED = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*([<>=!~0-9.,\s]*)(?:;\s*(.*))?")
_LOCKED = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s\\;]+)", re.MULTILINE)
_ONE = re.compile(r"(>=|<=|==|<|>)\s*([0-9.]+)")
NOT_WINDOWS = 'sys_platform != "win32"'


def wanted() -> dict[str, str] | None:
    """By package, the versions that this program asks for; None where nobody has written it down.

    Those of its extras are left out: who needs one is told by the check that does.
    """
    try:
        lines = requires("arbit") or []
    except PackageNotFoundError:
        return None
    found = {}
    for line in lines:
        match = _WANTED.fullmatch(line.strip())
        if match is None or "extra" in (match[3] or ""):
            continue
        if sys.platform == "win32" and NOT_WINDOWS in (match[3] or "").replace("'", '"'):
            continue
        found[_plain(match[1])] = match[2].replace(" ", "")
    return found


def locked_versions(lock: Path = LOCK) -> Mapping[str, str]:
    """By package, the version that this program was tested with; empty without the lock beside."""
    try:
        return {_plain(name): is_at for name, is_at in _LOCKED.findall(lock.read_text("utf-8"))}
    except (OSError, UnicodeError):
        return {}


def there(name: str) -> str:
    """The version that is installed; empty when none is."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def wrong(asked: Mapping[str, str]) -> Iterator[str]:
    """Each package that is missing or of a version that was not asked for, in words."""
    for name, spec in asked.items():
        found = there(name)
        if not found:
            yield f"{name} is missing (expected {spec or 'any'})"
        elif not fits(found, spec):
            yield f"{name} {found} (expected {spec})"


def others(locked: Mapping[str, str], names: Mapping[str, str]) -> Iterator[str]:
    """Each of these packages that is not of the version that was tested, in words."""
    for name in names:
        found, best = there(name), locked.get(name, "")
        if found and best and found != best:
            yield f"{name} {found} (tested with {best})"


def fits(found: str, spec: str) -> bool:
    """Whether a version is within `>=1.2,<2`. Of a pre-release its numbers count."""
    return all(_holds(_numbers(found), how, _numbers(bound)) for how, bound in _ONE.findall(spec))


def _holds(found: tuple[int, ...], how: str, bound: tuple[int, ...]) -> bool:
    size = max(len(found), len(bound))
    mine, its = (one + (0,) * (size - len(one)) for one in (found, bound))
    return {
        ">=": mine >= its,
        "<=": mine <= its,
        "==": mine == its,
        "<": mine < its,
        ">": mine > its,
    }[how]


def _numbers(text: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else (0,)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
