"""Switchable faults: what can go wrong at a venue, by name, on demand.

``FAULT_KINDS`` is the whole table. A fault names the symbol (``"*"`` for every one) or the
connection (None for every one) that it hits, may carry a count (``times``: it is spent after so
many uses) and stays until it is spent or cleared. Nothing here does IO: the wire faces ask.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from arbit.sandbox.alpaca.fault_kinds import ALPACA_KINDS, KRAKEN_ONLY
from arbit.sandbox.instruments import PAIR_STATUSES, SYSTEM_STATUSES
from arbit.sandbox.order_kinds import ORDER_KINDS
from arbit.sandbox.poison import POISON_SHAPES

ANY: Final = "*"
MAX_ACTIVE: Final = 256
MAX_NUMBER: Final = 600_000  # ten minutes in ms, and beyond any count
MAX_CODE: Final = 99_999_999  # of an error envelope

Param = str | int | float | bool


class FaultError(ValueError):
    """A fault that cannot be set; the message names the word and what is expected."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One row of the table: who it hits, its parameters with defaults, and what it means."""

    name: str
    scope: str  # "symbol", "socket", "venue", "rest", "order" or "account"
    meaning: str
    params: dict[str, Param] = field(default_factory=dict)
    times: int | None = None  # count when none is given; None means until cleared
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    faces: tuple[str, ...] = ("kraken", "alpaca")  # where it can happen


FAULT_KINDS: Final[dict[str, FaultKind]] = {
    kind.name: kind
    for kind in (
        FaultKind(
            "mute_symbol",
            "symbol",
            "book frames of the symbol are not sent; heartbeats go on, the venue's book moves on; "
            "with until_resubscribe a new subscription hears again",
            {"until_resubscribe": False},
        ),
        FaultKind(
            "drop_delta", "symbol", "the nth next book update of the symbol is lost", {"nth": 1}, 1
        ),
        FaultKind(
            "corrupt_digit",
            "symbol",
            "one digit of a price or qty (field) in the top ten is altered, the checksum is true",
            {"field": "qty"},
            1,
            {"field": ("price", "qty")},
        ),
        FaultKind("wrong_checksum", "symbol", "an update carries a checksum that is off", {}, 1),
        FaultKind(
            "duplicate_snapshot", "symbol", "a true second snapshot follows an update", {}, 1
        ),
        FaultKind(
            "late_snapshot",
            "symbol",
            "the snapshot of a new subscription comes delay_ms late, updates before it; with "
            "stale it shows the book as it was when subscribed",
            {"delay_ms": 500, "stale": False},
            1,
        ),
        FaultKind(
            "poison",
            "symbol",
            "a frame no client expects is sent (shape: a name of POISON_SHAPES, or each in turn); "
            "times counts frames to each subscribed socket",
            {"shape": "each"},
            1,
            {"shape": ("each", *POISON_SHAPES)},
        ),
        FaultKind(
            "refuse_subscribe",
            "symbol",
            "subscriptions to the symbol are refused with error",
            {"error": "", "channel": "book"},
        ),
        FaultKind(
            "mute_socket",
            "socket",
            "nothing is sent, heartbeats included, but TCP stays and is read; pongs keeps pongs",
            {"pongs": False},
        ),
        FaultKind("half_open", "socket", "neither read nor write, not even protocol pongs"),
        FaultKind(
            "close",
            "socket",
            "open sockets are closed at once with code (1006 cuts TCP); with on_connect also "
            "each new one after its status frame",
            {"code": 1001, "reason": "", "on_connect": False},
            1,
        ),
        FaultKind(
            "slow", "socket", "every frame leaves delay_ms late, in order", {"delay_ms": 200}
        ),
        FaultKind(
            "refuse_connects", "socket", "WebSocket upgrades get this HTTP status", {"status": 503}
        ),
        FaultKind(
            "system_status",
            "venue",
            "the engine says so on the status channel and over REST; online again when cleared",
            {"status": "maintenance"},
            choices={"status": SYSTEM_STATUSES},
        ),
        FaultKind(
            "pair_status",
            "symbol",
            "the pair says so on the instrument channel and over REST; online when cleared",
            {"status": "cancel_only"},
            choices={"status": PAIR_STATUSES},
        ),
        FaultKind(
            "rest_down",
            "rest",
            "REST paths containing path drop the connection, or answer an HTTP status if not 0",
            {"status": 0, "path": ""},
        ),
        FaultKind(
            "rest_slow", "rest", "REST answers delay_ms late", {"delay_ms": 1000, "path": ""}
        ),
        FaultKind(
            "rest_error",
            "rest",
            "REST answers HTTP 200 with this error word",
            {"error": "EService:Unavailable", "path": ""},
        ),
        FaultKind("rest_html", "rest", "REST answers HTTP 200 with a web page", {"path": ""}),
    )
}


FAULT_KINDS.update({row[0]: FaultKind(*row) for row in ORDER_KINDS})
FAULT_KINDS.update({row[0]: FaultKind(*row, faces=("alpaca",)) for row in ALPACA_KINDS})
for _name in KRAKEN_ONLY:
    FAULT_KINDS[_name] = replace(FAULT_KINDS[_name], faces=("kraken",))


