"""From text to a tree of settings: environment, `.env`, command line.

Nothing here knows what a setting means. `config` says which keys exist; this room finds the keys
that do not, the lines that are no lines, and remembers who said what, so that every complaint can
name the user's own words.
"""

from __future__ import annotations

import difflib
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

PREFIX = "ARBIT_"
ANY_NAME = "*"
ENVIRONMENT = "environment"
MASK = "***"
_SECRET = re.compile(
    r"SECRET|TOKEN|PASS|CREDENTIAL|KEY|(?:WEBHOOK|DISCORD|DEADMAN|HISTORY|RPC)_URL"
)
_BESIDE_ONE = re.compile(r"WEBHOOK|DISCORD|DEADMAN")  # where a secret address may be set by a slip
_ADDRESS = re.compile(r"URL|ADDRESS|HOST")
_OURS_AT_LEAST = re.compile(r"\s*(?:export\s+)?(ARBIT_[A-Z0-9_]*)")
_NAME = re.compile(r"sandbox-alpaca|[a-z][a-z0-9_]{1,31}")
SPELT = {"sandbox_alpaca": "sandbox-alpaca"}  # a key of the environment holds no hyphen
_MAX_SHOWN = 80
_MAX_FILE = 65_536
_MAX_NAME = 400  # the file, the line and the key


class Known(dict[str, "Known | None"]):
    """The keys that exist at one level: a deeper level, or None for a value.

    `ANY_NAME` stands for every name a user may choose.
    """

    def get_known(self, name: str) -> tuple[bool, Known | None]:
        """Whether the key exists here, and the level below it."""
        if name in self:
            return True, self[name]
        if ANY_NAME in self and _NAME.fullmatch(name):
            return True, self[ANY_NAME]
        return False, None


@dataclass(frozen=True, slots=True)
class Override:
    """A value from the command line: `label` is how the user wrote it (`--latency-ms`)."""

    label: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """One thing the user said: under which name, what, and where (`environment`, a file's line)."""

    label: str
    value: object
    source: str = ""

    def __str__(self) -> str:
        return f"{self.name}={shown(self.label, self.value)}"

    @property
    def name(self) -> str:
        """The label alone, fit for a screen: all that may be repeated of what nobody knows."""
        return _fit(self.label, _MAX_NAME)


@dataclass(slots=True)
class Gathered:
    """Every value by its path, and every problem found on the way."""

    said: dict[tuple[str, ...], Said] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def tree(self) -> dict[str, object]:
        """The values as nested dicts."""
        root: dict[str, Any] = {}
        for path, said in self.said.items():
            level = root
            for name in path[:-1]:
                level = level.setdefault(name, {})
            level[path[-1]] = said.value
        return root

    def near(self, path: Iterable[object]) -> tuple[tuple[str, ...], Said] | None:
        """What the user said at this place or, failing that, nearest above it."""
        names = tuple(str(part) for part in path)
        for end in range(len(names), 0, -1):
            if names[:end] in self.said:
                return names[:end], self.said[names[:end]]
        return None


def key_of(path: Iterable[str]) -> str:
    """`ARBIT_VENUES__KRAKEN__FEED` for ("venues", "kraken", "feed"); a hyphen is spelt as _."""
    return PREFIX + "__".join(part.upper().replace("-", "_") for part in path)


def venue_key(venue: str, setting: str) -> str:
    """`ARBIT_VENUES__SANDBOX_ALPACA__FEED` for ("sandbox-alpaca", "feed")."""
    return key_of(("venues", venue, setting))


def _source(label: str, key: str) -> str:
    """Where something was said: by a label that is no more than the key, in the environment."""
    return ENVIRONMENT if label == key else label.removesuffix(f": {key}")


def _part(text: str) -> str:
    """One part of a key as settings spell it."""
    name = text.lower()
    return SPELT.get(name, name)


