"""Log lines: JSON for machines, words for people, to stderr, and never enough to fill a disk."""

from __future__ import annotations

import dataclasses
import enum
import io
import logging
import math
import sys
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog

from arbit.domain import events
from arbit.domain.events import Event
from arbit.domain.health import Health
from arbit.telemetry.alerts_table import name_of
from arbit.telemetry.buckets import Bucket
from arbit.telemetry.logs_clean import MAX_NAME, MAX_TEXT, Redactor, clean
from arbit.telemetry.logs_file import BoundedFile
from arbit.telemetry.logs_table import FILE_BACK, FILE_FAILED, LEVELS, LIBRARY, UNWRITTEN
from arbit.telemetry.pipes import write_if_room

NS = 1_000_000_000
BURST = 5  # lines of one kind about one thing before they are counted instead of written
REFILL_NS = 10 * NS  # one more line of that kind and thing in this time
TOTAL_BURST = 400
TOTAL_REFILL_NS = NS // 20
MAX_KEYS = 4096
MAX_NAMES = 5
MAX_TRACEBACK = 8_000

_WELL = frozenset({Health.TRADING.value, Health.HEALTHY.value, "read", "delivering", "off"})
_TELLS_STATE = (
    events.HealthChanged,
    events.KillChanged,
    events.WalletChanged,
    events.AlertsChanged,
)
# `state`: of a breaker that trips and comes back all day, each state has its own lines.
_ABOUT = ("symbol", "shard", "path", "cycle_id", "client_id", "state", "kind")
_FIRST = ("timestamp", "level", "event", "run")

Line = MutableMapping[str, Any]
Logger = structlog.stdlib.BoundLogger


def set_up_logs(
    *,
    as_json: bool,
    level: str,
    wall_ns: Callable[[], int],
    stream: TextIO | None = None,
    file: BoundedFile | None = None,
    redact: Redactor | None = None,
) -> Logger:
    """Send every line of ours to `stream` (default stderr), and warnings of libraries with them.

    To `file` as well, there always as JSON. Libraries below WARNING stay silent: ccxt's debug lines
    show signed requests. `redact` takes our secrets out of whatever is written.
    """
    into, fit = stream or CurrentStderr(), redact or Redactor(())
    made: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        _timestamp(wall_ns),
    ]
    for_readers = structlog.dev.ConsoleRenderer(colors=into.isatty())
    as_lines = structlog.processors.JSONRenderer()
    handlers: list[logging.Handler] = [logging.StreamHandler(into)]
    handlers[0].setFormatter(_formatter(made, fit, as_lines if as_json else for_readers))
    if file is not None:
        file.setFormatter(_formatter(made, fit, as_lines))
        handlers.append(file)
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(logging.WARNING)
    ours = logging.getLogger("arbit")
    ours.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *made,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    logger: Logger = structlog.stdlib.get_logger("arbit")
    if file is not None:
        file.tell = _told_of_file(logger)
    return logger


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Puts a line together whatever a library has put into it: nothing raises for a log."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; of words that do not fit their figures the words alone."""
        if record.args:
            try:
                record.getMessage()
            except (TypeError, ValueError, LookupError, AttributeError):
                record.args = None
        return super().format(record)


def _formatter(
    made: list[structlog.typing.Processor],
    redact: Redactor,
    renderer: structlog.typing.Processor,
) -> logging.Formatter:
    return _Formatter(
        foreign_pre_chain=[*made, _of_library],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _tidy(redact),
            renderer,
        ],
    )


def _of_library(_logger: object, _method: str, line: Line) -> Line:
    """A library's line has a name of ours; its words are a field."""
    record = line["_record"]
    return {
        "event": LIBRARY,
        "level": line["level"],
        "timestamp": line["timestamp"],
        "said": line["event"],
        "logger": record.name,
        "_record": record,
        "_from_structlog": False,
        **({"exc_info": record.exc_info} if record.exc_info else {}),
    }


