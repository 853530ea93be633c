"""What is logged inside a simulation, at any level: told to whoever looks for secrets in it.

No handler hears it and nobody asks for the time, as a log record would.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any


def heard(said: Callable[[str], None]) -> list[tuple[Any, str, Any]]:
    """`logging`, so that each record is written out for `said`, also below a logger's level."""

    def log(self: logging.Logger, level: int, msg: object, args: Any, *_: Any, **more: Any) -> None:
        record = logging.LogRecord.__new__(logging.LogRecord)
        record.msg, record.args = str(msg), _as_logged(args)
        error = sys.exc_info()[1] if more.get("exc_info") is True else None
        said(f"{self.name} {level}: {record.getMessage()} {more or ''} {error or ''}")

    return [
        (logging, "basicConfig", lambda **_: None),  # what `logging.info` does first
        (logging.Logger, "isEnabledFor", lambda _self, _level: True),
        (logging.Logger, "_log", log),
    ]


def _as_logged(args: Any) -> Any:
    """One mapping may stand for all arguments, as in a log record."""
    alone = len(args) == 1 and isinstance(args[0], dict) and args[0]
    return args[0] if alone else args
