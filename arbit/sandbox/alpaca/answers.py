"""An HTTP answer before it is one, and the error bodies of Alpaca's REST."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from arbit.sandbox.alpaca.words import Body
from arbit.sandbox.orders import Refused

UNAUTHORIZED: Final = 40110000
FORBIDDEN: Final = 40310000
NOT_FOUND: Final = 40410000
BAD_PARAMETER: Final = 40010001
UNPROCESSABLE: Final = 42210000
TOO_MANY: Final = 42910000


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body; ``body`` None means an empty one, a text is sent as it is."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Denied(Refused):
    """The venue says no: an HTTP status and an envelope with ``code`` and ``message``."""

    def __init__(self, status: int, code: int, message: str, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.body: Body = {"code": code, "message": message, **more}

    def answer(self) -> Answer:
        """The answer that says so."""
        return Answer(self.status, self.body)


def unauthorized() -> Denied:
    """No key, a wrong one, or one withdrawn."""
    return Denied(401, UNAUTHORIZED, "request is not authorized")


def forbidden(message: str, **more: object) -> Denied:
    """Funds, cost basis, wash trade."""
    return Denied(403, FORBIDDEN, message, **more)


def not_found(message: str) -> Denied:
    """Nothing of that id."""
    return Denied(404, NOT_FOUND, message)


def bad_parameter(message: str) -> Denied:
    """A parameter that cannot be read, or a client id that was used."""
    return Denied(422, BAD_PARAMETER, message)


def unprocessable(message: str) -> Denied:
    """An order that cannot be."""
    return Denied(422, UNPROCESSABLE, message)


def too_many() -> Answer:
    """Over the rate limit."""
    return Answer(429, {"code": TOO_MANY, "message": "rate limit exceeded"})
