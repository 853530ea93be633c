"""Log lines: JSON for machines, words for people, to stderr, and never enough to fill a disk."""

from __future__ import annotations

import dataclasses
import enum
import io
import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog

from arbit.domain import events
from arbit.domain.events import Event
from arbit.domain.health import Health
from arbit.telemetry.pipes import write_if_room

NS = 1_000_000_000
BURST = 5  # lines of one kind about one thing before they are counted instead of written
REFILL_NS = 10 * NS  # one more line of that kind and thing in this time
TOTAL_BURST = 400
TOTAL_REFILL_NS = NS // 20
MAX_KEYS = 4096
MAX_NAMES = 5

_LEVELS: dict[type[Event], int] = {
    events.FeedConnected: logging.INFO,
    events.FeedDisconnected: logging.WARNING,
    events.BookDisbelieved: logging.WARNING,
    events.BookBelieved: logging.INFO,
    events.StreamStale: logging.WARNING,
    events.StreamBack: logging.INFO,
    events.VenueStatusChanged: logging.WARNING,
    events.VenueSaid: logging.WARNING,
    events.EpisodeEnded: logging.DEBUG,
    events.PaperCycleEnded: logging.INFO,
    events.VenueFailed: logging.ERROR,
    events.OrderRefused: logging.INFO,
    events.OrderEnded: logging.INFO,
    events.CycleEnded: logging.INFO,
    events.ConversionEnded: logging.INFO,
    events.CycleExplained: logging.INFO,
    events.IncidentSeen: logging.WARNING,
    events.BreakerChanged: logging.WARNING,
    events.HealthChanged: logging.WARNING,
    events.WalletChanged: logging.WARNING,
}
_WELL = frozenset({Health.TRADING.value, Health.HEALTHY.value})


def set_up_logs(
    *, as_json: bool, level: str, wall_ns: Callable[[], int], stream: TextIO | None = None
) -> structlog.stdlib.BoundLogger:
    """Send every line of ours to `stream` (default stderr), and warnings of libraries with them.

    Libraries below WARNING stay silent: ccxt's debug lines show signed requests.
    """
    into = stream or CurrentStderr()
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        _timestamp(wall_ns),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=into.isatty())
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(into)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    ours = logging.getLogger("arbit")
    ours.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("arbit")
    return logger


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

    `BURST` lines of one kind about one symbol, then one every `REFILL_NS`, and never more than
    `TOTAL_BURST` at once with one every `TOTAL_REFILL_NS` for all together. What is not written is
    counted, and the next line that is says how many went before it (`unwritten`).
    """

    def __init__(
        self, logger: structlog.stdlib.BoundLogger, monotonic_ns: Callable[[], int]
    ) -> None:
        self._logger = logger
        self._now_ns = monotonic_ns
        self._buckets: dict[tuple[str, ...], Bucket] = {}
        self._total = Bucket(TOTAL_BURST, TOTAL_REFILL_NS)
        self.unwritten = 0

    def __call__(self, event: Event) -> None:
        """Write the event, or count it."""
        level = _LEVELS.get(type(event), logging.INFO)
        if isinstance(event, events.VenueStatusChanged) and event.status == "online":
            level = logging.INFO
        if isinstance(event, events.HealthChanged) and event.state in _WELL:
            level = logging.INFO
        if isinstance(event, events.WalletChanged) and event.state == "read":
            level = logging.INFO
        if not self._logger.isEnabledFor(level):
            return
        now_ns = self._now_ns()
        bucket = self._bucket(_key(event))
        if not (bucket.take(now_ns) and self._total.take(now_ns)):
            bucket.unwritten += 1
            self.unwritten += 1
            return
        fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
        if bucket.unwritten:
            fields["unwritten"], bucket.unwritten = bucket.unwritten, 0
        said = {name: _plain(value) for name, value in fields.items()}
        self._logger.log(level, _kind(event), **said)

    def close(self) -> None:
        """Say how many lines were never written."""
        if self.unwritten:
            self._logger.warning("log_lines_unwritten", total=self.unwritten)

    def _bucket(self, key: tuple[str, ...]) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MAX_KEYS:  # the oldest key starts afresh when it comes again
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[key] = Bucket(BURST, REFILL_NS)
        return bucket


class Bucket:
    """A token bucket: `burst` at once, then one every `refill_ns`."""

    __slots__ = ("burst", "full_ns", "refill_ns", "unwritten")

    def __init__(self, burst: int, refill_ns: int) -> None:
        self.burst = burst
        self.refill_ns = refill_ns
        self.full_ns: int | None = None  # when the bucket will be full again
        self.unwritten = 0

    def take(self, now_ns: int) -> bool:
        """Take one token if there is one."""
        full_ns = max(now_ns, now_ns if self.full_ns is None else self.full_ns) + self.refill_ns
        if full_ns - now_ns > self.burst * self.refill_ns:
            return False
        self.full_ns = full_ns
        return True


def _timestamp(wall_ns: Callable[[], int]) -> structlog.typing.Processor:
    def stamp(
        _logger: object, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        line["timestamp"] = datetime.fromtimestamp(wall_ns() / 1e9, UTC).isoformat(
            "T", "milliseconds"
        )
        return line

    return stamp


def _kind(event: Event) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def _key(event: Event) -> tuple[str, ...]:
    about = (getattr(event, name, "") for name in ("symbol", "shard", "path"))
    return (type(event).__name__, event.venue, *map(str, about))


def _plain(value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        shown = ",".join(map(str, value[:MAX_NAMES]))
        return shown if len(value) <= MAX_NAMES else f"{shown} and {len(value) - MAX_NAMES} more"
    return round(value, 3) if isinstance(value, float) else value
