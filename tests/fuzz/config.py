"""Harmed settings into every command: `python -m tests.fuzz.config --runs 10000`.

Each run says some settings as they may be said, harms one to three of them (a value, a key, a line
of `.env`, a group's JSON), and types a command. Wrong settings must end it with code 2 and a line
for each thing that is wrong, which names the key, the value and what was expected; no secret is
told, nothing is written, and nothing reaches the network or starts a process: an audit hook sees
to that. Settings that are right all the same are only looked at. Exit code 1 with a finding, which
is made small first. `--seed S` draws others.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from arbit.cli import main as arbit
from arbit.cli.exits import WHEN
from arbit.config import rows
from arbit.config.load import hear_settings
from tests.fuzz.mutations import NUMBERS, WORDS
from tests.integration.typing_in import built_once

CANARY = "canary0secret0never0shown"
ROWS = [
    one
    for make in (
        *(rows.general_rows, rows.scan_rows, rows.risk_rows, rows.rotation_rows),
        *(rows.inventory_rows, rows.wallet_rows, rows.alert_rows, rows.log_rows),
        *(rows.venue_rows, rows.alpaca_rows),
    )
    for one in make()
]
KEYS = [one.key for one in ROWS]
DEFAULTS = {one.key: one.default for one in ROWS if one.default}
SECRET = {key for key in KEYS if key.endswith(("API_KEY", "API_SECRET"))}
GROUPS = ("ARBIT_SCAN", "ARBIT_RISK", "ARBIT_VENUES", "ARBIT_VENUES__KRAKEN", "ARBIT_LOG")
UNITS = ("5 bps", "1,000", "1_000", "10%", "$5", "0x10", "5s", "yes please", "~", "None", "null")
BROKEN_LINES = ("no line at all", "ARBIT_SCAN__LATENCY_MS", "=5", "ARBIT_LOG_LEVEL = 'info", "'")
# Commands that read settings first; what they need beside them.
COMMANDS = [
    [
        *name.split(),
        *{"convert": ["1", "USD", "ETH"], "pause": ["x"], "resume": ["x"]}.get(name, []),
    ]
    for name in WHEN
    if name not in {"sandbox", "config init", "doctor"}  # to the last, a mistake is a finding
]
FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.system")
MOST_LINE = 6_000

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=60)
JUNK = st.one_of(
    st.sampled_from([word for word in (*WORDS, *NUMBERS, *UNITS) if word.isprintable()]),
    TEXT.filter(lambda text: text.isprintable()),
    st.integers().map(str),
    st.floats().map(str),
    st.lists(st.sampled_from(("BTC/USD", "ETH", "=", "USD=5")), max_size=4).map(",".join),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@dataclass(frozen=True)
class Harm:
    """What was done: `way` names it; a line that tells of it holds all of `words`."""

    way: str
    words: Sequence[str] = ()


@dataclass
class Said:
    """Settings as they are said: in the environment and in lines of `.env`."""

    environ: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    harms: list[Harm] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


class Reached(AssertionError):
    """Wrong settings were taken to the network, or a process was started for them."""


class Guard:
    """An audit hook that can be switched on; there is no way to take one off again."""

    on = False
    installed = False
    seen: ClassVar[list[str]] = []  # whoever caught the error did not unmake the deed

    @classmethod
    def install(cls) -> None:
        """Once for the process."""
        if not cls.installed:
            sys.addaudithook(cls.hear)
            cls.installed = True

    @classmethod
    def hear(cls, event: str, arguments: tuple[object, ...]) -> None:
        """Of what goes out."""
        if cls.on and event in FORBIDDEN:
            cls.seen.append(f"{event} {arguments!r:.200}")
            raise Reached(cls.seen[-1])


def _value(draw: Any, said: Said) -> None:
    """Another value where one is known."""
    key, value = draw(st.sampled_from(KEYS)), draw(JUNK)
    said.environ[key] = value
    said.harms.append(Harm("value", [key]))


def _bound(draw: Any, said: Said) -> None:
    """A number that is out of any bound there is."""
    key = draw(st.sampled_from([one.key for one in ROWS if "number from" in one.accepts]))
    value = draw(st.sampled_from(("-1000000000000", "1e30", "99999999999999999999", "x", "nan")))
    said.environ[key] = value
    said.harms.append(Harm("bound", [f"{key}={value}", "from"]))


def _misspelt(draw: Any, said: Said) -> None:
    """A key with a letter more, less, or another; its value is never repeated."""
    key = draw(st.sampled_from(KEYS))
    # Another name of a venue is a venue all the same: there the last part alone.
    first = key.rfind("__") + 2 if "VENUES" in key else len("ARBIT_")
    place = draw(st.integers(first, len(key) - 1))
    letter = draw(st.sampled_from("XQ_7"))
    wrong = draw(
        st.sampled_from(
            [key[:place] + letter + key[place:], key[:place] + key[place + 1 :], f"{key}__{letter}"]
        )
    )
    said.environ[wrong] = CANARY
    said.harms.append(Harm("key"))


def _group(draw: Any, said: Said) -> None:
    """A whole group as JSON, or as what is none."""
    key = draw(st.sampled_from(GROUPS))
    value = draw(JSON.map(json.dumps) | JUNK)
    said.environ[key] = value.replace("\x00", "")
    said.harms.append(Harm("group"))


def _line(draw: Any, said: Said) -> None:
    """A line of `.env` that is none."""
    said.lines.insert(draw(st.integers(0, len(said.lines))), draw(st.sampled_from(BROKEN_LINES)))
    said.harms.append(Harm("line"))


def _file(draw: Any, said: Said) -> None:
    """A secret in a file that is none; what stands there may be the secret itself."""
    key = draw(st.sampled_from(sorted(SECRET)))
    said.environ.pop(key, None)
    said.environ[f"{key}_FILE"] = draw(st.sampled_from((CANARY, f"/{CANARY}", "/", "/dev/null")))
    said.harms.append(Harm("file", [f"{key}_FILE"]))


def _together(draw: Any, said: Said) -> None:
    """Good by itself and not with the rest."""
    said.environ.update(
        draw(
            st.sampled_from(
                (
                    {
                        "ARBIT_RISK__POLICY": "parallel",
                        "ARBIT_VENUES__KRAKEN__ORDER_TRANSPORT": "rest",
                    },
                    {"ARBIT_VENUES__KRAKEN__ALPACA_HOST": "live"},
                    {"ARBIT_VENUES__ALPACA__MAX_SYMBOLS": "11"},
                    {"ARBIT_VENUES__KRAKEN__REST_URL": "http://api.kraken.com"},
                    {"ARBIT_VENUES__SANDBOX__REST_URL": "https://api.kraken.com"},
                    {"ARBIT_METRICS_HOST": "0.0.0.0"},  # noqa: S104  what must be refused
                )
            )
        )
    )
    said.harms.append(Harm("together"))


WAYS = (_value, _value, _bound, _bound, _misspelt, _group, _line, _file, _together)


@st.composite
def configurations(draw: Any) -> Said:
    """Some settings at a value that is right, and one to three harms."""
    said = Said(command=draw(st.sampled_from(COMMANDS)))
    for key in draw(st.lists(st.sampled_from(sorted(DEFAULTS)), max_size=4, unique=True)):
        if draw(st.booleans()):
            said.environ[key] = DEFAULTS[key]
        else:
            said.lines.append(f"{key}={DEFAULTS[key]}")
    for key in draw(st.lists(st.sampled_from(sorted(SECRET)), max_size=2, unique=True)):
        said.environ[key] = CANARY
    for way in draw(st.lists(st.sampled_from(WAYS), min_size=1, max_size=3)):
        way(draw, said)
    return said


@contextlib.contextmanager
def _placed(folder: Path, said: Said) -> Iterator[None]:
    """In a folder of its own, with these settings alone."""
    path = folder / ".env"
    path.write_text("".join(f"{line}\n" for line in said.lines), "utf-8", errors="replace")
    path.chmod(0o600)
    kept = {name: text for name, text in os.environ.items() if not name.startswith("ARBIT")}
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, {**kept, **said.environ}, clear=True),
    ):
        yield


def typed(words: Sequence[str]) -> tuple[int, str, str]:
    """A command in this process: its code, what it said, what it complained of."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["arbit", *words]),
        mock.patch("typer.main.get_command", built_once),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            Guard.on = True
            arbit()
        except SystemExit as left:
            code = int(str(left.code))
        finally:
            Guard.on = False
    return code, out.getvalue(), err.getvalue()