def kinds_of(face: str) -> dict[str, FaultKind]:
    """The kinds that a face knows, by name."""
    return {name: kind for name, kind in FAULT_KINDS.items() if face in kind.faces}


@dataclass(slots=True)
class Fault:
    """An active fault. ``hits`` counts its uses so far."""

    id: int
    kind: FaultKind
    symbol: str
    connection: int | None
    times: int | None
    params: dict[str, Param]
    hits: int = 0
    seen: int = 0  # frames looked at, for the nth
    healed: set[tuple[int, str]] = field(default_factory=set)  # (connection, symbol)

    def hits_symbol(self, symbol: str) -> bool:
        """Whether this fault is about the symbol."""
        return self.symbol in (ANY, symbol)

    def hits_connection(self, connection: int | None) -> bool:
        """Whether this fault is about the connection."""
        return self.connection is None or self.connection == connection

    def number(self, name: str) -> float:
        """A numeric parameter."""
        return float(self.params[name])

    def text(self, name: str) -> str:
        """A text parameter."""
        return str(self.params[name])

    def as_json(self) -> dict[str, object]:
        """The fault as the control face shows it."""
        return {
            "id": self.id,
            "name": self.kind.name,
            "symbol": self.symbol,
            "connection": self.connection,
            "times": self.times,
            "hits": self.hits,
            "params": dict(self.params),
        }


class Faults:
    """The active faults, in the order they were set. ``version`` moves with every change."""

    def __init__(self, face: str = "kraken") -> None:
        self.kinds = kinds_of(face)
        self.active: list[Fault] = []
        self.version = 0
        self.on_change: Callable[[], None] = lambda: None
        self.known_symbol: Callable[[str], bool] = lambda _: True
        self._next_id = 1

    def set(
        self,
        name: str,
        *,
        symbol: str = ANY,
        connection: int | None = None,
        times: int | None = None,
        **params: Param,
    ) -> int:
        """Switch a fault on and return its id; raises ``FaultError`` for a wrong word."""
        kind = self.kinds.get(name)
        if kind is None:
            raise FaultError(f"unknown fault {name!r}: expected one of {', '.join(self.kinds)}")
        if len(self.active) >= MAX_ACTIVE:
            raise FaultError(f"too many active faults: at most {MAX_ACTIVE}")
        if symbol != ANY and not self.known_symbol(symbol):
            raise FaultError(f"unknown symbol {symbol!r}: expected a listed one or '*'")
        if times is not None and times < 1:
            raise FaultError(f"times is {times}: expected a positive whole number")
        counted = kind.times if times is None else times
        fault = Fault(self._next_id, kind, symbol, connection, counted, _checked(kind, params))
        self._next_id += 1
        self.active.append(fault)
        self._changed()
        return fault.id

    def clear(self, which: int | str | None = None) -> int:
        """Switch off one fault by id, all of a name, or all of them; returns how many."""
        kept = [
            fault
            for fault in self.active
            if which is not None and which not in (fault.id, fault.kind.name)
        ]
        cleared = len(self.active) - len(kept)
        self.active = kept
        if cleared:
            self._changed()
        return cleared

    def find(
        self, name: str, symbol: str | None = None, connection: int | None = None
    ) -> Fault | None:
        """The first active fault of a name that is about this symbol and this connection."""
        for fault in self.active:
            if fault.kind.name != name or not fault.hits_connection(connection):
                continue
            if symbol is None or fault.hits_symbol(symbol):
                return fault
        return None

    def rest(self, name: str, path: str) -> Fault | None:
        """The first active REST fault of a name whose ``path`` occurs in the request's path."""
        for fault in self.active:
            if fault.kind.name == name and fault.text("path").lower() in path.lower():
                return fault
        return None

    def use(self, fault: Fault) -> None:
        """Count one use; a fault whose times are used up goes away."""
        fault.hits += 1
        if fault.times is not None and fault.hits >= fault.times and fault in self.active:
            self.active.remove(fault)
            self._changed()

    def _changed(self) -> None:
        self.version += 1
        self.on_change()


def _checked(kind: FaultKind, params: dict[str, Param]) -> dict[str, Param]:
    """Defaults filled in; raises ``FaultError`` for an unknown name or a wrong type."""
    merged = dict(kind.params)
    for name, value in params.items():
        if name not in merged:
            known = ", ".join(merged) or "none"
            raise FaultError(f"fault {kind.name} has no parameter {name!r}: it has {known}")
        wanted = merged[name]
        numeric = isinstance(wanted, (int, float)) and not isinstance(wanted, bool)
        expected: tuple[type, ...] = (int, float) if numeric else (type(wanted),)
        if not isinstance(value, expected) or (numeric and isinstance(value, bool)):
            raise FaultError(f"fault {kind.name}: {name} is {value!r}, like {wanted!r} expected")
        allowed = kind.choices.get(name)
        if allowed is not None and value not in allowed:
            raise FaultError(f"fault {kind.name}: {name} is {value!r}: expected one of {allowed}")
        most = MAX_CODE if name == "code" else MAX_NUMBER
        if numeric and not 0 <= float(value) <= most:
            raise FaultError(f"fault {kind.name}: {name} is {value!r}: expected 0 to {most}")
        merged[name] = value
    return merged
