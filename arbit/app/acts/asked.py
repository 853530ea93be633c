"""Conversions that are asked of the daemon which trades the account, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from arbit.app.acts.convert import ConvertAsk, ConvertReport, ConvertTold, RouteTold
from arbit.app.acts.opened import Access, Ask
from arbit.app.acts.rebalance import MoveTold, RebalanceTold, StandTold
from arbit.app.door.asking import LONG_S, asked, door_of
from arbit.app.store import account_of
from arbit.app.trade.conversion import Done
from arbit.config import Settings
from arbit.domain.errors import UserError
from arbit.domain.money import plain
from arbit.persistence.locks import is_held, lock_of

Told = TypeVar("Told")


def daemon_of(settings: Settings, venue: str) -> Path | None:
    """The door of the daemon that trades a venue's own account in this data folder.

    None where none does, has no door, or without a key: then no account is known.
    """
    try:
        account = account_of(settings.venue(venue), real=True)
    except UserError:
        return None
    lock = lock_of(settings.data_dir, str(account))
    door = door_of(lock)
    there = lock.exists() and door.exists() and is_held(lock)
    return door if there else None


def asked_convert(
    door: Path, ask: Ask, wanted: ConvertAsk, show: Callable[[ConvertReport], None]
) -> ConvertTold | None:
    """`convert`, carried out by the daemon. None when a signal came first: it ends what it began.

    UserError for what it refuses, NobodyAnswers when it does not answer.
    """
    question = {
        "ask": "convert",
        "real": ask.access is Access.TRADED,
        "start": wanted.start,
        "end": wanted.end,
        "amount": None if wanted.amount is None else plain(wanted.amount),
        "max_cost_bps": plain(wanted.max_cost_bps),
        "sweep": wanted.sweep,
        "below": plain(wanted.below),
    }
    return _answered(door, question, _converted, lambda told: show(_report(told)))


def asked_rebalance(
    door: Path, ask: Ask, show: Callable[[RebalanceTold], None]
) -> RebalanceTold | None:
    """`rebalance`, carried out by the daemon, by its own targets. As above."""
    question = {"ask": "rebalance", "real": ask.access is Access.TRADED}
    return _answered(door, question, _rebalanced, lambda told: show(_rebalanced(told)))


def _answered(
    door: Path,
    question: Mapping[str, Any],
    read: Callable[[Mapping[str, Any]], Told],
    show: Callable[[Mapping[str, Any]], None],
) -> Told | None:
    found: Told | None = None
    try:
        for line in asked(door, question, LONG_S):
            if "show" in line:
                show(line["show"])
            else:
                found = read(line["told"])
    except KeyboardInterrupt:
        return None
    except (TypeError, KeyError, AttributeError):
        raise UserError(
            f"{door}: what this daemon did cannot be read: it is of another version (its log and "
            "`arbit report` say what was done)"
        ) from None
    if found is None:
        raise UserError(
            f"{door}: the daemon hung up before the end: its log and `arbit report` say what was "
            "done"
        )
    return found


def _done(told: Mapping[str, Any]) -> dict[str, Any]:
    done = told["done"]
    return {**told, "done": None if done is None else Done(**done)}


def _report(told: Mapping[str, Any]) -> ConvertReport:
    routes = [RouteTold(**one) for one in told["routes"]]
    return ConvertReport(**{**_done(told), "routes": routes})


def _converted(told: Mapping[str, Any]) -> ConvertTold:
    return ConvertTold(**{**told, "reports": [_report(one) for one in told["reports"]]})


def _rebalanced(told: Mapping[str, Any]) -> RebalanceTold:
    stands = {name: [StandTold(**one) for one in told[name]] for name in ("stands", "after")}
    moves = [MoveTold(**_done(one)) for one in told["moves"]]
    return RebalanceTold(**{**told, **stands, "moves": moves})
