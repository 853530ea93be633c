"""Everything that can go wrong, sorted by what the reader can do next.

ArbitError
+- UserError              the user's input is wrong; one line, exit code 2
|  +- RecordingError      a recording is bad or truncated; names the line
+- VenueError             the venue, or the way to it, is at fault
|  +- FrameError          one frame could not be believed; the stream goes on
|  +- VenueRefused        the venue said no, in words
|  +- VenueUnreachable    nobody answered; exit code 4
+- BrokenRule             our own code broke a rule; a bug
"""

from __future__ import annotations


class ArbitError(Exception):
    """Root of every error this project raises on purpose."""


class UserError(ArbitError):
    """Bad input. The text is one clear line: the key, the value, what was expected."""


class RecordingError(UserError):
    """A recording cannot be read further.

    `line_number` (from 1) is where reading stopped; what was read before it still counts.
    """

    def __init__(self, path: str, line_number: int, why: str) -> None:
        super().__init__(f"{path}, line {line_number}: {why}")
        self.line_number = line_number


class VenueError(ArbitError):
    """The venue, or the way to it, is at fault."""


class FrameError(VenueError):
    """One frame could not be understood or believed. `symbol` is None when it named none."""

    def __init__(self, why: str, symbol: str | None = None) -> None:
        super().__init__(why)
        self.symbol = symbol


class VenueRefused(VenueError):
    """The venue refused a request. `text` is its own wording, `symbol` what it named, if any."""

    def __init__(self, text: str, *, method: str = "", symbol: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.method = method
        self.symbol = symbol


class VenueUnreachable(VenueError):
    """No answer from the venue (refused connection, timeout, DNS)."""


class BrokenRule(ArbitError):
    """A rule of the house was broken by our own code: always a bug, never the user's."""


def first_of(error: BaseException) -> BaseException:
    """The first single error inside a group of them; any other error is its own first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