def look(said: Said, folder: Path, counts: Counter[str]) -> None:
    """Type the command and judge what came. AssertionError is a finding."""
    with _placed(folder, said):
        problems = hear_settings().problems
        counts["wrong" if problems else "right all the same"] += 1
        for harm in said.harms:
            counts[f"harm: {harm.way}"] += 1
        words = said.command if problems else ["config", "check"]
        code, out, err = typed(words)
    reached, Guard.seen[:] = Guard.seen[:], []
    assert reached == []
    assert CANARY not in out + err, "a secret was told"
    assert [one.name for one in folder.iterdir()] == [".env"], "something was written"
    if not problems:
        assert code in {0, 2}, (code, out, err)
        return
    assert code == 2, (code, out, err)
    lines = err.splitlines()
    assert len(lines) == len(problems), err
    if words != ["config", "check"]:
        assert out == ""
    for line in lines:
        assert_told(line)
    if len(said.harms) == 1:
        for word in said.harms[0].words:
            assert any(word in line for line in lines), (word, err)


def assert_told(line: str) -> None:
    """A line names who is meant and what was expected instead, and is fit for a screen."""
    begun, _, wanted = line.partition("expected ")
    assert begun.startswith("arbit: "), line
    assert wanted.strip(" ."), line
    assert "ARBIT_" in begun or ".env" in begun, line
    assert line.isprintable(), line
    assert len(line) <= MOST_LINE, len(line)


def run(runs: int, drawn: int, *, small: bool = True) -> Mapping[str, int]:
    """So many configurations; what was counted. The first finding is raised, made small."""
    Guard.install()
    counts: Counter[str] = Counter()
    phases = [Phase.generate, Phase.shrink] if small else [Phase.generate]
    with tempfile.TemporaryDirectory() as folder:

        @seed(drawn)
        @settings(
            max_examples=runs,
            deadline=None,
            database=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        )
        @given(configurations())
        def each(said: Said) -> None:
            look(said, Path(folder), counts)

        each()
    return counts


def main() -> int:
    """Run, tell, and say by the exit code whether anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began_s = time.monotonic()
    try:
        counts = run(asked.runs, asked.seed)
    except AssertionError as finding:
        print(f"finding: {finding}\n{getattr(finding, '__notes__', [])}")
        return 1
    print(json.dumps({**counts, "findings": 0, "seconds": round(time.monotonic() - began_s, 1)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
