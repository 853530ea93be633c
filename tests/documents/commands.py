"""The commands that a document shows: lines of its `sh` blocks, and `arbit ...` within its text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[2]
_SETTING = re.compile(r"(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)")
_BLOCK = re.compile(r"^ *```(?P<kind>sh\b[^\n]*)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:[A-Z_]+=\S+ )*arbit [^`\n]+)`")
_CONTINUED = re.compile(r"\\\n\s*")
_ENDS_A_COMMAND = frozenset({"|", "&&", ";", "||", "&", ">", ">>", "2>"})
NEWCOMER = "newcomer"  # the script that walks the path of a new user runs these blocks


@dataclass(frozen=True, slots=True)
class Documented:
    """One command: where it stands, the settings before it, and its words without `arbit`."""

    document: str
    line: int
    settings: tuple[tuple[str, str], ...]
    words: tuple[str, ...]
    kind: str = "sh"  # what follows the fence

    def __str__(self) -> str:
        return f"{self.document}:{self.line} arbit {' '.join(self.words)}"


def documents() -> list[Path]:
    """Every document that a reader may follow; what was decided and done is history."""
    pages = [REPO / name for name in ("README.md", "WARP.md", "ROADMAP.md")]
    return pages + sorted(
        page for page in (REPO / "docs").glob("*.md") if page.name != "CHANGELOG.md"
    )


def blocks(page: Path) -> Iterator[tuple[int, str, str]]:
    """Its `sh` blocks: the line of the first command, what follows the fence, the text."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        yield text.count("\n", 0, found.start("body")) + 1, found["kind"], found["body"]


def shown(page: Path) -> list[Documented]:
    """What its `sh` blocks have a reader type, in order, exported settings kept to their block."""
    found: list[Documented] = []
    for first, kind, body in blocks(page):
        exported: dict[str, str] = {}
        # A continued line keeps the number of its first one.
        joined = _CONTINUED.sub(lambda cut: " " + "\0" * cut[0].count("\n"), body)
        number = first
        for line in joined.split("\n"):
            for words in _commands(line.replace("\0", "")):
                settings = exported | _settings(words)
                rest = words[len(_settings(words)) :]
                if rest[:1] == ["export"]:
                    exported |= _settings(rest[1:])
                elif rest and Path(rest[0]).name == "arbit":
                    found.append(
                        Documented(
                            page.name, number, tuple(settings.items()), tuple(rest[1:]), kind
                        )
                    )
            number += 1 + line.count("\0")
    return found


def mentioned(page: Path) -> list[Documented]:
    """Commands within its text; words of theirs may be placeholders."""
    text = page.read_text(encoding="utf-8")
    found = []
    for one in _INLINE.finditer(text):
        words = one[1].split()
        settings = _settings(words)
        rest = words[len(settings) + 1 :]
        line = text.count("\n", 0, one.start()) + 1
        found.append(Documented(page.name, line, tuple(settings.items()), tuple(rest)))
    return found


def _commands(line: str) -> list[list[str]]:
    """The commands of one line, each as its words; comments and what they are piped into are not
    of them.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if word in _ENDS_A_COMMAND:
            found.append([])
        else:
            found[-1].append(word)
    return [words for words in found if words]


def _settings(words: list[str]) -> dict[str, str]:
    """The settings that stand before a command."""
    found = {}
    for word in words:
        matched = _SETTING.fullmatch(word)
        if matched is None:
            break
        found[matched["name"]] = matched["value"]
    return found
