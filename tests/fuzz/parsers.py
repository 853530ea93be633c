"""Every door that takes bytes and gives a value at once, and what may come out of it instead.

A door is fed one harmed frame or body. Only the errors it is allowed may come out: a venue's frame
must never be more than a FrameError, a user's file never more than a UserError.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arbit.config.load import load_settings
from arbit.domain.account import AccountUnfit
from arbit.domain.errors import ArbitError, BrokenRule, FrameError, UserError
from arbit.domain.order import OrderState
from arbit.tape.binance import book_of
from arbit.tape.reader import format_of, frames
from arbit.venues.kraken import parse as public
from arbit.venues.kraken import rest_orders
from arbit.venues.kraken.instruments import instruments_of_objects
from arbit.venues.kraken.keyfacts import key_facts
from arbit.venues.kraken.outcomes import REJECTED, judge_all
from arbit.venues.kraken.private import parse as private
from arbit.venues.kraken.private.parts import token_of

Errors = tuple[type[ArbitError], ...]


class Wrong(AssertionError):
    """A door let something through that it must not, or made something up."""


@dataclass(frozen=True, slots=True)
class Door:
    """`kind` names the seeds, `errors` what may come out. `take` gets the bytes and the chance."""

    name: str
    kind: str
    take: Callable[[bytes, random.Random], object]
    errors: Errors = (FrameError,)


PUBLIC = (
    *(public.BookMessage, public.Heartbeat, public.Pong, public.SystemStatus, public.Ack),
    *(public.Refusal, public.Instruments, public.Top, public.Ignored),
)
PRIVATE = (
    *(private.Executions, private.Balances, private.Reply, private.Pong, private.Heartbeat),
    private.Ignored,
)


def one_of(kinds: tuple[type, ...], made: object) -> object:
    """What was made, which must be of one of these kinds."""
    if not isinstance(made, kinds):
        raise Wrong(f"a {type(made).__name__} came out")
    return made


def decoded(payload: bytes) -> Any:
    """The body as some decoder or other would have it; its text when it is no JSON."""
    text = payload.decode(errors="replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def result(payload: bytes) -> Any:
    """The `result` of a body, whatever it is."""
    body = decoded(payload)
    return body.get("result") if isinstance(body, dict) else body


def _words(payload: bytes, _rng: random.Random) -> None:
    """Words that nobody has listed prove nothing."""
    body = decoded(payload)
    errors = body.get("error") if isinstance(body, dict) else None
    if not isinstance(errors, list):
        errors = [str(body)[:500]]
    said = [one if isinstance(one, str) else str(one)[:500] for one in errors]
    verdict = judge_all(said, 1_790_000_000.0)
    proven = len(said) == 1 and (
        said[0] in REJECTED
        or said[0].startswith(("EGeneral:Invalid arguments", "EService: Throttled"))
        or said[0].startswith("EService:Throttled")
    )
    if verdict.state is not (OrderState.REJECTED if proven else OrderState.UNKNOWN) and not (
        proven and verdict.state is OrderState.UNKNOWN
    ):
        raise Wrong(f"{said!r:.200} is {verdict.state.value}")


def _accepted(payload: bytes, _rng: random.Random) -> None:
    found = result(payload)
    order_id = rest_orders.accepted_id(found)
    if order_id and (not isinstance(found, dict) or found.get("txid") != [order_id]):
        raise Wrong(f"{order_id} is nobody's")


def _file(payload: bytes, read: Callable[[Path], None]) -> None:
    with tempfile.NamedTemporaryFile(suffix=".ndjson") as file:
        file.write(payload)
        file.flush()
        read(Path(file.name))


def _tape(lines: Callable[[], list[bytes]], play: Callable[[Any], object]) -> Callable[..., None]:
    """A recording in which one line is harmed."""

    def take(payload: bytes, rng: random.Random) -> None:
        good = lines()
        kept = [rng.choice(good) for _ in range(rng.randint(0, 3))]
        kept.insert(rng.randrange(len(kept) + 1), payload)

        def read(path: Path) -> None:
            format_of(path)
            for frame in frames(path):
                play(frame)

        _file(b"\n".join(kept), read)

    return take


def _config(payload: bytes, _rng: random.Random) -> None:
    def read(path: Path) -> None:
        env_file = path.with_suffix(".env")
        env_file.write_bytes(payload)
        try:
            load_settings(env_file, environ={})
        finally:
            env_file.unlink()

    _file(b"", read)


def _environment(payload: bytes, _rng: random.Random) -> None:
    """Each line as a variable of the environment, which cannot hold a NUL."""
    text = payload.decode(errors="surrogateescape").replace("\0", "")
    said = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    environ = {name: value for name, value in said.items() if name}
    load_settings(None, environ=environ)


def doors(corpus: Mapping[str, list[bytes]]) -> list[Door]:
    """All of them but Alpaca's, which stand in `alpaca`."""
    kraken, binance = (lambda: corpus["public"]), (lambda: corpus["binance"])
    tapes: Errors = (UserError, FrameError)
    return [
        Door("kraken public frame", "public", lambda p, _: one_of(PUBLIC, public.parse(p))),
        Door("kraken private frame", "private", lambda p, _: one_of(PRIVATE, private.parse(p))),
        Door("kraken public frame, private", "private", lambda p, _: public.parse(p)),
        Door("kraken private frame, public", "public", lambda p, _: private.parse(p)),
        Door(
            "kraken instruments, decoded",
            "public",
            lambda p, _: instruments_of_objects(
                body.get("data") if isinstance(body := decoded(p), dict) else body, snapshot=True
            ),
        ),
        Door("kraken error words", "AddOrder", _words, ()),
        Door("kraken acceptance", "AddOrder", _accepted, ()),
        Door("kraken token", "GetWebSocketsToken", lambda p, _: token_of(result(p))),
        Door(
            "kraken key facts",
            "GetApiKeyInfo",
            lambda p, _: key_facts(result(p)),
            (FrameError, AccountUnfit),
        ),
        Door("tape of kraken", "public", _tape(kraken, lambda f: public.parse(f.payload)), tapes),
        Door("tape of binance", "binance", _tape(binance, lambda f: book_of(f.fields)), tapes),
        Door("settings, .env", "config", _config, (UserError,)),
        Door("settings, environment", "config", _environment, (UserError,)),
    ]


def allowed(error: BaseException, errors: Errors) -> bool:
    """Whether this may come out of a door. BrokenRule never may: it is our own bug."""
    return isinstance(error, errors) and not isinstance(error, BrokenRule)
