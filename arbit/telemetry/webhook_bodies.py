"""What receivers are sent: a line for Discord, a JSON object for anything else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from arbit.domain.alert import Alert, Answer, Deliver, Severity
from arbit.telemetry.webhook import Webhook

VERSION = 1
MAX_CONTENT = 1_900  # Discord takes 2,000 characters
_SIGNS = {Severity.INFO: "INFO", Severity.WARNING: "WARNING", Severity.CRITICAL: "CRITICAL"}


def to_discord(webhook: Webhook) -> Deliver:
    """Posts alerts as messages of Discord. Nobody is mentioned, whatever a text says."""

    async def deliver(alert: Alert) -> Answer:
        body = {"content": discord_text(alert), "allowed_mentions": {"parse": []}}
        return await webhook("POST", body)

    return deliver


def to_webhook(webhook: Webhook) -> Deliver:
    """Posts alerts as JSON objects."""

    async def deliver(alert: Alert) -> Answer:
        return await webhook("POST", json_body(alert))

    return deliver


def discord_text(alert: Alert) -> str:
    """Words for a person. What others said stands in a code block, where no mark means anything."""
    lines = [f"**{_SIGNS[alert.severity]}** {alert.venue}: {alert.text}{_more(alert)}"]
    if alert.detail:
        lines.append(f"```\n{alert.detail.replace('`', chr(0x2019))}\n```")
    named = (("run", alert.run), ("cycle", alert.cycle), ("order", alert.order))
    ids = " ".join(f"{name} {value}" for name, value in named if value)
    lines += [f"`{ids.replace('`', '')}`"] if ids else []
    return "\n".join(lines)[:MAX_CONTENT]


def json_body(alert: Alert) -> Mapping[str, Any]:
    """The object that a generic webhook gets; its fields are listed in docs/alerts.md."""
    at = datetime.fromtimestamp(alert.at_ns / 1e9, UTC)
    return {
        "version": VERSION,
        "severity": alert.severity.word,
        "event": alert.kind,
        "state": alert.state,
        "venue": alert.venue,
        "text": alert.text,
        "detail": alert.detail,
        "count": alert.count,
        "resolved": alert.back,
        "run": alert.run,
        "cycle": alert.cycle,
        "order": alert.order,
        "at": at.isoformat("T", "milliseconds"),
    }


def _more(alert: Alert) -> str:
    return f" ({alert.count} times since it was told)" if alert.count > 1 else ""