def shown(key: str, value: object) -> str:
    """The value of a setting that we know, fit for a screen: never one that may hold a secret."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    who = key.upper()
    slipped = "/" in text and _BESIDE_ONE.search(who)
    return MASK if _SECRET.search(who) or slipped or may_log_in(key, text) else _fit(text)


def may_log_in(key: str, text: str) -> bool:
    """Whether this may be an address with a name and a password in it, or with a key behind it."""
    if "://" in text and "?" in text:
        return True
    return "@" in text and (bool(_ADDRESS.search(key.upper())) or "://" in text)


def _fit(text: str, most: int = _MAX_SHOWN) -> str:
    """Short and on one line."""
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= most else text[: most - 3] + "..."


def gather(known: Known, pairs: Iterable[tuple[str, str, str]]) -> Gathered:
    """Sort (label, key, text) triples into a tree; a later triple wins over an earlier one.

    Keys without the prefix belong to somebody else and are skipped.
    """
    gathered = Gathered()
    for label, key, text in pairs:
        if key.upper().startswith(PREFIX):
            path = tuple(map(_part, key[len(PREFIX) :].split("__")))
            _place(gathered, known, Said(label, text, _source(label, key)), path)
    return gathered


def _place(gathered: Gathered, known: Known, said: Said, path: tuple[str, ...]) -> None:
    level: Known | None = known
    for depth, name in enumerate(path):
        found, below = level.get_known(name) if level is not None else (False, None)
        if not found:
            hint = _hint(known, key_of(path), path[:depth], level)
            # Its value may be a secret under a misspelt name: the name alone is repeated.
            gathered.problems.append(f"{said.name}: unknown setting; {hint}")
            return
        level = below
    if level is None:
        gathered.said[path] = said
    else:
        _place_object(gathered, known, said, path)


def _place_object(gathered: Gathered, known: Known, said: Said, path: tuple[str, ...]) -> None:
    """A whole slice given as one JSON object. Not repeated when it is none: keys may be in it."""
    value = said.value
    try:
        if isinstance(value, str):
            value = json.loads(value, parse_float=str)
    except (ValueError, RecursionError):  # of a number of thousands of digits, too
        value = None
    if not isinstance(value, dict):
        gathered.problems.append(
            f"{said.name}: expected a JSON object, or a deeper key such as {_example(known, path)}"
        )
        return
    for name, inner in value.items():
        below = (*path, _part(str(name)))
        _place(gathered, known, Said(key_of(below), inner, said.source), below)


def _example(known: Known, path: tuple[str, ...]) -> str:
    level: Known | None = known
    for name in path:
        level = level.get_known(name)[1] if level else None
    while level:
        name, level = next(iter(level.items()))
        path = (*path, "kraken" if name == ANY_NAME else name)
    return key_of(path)


def _hint(known: Known, key: str, above: tuple[str, ...], level: Known | None) -> str:
    if level is None:
        return f"expected {key_of(above)}, which takes a value and has no deeper keys"
    names = [name for name in level if name != ANY_NAME]
    if not names:
        return "expected a name of small letters, digits and _ that begins with a letter"
    typed = key[len(key_of(above)) + 2 if above else len(PREFIX) :].lower()
    if close := difflib.get_close_matches(typed, names, n=1, cutoff=0.7):
        return f"expected {key_of((*above, close[0]))}"
    # A setting of a slice, written without the slice, is the likeliest slip left.
    elsewhere = [leaf for leaf in _leaves(known) if leaf.endswith(f"_{typed.upper()}")]
    return f"expected {elsewhere[0]}" if elsewhere else f"expected one of {_listed(above, names)}"


def _listed(above: tuple[str, ...], names: list[str]) -> str:
    return ", ".join([key_of((*above, names[0])), *(name.upper() for name in names[1:])])


def _leaves(known: Known, above: tuple[str, ...] = ()) -> list[str]:
    found: list[str] = []
    for name, below in known.items():
        path = (*above, "kraken" if name == ANY_NAME else name)
        found.extend([key_of(path)] if below is None else _leaves(below, path))
    return found


def read_env_file(path: Path, *, required: bool) -> tuple[list[tuple[str, str, str]], list[str]]:
    """(label, key, text) of every line of a `.env` file, and every line that is none.

    A file that does not exist is an empty one, unless `required`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return [], [f"{path}: expected a file of KEY=value lines, found none"] if required else []
    except (OSError, UnicodeDecodeError) as error:
        return [], [f"{path}: expected a readable UTF-8 file: {error}"]
    if len(text) > _MAX_FILE:  # the time that its parser takes grows with the square of a line
        return [], [f"{path}: expected KEY=value lines, no more than {_MAX_FILE} characters"]
    triples: list[tuple[str, str, str]] = []
    problems: list[str] = []
    first_line: dict[str, int] = {}
    for binding in parse_stream(io.StringIO(text)):
        original = binding.original.string
        line = binding.original.line + len(original) - len(original.lstrip("\n"))
        key, value = binding.key, binding.value
        if binding.error or (key is not None and value is None):
            named = _OURS_AT_LEAST.match(original)  # the rest may be a secret that lost its name
            seen = f" {named[1]}:" if named else ""
            problems.append(f"{path}, line {line}:{seen} expected KEY=value")
        elif key is not None and value is not None:
            if key in first_line and key.upper().startswith(PREFIX):
                problems.append(
                    f"{path}, line {line}: {key}: expected once, but line {first_line[key]} has it"
                )
            first_line.setdefault(key, line)
            triples.append((f"{path}, line {line}: {key}", key, value))
    return triples, problems


def as_list(value: object) -> object:
    """Text as a list: `a,b,c`, or JSON. Anything else is left alone."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        return _json(text)
    return [part.strip() for part in text.split(",")] if text else []


def as_mapping(value: object) -> object:
    """Text as a mapping: `USD=5,BTC=0.0001`, or JSON. Anything else is left alone."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("{"):
        return _json(text)
    mapping: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, amount = (piece.strip() for piece in part.partition("="))
        if not equals or not name or name in mapping:
            raise ValueError(f"{part!r} is not one NAME=number")
        mapping[name] = amount
    return mapping


def as_triangles(value: object) -> object:
    """Text as triangles: `auto` (none named), `A/B,C/A,C/B;...`, or a JSON list of either."""
    if not isinstance(value, str):
        return _each_triangle(value)
    text = value.strip()
    if text in ("", "auto"):
        return []
    return _each_triangle(_json(text) if text.startswith("[") else text.split(";"))


def _each_triangle(value: object) -> object:
    if isinstance(value, list | tuple):
        return [as_list(triangle) for triangle in value]
    return value


def _json(text: str) -> object:
    try:
        parsed: object = json.loads(text, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON ({error})") from None
    return parsed


def environment_triples(environ: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """The environment's own (label, key, text), in a fixed order."""
    return [(key, key, environ[key]) for key in sorted(environ)]
