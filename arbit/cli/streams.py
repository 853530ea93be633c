"""The process's own stdout and stderr: closed, full, or left by who read them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

from arbit.app.trade.unread import Watched, turn_away
from arbit.cli.exits import Code

if TYPE_CHECKING:
    from typing import TextIO

LAST_STANDARD = 2  # descriptors 0 to 2 are stdin, stdout and stderr


@contextmanager
def watched() -> Iterator[Watched]:
    """What breaks stdout is remembered; at the end all is written, and nothing is left to break."""
    _fill_closed()
    before = sys.stdout
    out = Watched(before)
    sys.stdout = cast("TextIO", out)
    try:
        yield out
    finally:
        sys.stdout = before
        with suppress(OSError):
            out.flush()
        if out.error is not None:
            turn_away(before)
        try:
            sys.stderr.flush()
        except OSError:
            turn_away(sys.stderr)


def code_of(out: Watched, code: int) -> int:
    """The exit code of a command that ended with this one: stdout's fault never hides another."""
    if out.error is None:
        return code
    if isinstance(out.error, ConnectionError):  # whoever read it has left
        return code or Code.INTERRUPTED
    complain(f"stdout: {out.error.strerror or out.error}: not all that was to be told is there")
    return code or Code.FOUND


def complain(text: str) -> None:
    """A line on stderr for each of this text; one that nobody can be told is no error."""
    try:
        for line in text.splitlines():
            sys.stderr.write(f"arbit: {line}\n")
    except OSError:
        turn_away(sys.stderr)


def _fill_closed() -> None:
    """A stream that was closed before we came goes nowhere.

    Its descriptor is taken, too: the next file to be opened, such as a journal, would get it, and
    with it whatever a library or a child writes to stdout.
    """
    if sys.stdout is not None and sys.stderr is not None:
        return
    while (taken := os.open(os.devnull, os.O_RDWR)) <= LAST_STANDARD:
        os.set_inheritable(taken, True)  # a child would be in the same place
    os.close(taken)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
