"""How a command may end: the one table of exit codes, and of what each command means by one."""

from __future__ import annotations

import enum
from collections.abc import Mapping


class Code(enum.IntEnum):
    """Every exit code there is. A number that a script relies on never gets another meaning."""

    OK = 0
    FOUND = 1
    MISTAKE = 2
    REFUSED = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


MEANING: Mapping[Code, str] = {
    Code.OK: "done; of a check: nothing is wrong",
    Code.FOUND: "it ran and something is not as it should be, or a fault of our own ended it; or "
    "its work is done and stdout (a full disk) did not take all of its words",
    Code.MISTAKE: "a mistake in what was said: an option, a setting, a file. Nothing was begun",
    Code.REFUSED: "refused for safety: the key, a limit, a breaker, or books that disagree",
    Code.UNREACHABLE: "a venue, or whoever else was to answer, could not be reached or gave no "
    "usable answer",
    Code.INTERRUPTED: "interrupted (Ctrl-C, or whoever read the output left; what trades ends as "
    "it would have, read or not)",
}

# Any command may end with these, so that the table below leaves them out; and with FOUND where
# stdout fails.
EVERYWHERE = frozenset({Code.OK, Code.MISTAKE, Code.INTERRUPTED})

_OUT_OF_REACH = "no answer from the venue, or none that makes sense"
_NOT_SENT = "nothing, or not all of it, was done: a limit, the breaker, the key or the cost forbids"
_SILENT = "no daemon answers; what the last run left is told"

# What a command means by a code that not every command has. A command without one has a row, too.
WHEN: Mapping[str, Mapping[Code, str]] = {
    "fitness": {
        Code.FOUND: "a venue's run broke off; the report stands until there",
        Code.UNREACHABLE: _OUT_OF_REACH,
    },
    "markets": {Code.UNREACHABLE: _OUT_OF_REACH},
    "triangles": {Code.UNREACHABLE: _OUT_OF_REACH},
    "plan": {Code.UNREACHABLE: _OUT_OF_REACH},
    "live": {
        Code.FOUND: "a venue's run broke off; the report stands until there",
        Code.REFUSED: "a key or an account that may not be traded with, real orders without a "
        "shadow run that earned, or a breaker that halted",
        Code.UNREACHABLE: _OUT_OF_REACH,
    },
    "shadow": {Code.REFUSED: "what dry runs have shown does not suffice for real orders"},
    "convert": {Code.REFUSED: _NOT_SENT, Code.UNREACHABLE: _OUT_OF_REACH},
    "rebalance": {Code.REFUSED: _NOT_SENT, Code.UNREACHABLE: _OUT_OF_REACH},
    "status": {Code.FOUND: _SILENT},
    "why": {Code.FOUND: _SILENT},
    "pause": {},
    "resume": {},
    "kill": {},
    "unkill": {},
    "keys:check": {
        Code.REFUSED: "the key is not fit to trade with; the verdict says why",
        Code.UNREACHABLE: _OUT_OF_REACH,
    },
    "report": {},
    "export": {},
    "alerts:test": {Code.UNREACHABLE: "a receiver, or the dead man's address, did not take it"},
    "doctor": {Code.FOUND: "a check fails; each says what mends it. Warnings are allowed"},
    "config show": {},
    "config check": {},
    "config init": {},
    "db upgrade": {},
    "db current": {},
    "db check": {Code.REFUSED: "the books do not agree with themselves; a line for each finding"},
    "db backup": {},
    "sandbox": {},
}
