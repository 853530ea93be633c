"""Which event is told to a person, how loudly, and in which words: one closed table.

Each rule stands under the kind of event and a word of it (the state, end or kind it tells of); a
word that is not there takes the rule under `OTHER`, and without one nothing is told. What an event
quotes of a venue goes into the detail alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from arbit.domain import events
from arbit.domain.alert import Alert, Severity
from arbit.domain.events import Event
from arbit.telemetry.logs_clean import Redactor

MAX_DETAIL = 500
OTHER, WELL = "*", "well"
KILLED = "kill"  # the breaker's reason, whose halt is told by KillChanged
_AMOUNT = re.compile(r"(?<![A-Za-z0-9_])[-+]?\d[\d.,]*(?:[eE][-+]?\d+)?")
_INFO, _WARNING, _CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL


@dataclass(frozen=True, slots=True)
class Rule:
    """How loudly, in which words; `back` says that it is well again."""

    severity: Severity
    text: str
    back: bool = False


Rules = Mapping[str, Rule]

RULES: Mapping[type[Event], Rules] = {
    events.BreakerChanged: {
        "halted": Rule(_CRITICAL, "trading is halted: no order leaves"),
        "reducing": Rule(_CRITICAL, "trading is stopped: orders only bring cycles home"),
        "probing": Rule(_INFO, "one cycle tries whether trading works again"),
        "active": Rule(_INFO, "trading goes on", back=True),
    },
    events.KillChanged: {
        "on": Rule(_CRITICAL, "the kill switch is on: no order leaves"),
        "waits": Rule(_CRITICAL, "killed before, and not resumed since: no order leaves"),
        "off": Rule(_INFO, "the kill switch is off", back=True),
    },
    events.VenueFailed: {OTHER: Rule(_CRITICAL, "the venue's run ended by itself")},
    events.CycleEnded: {
        "done": Rule(_INFO, "a cycle is done"),
        "unwound": Rule(_WARNING, "a cycle fell short and was brought home"),
        "held": Rule(_CRITICAL, "a cycle left something behind: a person decides"),
    },
    events.ConversionEnded: {
        "done": Rule(_INFO, "a conversion is done"),
        "unwound": Rule(_WARNING, "a conversion fell short and was brought home"),
        "held": Rule(_CRITICAL, "a conversion left something behind: a person decides"),
    },
    events.OrderEnded: {
        "rejected": Rule(_WARNING, "an order was rejected"),
        "never": Rule(_WARNING, "an order never reached the venue"),
    },
    events.IncidentSeen: {
        # What stops trading is told by the breaker's word, with its reason.
        **{kind: Rule(_INFO, f"incident: {kind}") for kind in ("drift", "foreign", "held")},
        **{kind: Rule(_INFO, f"incident: {kind}") for kind in ("overfill", "unpriced", "accepted")},
        "contradiction": Rule(_CRITICAL, "an order was told of in a way that cannot be"),
        "late_fill": Rule(_WARNING, "an order that was over has filled after all"),
        "audit": Rule(_WARNING, "the account could not be compared with the books"),
        "fee": Rule(_WARNING, "a fee was not as expected"),
        "fees": Rule(_WARNING, "fees are others than before, or are not told"),
        "key": Rule(_WARNING, "the key wants to be looked at"),
        "override": Rule(_WARNING, "real orders leave without a shadow run, within a cap"),
        "history": Rule(_WARNING, "history is not kept"),
        OTHER: Rule(_WARNING, "an incident"),
    },
    events.VenueStatusChanged: {
        "online": Rule(_INFO, "the venue is online", back=True),
        OTHER: Rule(_WARNING, "the venue is not online"),
    },
    events.StreamStale: {"stale": Rule(_WARNING, "a stream is stale: books come by REST")},
    events.StreamBack: {"back": Rule(_INFO, "the stream is back", back=True)},
    events.HealthChanged: {
        # `halted` is told by the breaker's own word.
        "mute": Rule(_CRITICAL, "nothing is heard of the venue"),
        "diverged": Rule(_WARNING, "a book is not the venue's own"),
        "blocked": Rule(_WARNING, "nothing may begin"),
        "degraded": Rule(_WARNING, "books come by REST"),
        "healthy": Rule(_INFO, "it is well: nothing pays", back=True),
        "trading": Rule(_INFO, "it is well: it trades", back=True),
    },
    events.WalletChanged: {
        "read": Rule(_INFO, "wallets are read", back=True),
        OTHER: Rule(_WARNING, "wallets are not read"),
    },
}

# Too often, or told by another event: in the log alone.
UNTOLD: frozenset[type[Event]] = frozenset(
    {
        events.AlertsChanged,
        events.FeedConnected,
        events.FeedDisconnected,
        events.BookDisbelieved,
        events.BookBelieved,
        events.VenueSaid,
        events.EpisodeEnded,
        events.PaperCycleEnded,
        events.OrderRefused,
        events.OrderSent,
        events.OrderFilled,
        events.CancelAsked,
        events.CycleExplained,
    }
)


@dataclass(frozen=True, slots=True)
class Sorted:
    """Which rule an event falls under, what it is about and how that is now."""

    rule: Rule
    topic: str
    state: str


def sort_out(event: Event) -> Sorted | None:
    """The rule for this event; None where nobody is told.

    Of a venue's status only that of the venue as a whole is told, and a kill by its own word.
    """
    rules = RULES.get(type(event))
    if rules is None or (isinstance(event, events.VenueStatusChanged) and event.symbol != OTHER):
        return None
    if isinstance(event, events.BreakerChanged) and event.reason == KILLED:
        return None
    word = _word(event)
    rule = rules.get(word, rules.get(OTHER))
    if rule is None:
        return None
    state = WELL if rule.back else word if word in rules else OTHER
    return Sorted(rule, f"{event.venue} {_topic(event)}", state)


def alert_of(event: Event, redact: Redactor, sorted_out: Sorted, *, amounts: bool = False) -> Alert:
    """The alert for this event. Without `amounts` numbers are blanked."""
    detail = redact(_detail(event), MAX_DETAIL)
    return Alert(
        kind=name_of(type(event)),
        severity=sorted_out.rule.severity,
        venue=event.venue,
        topic=sorted_out.topic,
        state=sorted_out.state,
        text=sorted_out.rule.text,
        detail=detail if amounts else _AMOUNT.sub("#", detail),
        cycle=redact(getattr(event, "cycle_id", "")),
        order=redact(getattr(event, "client_id", "")),
        back=sorted_out.rule.back,
    )


_NAMES: dict[type, str] = {}  # as many as there are kinds


def name_of(kind: type) -> str:
    """An event's name in logs and alerts: `BreakerChanged` is `breaker_changed`."""
    name = _NAMES.get(kind)
    if name is None:
        name = _NAMES[kind] = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    return name


