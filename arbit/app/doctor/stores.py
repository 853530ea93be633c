"""Looks at what is kept: the database, its backups, history, and the state trading is left in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from arbit.app.doctor.report import Ask, Found, fails, skips, warns, well
from arbit.app.door.control import kill_switch
from arbit.app.door.overview import Past, Silent, statuses
from arbit.app.door.status import StatusTold
from arbit.app.store import DATABASE, HISTORY
from arbit.config import Settings
from arbit.domain.account import Mode
from arbit.domain.errors import UserError
from arbit.persistence import migrate
from arbit.persistence.locks import is_held, locks_of, venues_of
from arbit.risk.kill import Orders

DAY_NS = 86_400 * 10**9
OLD_DAYS = 30
RESTORE = "restore a backup (docs/persistence.md, 'When the file is damaged')"
UPGRADE = "arbit db upgrade"


def check_database(ask: Ask) -> Iterator[Found]:
    """It has this program's schema, and SQLite finds it whole."""
    if ask.settings is None:
        return
    path = ask.settings.data_dir.absolute() / DATABASE
    yield _schema(path)


def check_history(ask: Ask) -> Iterator[Found]:
    """The same of history's own file. A server's is looked at over the network."""
    if ask.settings is None:
        return
    if ask.settings.history_url is not None:
        yield skips("kept on a server (ARBIT_HISTORY_URL)")
        return
    path = ask.settings.data_dir.absolute() / HISTORY
    found = _schema(path)
    if found.fix == UPGRADE:  # what lies there is brought up to date by whoever next writes
        yield well(f"{found.seen}: the next daemon upgrades it, a backup first")
    else:
        yield found


def _schema(path: Path) -> Found:
    if not path.exists():
        return well(f"no {path.name} yet: the first run makes one")
    try:
        found, latest = migrate.current(path), migrate.latest()
        migrate.quick_check(path)
    except UserError as error:
        fix = RESTORE if "damaged" in str(error) or "no database" in str(error) else _let(path)
        return fails(str(error), fix)
    if found == latest:
        return well(f"{path.name}: schema {found}, whole")
    if not migrate.is_older(found):
        return fails(
            f"{path.name}: schema {found} is newer than this program's {latest}",
            "run the version that wrote it, or restore a backup of schema " + latest,
        )
    return fails(f"{path.name}: schema {found or 'none'}, this program's is {latest}", UPGRADE)


def _let(path: Path) -> str:
    return f"chmod 600 {path}, and see that no other program holds it"


def check_backup(ask: Ask) -> Iterator[Found]:
    """There is a copy of the database to go back to."""
    if ask.settings is None:
        return
    path = ask.settings.data_dir.absolute() / DATABASE
    if not path.exists():
        yield well("nothing to lose yet")
        return
    copies = migrate.backups(path)
    if not copies:
        yield warns("there is none", "arbit db backup")
        return
    days = (ask.clock.wall_ns() - copies[-1].stat().st_mtime_ns) // DAY_NS
    seen = f"{copies[-1].name}, {days} days old"
    yield warns(seen, "arbit db backup") if days > OLD_DAYS else well(seen)


def check_trading(ask: Ask) -> Iterator[Found]:
    """What runs, what was left open, and whether the breaker is closed."""
    if ask.settings is None:
        return
    if not ask.settings.data_dir.is_dir():
        yield well("nothing was ever traded from this data folder")
        return
    try:
        found = statuses(ask.settings)
    except UserError as error:
        yield skips(f"the database comes first: {error}")
        return
    for one in found:
        yield from _account(one)
    if not found:
        yield well("nothing was ever traded from this data folder")


def _account(one: StatusTold | Silent | Past) -> Iterator[Found]:
    venue = one.account.partition(":")[0]
    if isinstance(one, Silent):
        yield warns(f"a daemon runs and does not answer: {one.why}", "arbit status", one.account)
        return
    if isinstance(one, StatusTold):
        if one.held:
            yield fails(f"held: {one.held[0]}", f"arbit why {venue}", one.account)
        yield _breaker(venue, one.account, one.breaker, one.breaker_why)
        return
    if held := one.run.cycles.get("held", 0):
        fix = f"arbit report --account {one.account} tells them; then arbit resume {venue}"
        yield fails(f"{held} cycles of the last run are held", fix, one.account)
    if one.run.open_cycles:
        real = " --i-accept-real-orders" if f":{Mode.LIVE.value}:" in one.account else ""
        fix = f"arbit live --venue {venue}{real} --recover-only"
        yield warns(f"{one.run.open_cycles} cycles are open", fix, one.account)
    yield _breaker(venue, one.account, one.breaker, one.breaker_why)


def _breaker(venue: str, account: str, state: str, why: str) -> Found:
    if state == "active":
        return well("the breaker is closed", account)
    if state == "halted":
        fix = f"look into why, then: arbit resume {venue}"
        return fails(f"the breaker has halted it: {why}", fix, account)
    return warns(f"the breaker is {state}: {why}", f"arbit why {venue}", account)


def check_switches(ask: Ask) -> Iterator[Found]:
    """Neither killed nor paused."""
    settings = ask.settings
    if settings is None:
        return
    folder = settings.data_dir
    if not folder.is_dir() and not settings.risk.kill_switch:
        yield well("neither killed nor paused")
        return
    yield from list(_switches(settings, folder)) or [well("neither killed nor paused")]


def _switches(settings: Settings, folder: Path) -> Iterator[Found]:
    venues = sorted({*venues_of(folder), *settings.venues, *settings.default_venues})
    seen = set[str]()
    for venue in venues:
        by = kill_switch(settings, folder, venue).why()
        if by and by not in seen:
            seen.add(by)
            yield warns(f"killed by {by}: no order leaves", _unkill(by, folder, venue))
        if Orders(folder, venue).paused():
            yield warns(f"{venue} is paused: no cycle begins", f"arbit resume {venue}")


def _unkill(by: str, folder: Path, venue: str) -> str:
    if by.startswith("ARBIT_"):
        return f"unset {by}"
    own = Path(by).name
    if Path(by).parent != folder:
        return f"remove {by}"
    return "arbit unkill" if own == "KILL" else f"arbit unkill {venue}"


def daemons(settings: Settings) -> list[Path]:
    """The locks of the data folder that a daemon holds now."""
    if not settings.data_dir.is_dir():
        return []
    return [lock for lock in locks_of(settings.data_dir) if is_held(lock)]