def _tidy(redact: Redactor) -> structlog.typing.Processor:
    """One line whatever anybody sent, of a bounded length, and without our secrets."""

    def tidy(_logger: object, _method: str, line: Line) -> Line:
        if "exception" in line:  # the renderer for readers would give it lines of its own
            line["traceback"] = redact(str(line.pop("exception")), MAX_TRACEBACK)
        first = {name: line.pop(name) for name in _FIRST if name in line}
        return {
            clean(str(name), MAX_NAME): (
                value
                if value is None or isinstance(value, bool | int) or _is_number(value)
                else redact(str(value), MAX_TRACEBACK if name == "traceback" else MAX_TEXT)
            )
            for name, value in (first | dict(line)).items()
        }

    return tidy


def _is_number(value: object) -> bool:
    """JSON has no other ones."""
    return isinstance(value, float) and math.isfinite(value)


def _told_of_file(logger: Logger) -> Callable[[str, int], None]:
    def told(why: str, lost: int) -> None:
        if why:
            logger.warning(FILE_FAILED, why=why)
        else:
            logger.info(FILE_BACK, lost=lost)

    return told


class CurrentStderr(io.TextIOBase):
    """Whatever `sys.stderr` is when a line is written: a live table on screen stands in for it.

    A reader who does not keep up loses lines: no order waits for a log.
    """

    def write(self, text: str) -> int:
        """Write what there is room for."""
        write_if_room(sys.stderr, text)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return sys.stderr.isatty()


class EventLog:
    """A listener that writes events as log lines, a few of each kind about each thing.

    `BURST` lines of one kind about one thing, then one every `REFILL_NS`, and never more than
    `TOTAL_BURST` at once with one every `TOTAL_REFILL_NS` for all chatter together. Each kind that
    warns has such a total of its own: however much is traded, that it was stopped is written. What
    is not written is counted, and the next line that is says how many went before it (`unwritten`).
    """

    def __init__(
        self,
        logger: Logger,
        monotonic_ns: Callable[[], int],
        run: str = "",
    ) -> None:
        """`run` is the run whose events it hears."""
        self._logger = logger.bind(run=run) if run else logger
        self._now_ns = monotonic_ns
        self._buckets: dict[tuple[str, ...], Bucket] = {}
        self._totals: dict[type[Event] | None, Bucket] = {}
        self.unwritten = 0

    def __call__(self, event: Event) -> None:
        """Write the event, or count it."""
        level = LEVELS.get(type(event), logging.INFO)
        if isinstance(event, events.VenueStatusChanged) and event.status == "online":
            level = logging.INFO
        if isinstance(event, _TELLS_STATE) and event.state in _WELL:
            level = logging.INFO
        if not self._logger.isEnabledFor(level):
            return
        now_ns = self._now_ns()
        bucket = self._bucket(_key(event))
        if not (bucket.take(now_ns) and self._total(event).take(now_ns)):
            bucket.unwritten += 1
            self.unwritten += 1
            return
        fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
        if bucket.unwritten:
            fields["unwritten"], bucket.unwritten = bucket.unwritten, 0
        said = {name: _plain(value) for name, value in fields.items()}
        self._logger.log(level, name_of(type(event)), **said)

    def close(self) -> None:
        """Say how many lines were never written."""
        if self.unwritten:
            self._logger.warning(UNWRITTEN, total=self.unwritten)

    def _total(self, event: Event) -> Bucket:
        """What a kind that warns keeps to itself, and all others share."""
        kind = type(event)
        key = kind if LEVELS.get(kind, logging.INFO) >= logging.WARNING else None
        return self._totals.setdefault(key, Bucket(TOTAL_BURST, TOTAL_REFILL_NS))

    def _bucket(self, key: tuple[str, ...]) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MAX_KEYS:  # the oldest key starts afresh when it comes again
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[key] = Bucket(BURST, REFILL_NS)
        return bucket


def _timestamp(wall_ns: Callable[[], int]) -> structlog.typing.Processor:
    def stamp(
        _logger: object, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        line["timestamp"] = datetime.fromtimestamp(wall_ns() / 1e9, UTC).isoformat(
            "T", "milliseconds"
        )
        return line

    return stamp


def _key(event: Event) -> tuple[str, ...]:
    about = (getattr(event, name, "") for name in _ABOUT)
    return (type(event).__name__, event.venue, *map(str, about))


def _plain(value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        shown = ",".join(map(str, value[:MAX_NAMES]))
        return shown if len(value) <= MAX_NAMES else f"{shown} and {len(value) - MAX_NAMES} more"
    return round(value, 3) if isinstance(value, float) else value