def _topic(event: Event) -> str:
    """What an alert is about: the same state of the same topic is told once in a while."""
    match event:
        case events.StreamStale() | events.StreamBack():
            return "stream"
        case events.IncidentSeen():
            known = event.kind in RULES[events.IncidentSeen]
            return f"incident {event.kind if known else OTHER}"
        case _:
            return name_of(type(event))


def _word(event: Event) -> str:
    """What its rule stands under."""
    match event:
        case events.BreakerChanged() | events.OrderEnded() | events.WalletChanged():
            return event.state
        case events.HealthChanged() | events.KillChanged():
            return event.state
        case events.CycleEnded() | events.ConversionEnded():
            return event.end
        case events.IncidentSeen():
            return event.kind
        case events.VenueStatusChanged():
            return event.status
        case events.StreamStale():
            return "stale"
        case events.StreamBack():
            return "back"
        case _:
            return OTHER


def _detail(event: Event) -> str:
    """What was seen: here alone words of others may stand."""
    parts: tuple[object, ...] = ()
    match event:
        case events.BreakerChanged():
            parts = (event.reason, event.detail)
        case events.CycleEnded():
            parts = (event.path, f"{event.profit} {event.asset}", event.detail)
        case events.ConversionEnded():
            parts = (event.path, event.detail)
        case events.OrderEnded():
            parts = (event.symbol, event.reason)
        case events.VenueFailed():
            parts = (event.why,)
        case events.VenueStatusChanged():
            parts = (event.status,)
        case events.StreamStale() | events.StreamBack():
            parts = (f"{len(event.symbols)} symbols",)
        case events.IncidentSeen() | events.HealthChanged() | events.WalletChanged():
            parts = (event.detail,)
        case events.KillChanged():  # a chat room needs no path of ours
            parts = (event.detail.rpartition("/")[2],)
    return ": ".join(str(part) for part in parts if part)
