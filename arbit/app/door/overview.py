"""Every account of a data folder: what its daemon answers, or what the last run left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from arbit.app.door.asking import NobodyAnswers, answer, door_of
from arbit.app.door.control import folder_of, kill_switch
from arbit.app.door.status import StatusTold, WhyTold
from arbit.app.loop import run_on_best_loop
from arbit.app.store import DATABASE, HISTORY
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.domain.past import LastSeen, PastRun
from arbit.health import counted
from arbit.persistence.locks import holders, is_held, lock_of, locks_of
from arbit.persistence.past import last_runs
from arbit.risk.breaker import FLAG
from arbit.risk.kill import Orders

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Told = TypeVar("Told", StatusTold, WhyTold)


@dataclass(frozen=True, slots=True)
class Silent:
    """A daemon has the account, and does not answer; `holder` names it, `why` says how it went."""

    account: str
    holder: str
    why: str
    running: bool = True
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """No daemon has the account: what its last run left, and what the next start will find."""

    account: str
    run: PastRun
    killed: str = ""
    paused: bool = False
    breaker: str = ""
    breaker_why: str = ""
    running: bool = False
    lines: list[str] = field(default_factory=list)


def repeat(every_s: float, look: Callable[[], None]) -> None:
    """Look again and again, until a signal comes."""

    async def main() -> None:
        clock = SystemClock()
        while True:
            look()
            await clock.sleep(every_s)

    run_on_best_loop(main())


def statuses(settings: Settings, venue: str = "") -> list[StatusTold | Silent | Past]:
    """How each account of the folder is. UserError without a folder, or for a bad database."""
    return list(_each(settings, venue, "status", StatusTold))


def whys(settings: Settings, venue: str = "") -> list[WhyTold | Silent | Past]:
    """Why each trades or does not. As above."""
    return list(_each(settings, venue, "why", WhyTold))


def _each(
    settings: Settings, venue: str, ask: str, read: Callable[..., Told]
) -> Iterator[Told | Silent | Past]:
    folder_of(settings)  # which says where there is none
    folder = settings.data_dir  # a door's name must be short: not the whole of it
    held = [lock for lock in locks_of(folder, venue) if is_held(lock)]
    for lock in held:
        try:
            told = answer(door_of(lock), {"ask": ask})["told"]
            yield read(**told)
        except NobodyAnswers as error:
            yield Silent(lock.stem, ", ".join(holders([lock])), str(error))
        except (TypeError, KeyError):
            yield Silent(lock.stem, ", ".join(holders([lock])), "it is of another version")
    yield from _past(settings, folder, venue, held)


def _past(settings: Settings, folder: Path, venue: str, held: list[Path]) -> Iterator[Past]:
    """The last run of every account that nobody has now."""
    if not (folder / DATABASE).exists():
        return
    history = None if settings.history_url is not None else folder / HISTORY
    for run in last_runs(folder / DATABASE, history):
        name = run.account.partition(":")[0]
        if lock_of(folder, run.account) in held or venue not in {"", name}:
            continue
        kill = kill_switch(settings, folder, name)
        state, why = _breaker(run.breaker)
        past = Past(run.account, run, kill.why(), Orders(folder, name).paused(), state, why)
        past.lines.extend(_lines(past))
        yield past


def _breaker(flag: str) -> tuple[str, str]:
    """State and reason, as the journal remembers them."""
    if not flag:
        return "active", ""
    try:
        told: dict[str, Any] = json.loads(flag)
        return str(told["state"]), str(told["detail"])
    except (ValueError, KeyError, TypeError):
        return "halted", f"the journal's note ({FLAG}) cannot be read"


def _lines(past: Past) -> list[str]:
    """The same for a person; first of all that nobody runs."""
    run = past.run
    end = f"ended {_when(run.ended_ns)} ({run.how})" if run.ended_ns else "ended without a word"
    what = f"{run.command}, arbit {run.version}"
    lines = [
        f"{past.account}: NO DAEMON RUNS",
        f"  the last run ({what}) began {_when(run.started_ns)}, {end}",
        f"  then: {run.orders} orders; cycles: {counted(run.cycles) or 'none'}"
        + (f"; conversions: {counted(run.conversions)}" if run.conversions else ""),
    ]
    if run.open_cycles:
        lines.append(f"  {run.open_cycles} cycles are open: the next start takes them up")
    if past.breaker != "active":
        lines.append(f"  breaker {past.breaker}: {past.breaker_why}")
    if past.killed:
        lines.append(f"  KILLED by {past.killed}: the next start finds it")
    if past.paused:
        lines.append("  paused (arbit resume): the next start finds it")
    return [*lines, *_seen_lines(run.seen), *_incidents(run)]


def _seen_lines(seen: LastSeen) -> Iterator[str]:
    if seen.state_ns:
        yield f"  last state, at {_when(seen.state_ns)}: {seen.state}: {seen.detail}"
    if seen.edge_bps is not None:
        hurdle = "" if seen.hurdle_bps is None else f", hurdle {seen.hurdle_bps:.1f} bps"
        yield (
            f"  best gap of that run: {seen.edge_bps:.1f} bps ({seen.path}){hurdle}, at "
            f"{_when(seen.edge_ns)}"
        )


def _incidents(run: PastRun) -> Iterator[str]:
    for at_ns, kind, detail in run.incidents:
        yield f"  incident {kind} at {_when(at_ns)}: {detail[:200]}"


def _when(wall_ns: int) -> str:
    return f"{EPOCH + timedelta(seconds=wall_ns // 10**9):%Y-%m-%d %H:%M:%S} UTC"
