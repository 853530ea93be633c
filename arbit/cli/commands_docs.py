"""`python -m arbit.cli.commands_docs`: writes docs/commands.md from the commands themselves.

A test compares them, so that a command, an option or an exit code cannot drift from its page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.main import get_command

from arbit.cli import app
from arbit.cli.exits import EVERYWHERE, MEANING, WHEN
from arbit.cli.panels import Panel

PAGE = Path("docs/commands.md")
_EXAMPLE = re.compile(r"^(?:Examples?: ?)?((?:ARBIT_\w+=\S+ )*arbit .+)$")

_INTRO = """\
# Commands

Generated from `arbit/cli/` by `python -m arbit.cli.commands_docs`; a test fails when it is stale.

`arbit COMMAND --help` tells the same. Options of a command win over the environment, which wins
over `.env` ([configuration.md](configuration.md)). With `--json` stdout holds one JSON value and
nothing else; what is wrong goes to stderr, one line each, beginning with `arbit: `.
`arbit --install-completion` teaches the shell the names of commands, options and venues;
`arbit --version` tells the version.
"""

_EXITS = """\
## Exit codes

A number keeps its meaning: scripts may rely on it. Any command may end with 0, 2 or 130, and with 1
where stdout takes no more (a full disk); what else one may end with stands beside it. A code other
than 0 that a command has of its own goes before what became of its words. A stdout that is closed
(`>&-`) is no fault: what is told goes nowhere.

| code | meaning |
|---|---|
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One command as it is documented. `name` has its group before it, such as `db check`."""

    name: str
    panel: str
    words: str
    examples: Sequence[str]
    options: Sequence[Any]

    @property
    def summary(self) -> str:
        """Its first paragraph, on one line."""
        return self.words.split("\n\n")[0].replace("\n", " ")


def commands() -> list[Shown]:
    """Every command, in the order of the help's headings."""
    order = list(Panel)
    return sorted(_walk(get_command(app), "", ""), key=lambda one: order.index(Panel(one.panel)))


def _walk(group: Any, above: str, panel: str) -> Iterator[Shown]:
    for name, one in group.commands.items():
        where = panel or one.rich_help_panel
        if hasattr(one, "commands"):
            yield from _walk(one, f"{above}{name} ", where)
            continue
        words, examples = _told(one.help or "")
        options = [param for param in one.params if param.name != "help"]
        yield Shown(above + name, where, words, examples, options)


def _told(text: str) -> tuple[str, list[str]]:
    """The words of a help text, and the examples in it."""
    words, examples = [], []
    for line in text.splitlines():
        if found := _EXAMPLE.match(line.strip()):
            examples.append(found[1])
        elif line.strip() not in {"Example:", "Examples:"}:
            words.append(line.rstrip())
    return "\n".join(words).strip(), examples


def commands_md() -> str:
    """The text of docs/commands.md."""
    parts = [_INTRO, _EXITS.rstrip("\n")]
    parts += [f"| {code.value} | {meaning} |" for code, meaning in MEANING.items()]
    heading = ""
    for one in commands():
        if one.panel != heading:
            heading = one.panel
            parts += ["", f"## {heading}"]
        parts += ["", *_section(one)]
    return "\n".join(parts) + "\n"


def _section(one: Shown) -> Iterator[str]:
    yield f"### arbit {one.name}"
    yield ""
    yield one.words
    yield ""
    yield from ("```bash", *one.examples, "```")
    if one.options:
        yield from ("", "| option | default | meaning |", "|---|---|---|")
        yield from (_row(option) for option in one.options)
    if own := {code: words for code, words in WHEN[one.name].items() if code not in EVERYWHERE}:
        yield ""
        yield from (f"- exit code {code.value}: {words}" for code, words in own.items())


def _row(option: Any) -> str:
    names = [*option.opts, *option.secondary_opts]
    if option.param_type_name == "argument":
        names = [option.metavar or option.name.upper()]
    shown = ", ".join(f"`{name}`" for name in names)
    default = f"`{option.default}`" if option.default not in (None, False, "") else ""
    if option.default is True:
        default = "on"
    cells = [shown, default, option.help or ""]
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    """Write the page into the working folder."""
    PAGE.write_text(commands_md(), encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
