"""What /healthz and /readyz answer: whether the process turns, and whether it does its work.

`/healthz` is for whoever would start the process anew: it is well while every run that has not
ended took a turn a moment ago, whatever the venues do. `/readyz` is for whoever waits for it to
measure or trade: every venue has news, books that are believed, and is not halted. A guard that
holds back the next cycle for a while is no reason to say no.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from arbit.domain.readings import VenueReading

TURN_S = 10.0  # a pulse takes a turn twenty times a second
DECISION_S = 30.0
TRIANGLE = 3  # books
UNREADY = frozenset({"halted", "mute"})


@dataclass(frozen=True, slots=True)
class Answer:
    """Yes or no, and of each venue why not. Nothing in it is a venue's text or a secret."""

    ok: bool
    venues: dict[str, dict[str, Any]]

    def said(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"ok": self.ok, "venues": self.venues}


def healthz(readings: Sequence[VenueReading]) -> Answer:
    """Whether every run that has not ended takes its turns; a process that begins is well."""
    answer = _answer(readings, _not_turning)
    left = [one for one in readings if not one.ended]
    well = all(answer.venues[one.venue]["ok"] for one in left) and (bool(left) or not readings)
    return Answer(well, answer.venues)


def readyz(readings: Sequence[VenueReading]) -> Answer:
    """Whether every venue measures or trades."""
    answer = _answer(readings, _not_ready)
    return Answer(bool(readings) and answer.ok, answer.venues)


def _answer(readings: Sequence[VenueReading], judge: Callable[[VenueReading], str]) -> Answer:
    venues = {}
    for one in readings:
        why = judge(one)
        venues[one.venue] = {
            "ok": not why,
            "why": why,
            "turned_ago_s": _rounded(one.turned_ago_s),
            "decided_ago_s": _rounded(one.decided_ago_s),
            "believed_books": one.believed_books,
            "watched_books": one.watched_books,
            "state": one.health,
        }
    return Answer(all(said["ok"] for said in venues.values()), venues)


def _not_turning(one: VenueReading) -> str:
    if one.ended:
        return "its run has ended"
    if one.turned_ago_s is not None and one.turned_ago_s > TURN_S:
        return f"no turn for {one.turned_ago_s:.1f} s, expected one every 0.05 s"
    return ""


def _not_ready(one: VenueReading) -> str:
    trading = one.trading
    if one.ended:
        return "its run has ended"
    if one.decided_ago_s is None:
        return "no book has come yet"
    if one.decided_ago_s > DECISION_S:
        return f"no decision for {one.decided_ago_s:.1f} s, expected one within {DECISION_S:g} s"
    if one.believed_books < TRIANGLE:
        return f"{one.believed_books} of {one.watched_books} books are believed, expected 3 or more"
    if trading is not None:
        if not trading.started:
            return "recovery is not over"
        if trading.killed:
            return "the kill switch is on"
        if trading.breaker == "halted":
            return "the breaker is halted"
    return f"its state is {one.health}" if one.health in UNREADY else ""


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
