"""What an operator asks by file: kill, unkill, pause, resume. Daemons look at the files.

A file in a folder where nobody looks stops nothing, so each answer says where its file is and
whether a daemon runs there; `answers` says what that daemon makes of it, where it can be asked. No
folder is made: one that is missing is not the daemon's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arbit.config import Settings
from arbit.domain.errors import UserError
from arbit.persistence.locks import holders, is_held, locks_of, venues_of
from arbit.risk import kill as switch
from arbit.risk.kill import KILL_FILE, KillSwitch, Orders, Resume

ALL = "all"  # in the place of a venue's name


def kill(settings: Settings, venue: str = "") -> str:
    """Nothing leaves any more: from any daemon of this data folder, or for one venue."""
    folder = folder_of(settings)
    of = f" {_known(settings, folder, venue)}" if venue else ""
    switch.kill(folder, venue)
    file = switch.kill_file(folder, venue)
    running = ", ".join(holders(locks_of(folder, venue)))
    if not running:
        nobody = f"NO DAEMON TRADES{of.upper()} IN" if of else "NO DAEMON RUNS IN"
        return (
            f"killed, BUT {nobody} {folder}: nothing was stopped, the next start there "
            f"finds {file} (a daemon elsewhere: --data-dir; to take it back: arbit unkill{of})"
        )
    order = f"no order leaves for{of}" if of else "no order leaves"
    return f"killed: {order} while {file} exists (arbit unkill{of}); told {running}"


def unkill(settings: Settings, venue: str = "") -> str:
    """Take the kill back; a venue's own with its name."""
    folder = folder_of(settings)
    if venue:
        _known(settings, folder, venue)
    file = switch.kill_file(folder, venue)
    was_on = switch.unkill(folder, venue)
    said = f"{file} is gone" if was_on else f"there was no {file}"
    still = kill_switch(settings, folder, venue).why()
    if still:
        return f"{said}, BUT THE KILL SWITCH IS STILL ON: {still}"
    own = sorted(path.name for path in folder.glob(f"{KILL_FILE}.*"))
    left = f"; still killed are {', '.join(own)} (arbit unkill VENUE)" if own and not venue else ""
    begins = ""
    if holders(locks_of(folder, venue)):  # it has halted its breaker when it saw the kill
        begins = f"; trading begins with `arbit resume {venue or ALL}` alone"
    return f"the kill switch {'is' if was_on else 'was'} off: {said}{left}{begins}"


def answers(settings: Settings, venue: str = "") -> list[str]:
    """What each daemon that was told says now, a line each; nothing where none runs.

    The file is what stops it: one that does not answer heeds it all the same, at its next look.
    """
    from arbit.app.door.asking import answer, door_of  # noqa: PLC0415  a kill waits for no import

    found = []
    for lock in locks_of(settings.data_dir, venue):
        if not (is_held(lock) and door_of(lock).exists()):  # nobody, or one without a door
            continue
        try:
            found.append(_heard(answer(door_of(lock), {"ask": "heard"})))
        except (UserError, KeyError, TypeError) as error:  # the latter of another version
            who = ", ".join(holders([lock]))
            why = error if isinstance(error, UserError) else "its answer cannot be read"
            found.append(f"{lock.stem}: {who} does not answer ({why}): it looks at the file")
    return found


def _heard(line: Mapping[str, Any]) -> str:
    told = line["told"]
    guard = f" ({told['guard']})" if told["guard"] else ""
    still = "" if told["breaker"] == "active" else f"; breaker {told['breaker']}"
    return (
        f"{told['venue']}: the daemon answers: {told['state']}{guard}, "
        f"{told['open_cycles']} cycles open{still}"
    )


def named(settings: Settings, venue: str) -> list[str]:
    """The venue, or with `all` every one that was traded in this data folder.

    UserError when none was.
    """
    if venue != ALL:
        return [venue]
    folder = folder_of(settings)
    known = {*settings.venues, *venues_of(folder)}
    found = sorted(name for name in known if locks_of(folder, name))
    if not found:
        raise UserError(f"{ALL}: expected a venue that was traded in {folder}, there is none")
    return found


def pause(settings: Settings, venue: str) -> str:
    """No new cycle on this venue; open ones go on."""
    folder = folder_of(settings)
    Orders(folder, _known(settings, folder, venue)).pause()
    file = folder / f"pause.{venue}"
    follows = f"open cycles finish or unwind (arbit resume {venue})"
    return _told(folder, venue, "paused", file) + f"; {follows}"


def resume(settings: Settings, venue: str, *, accept_balances: bool = False) -> str:
    """End a pause, and close the venue's breaker."""
    folder = folder_of(settings)
    orders = Orders(folder, _known(settings, folder, venue))
    orders.resume(Resume.ACCEPT_BALANCES if accept_balances else Resume.GO_ON)
    follows = "a breaker that waits for an operator closes"
    killed = kill_switch(settings, folder, venue).why()
    if killed:
        follows = f"BUT THE KILL SWITCH IS ON: {killed}: no breaker closes before `arbit unkill`"
    elif accept_balances:
        follows = "what the venue has beyond our books is booked at the next look"
    return _told(folder, venue, "resumed", folder / f"resume.{venue}") + f"; {follows}"


def _told(folder: Path, venue: str, done: str, file: Path) -> str:
    running = ", ".join(holders(locks_of(folder, venue)))
    if running:
        return f"{venue}: {done}, by {file}; told {running}"
    return (
        f"{venue}: {done}, BUT NO DAEMON TRADES IT IN {folder}: the next start there finds {file}"
    )


def kill_switch(settings: Settings, folder: Path, venue: str = "") -> KillSwitch:
    """What stops every order of this data folder, or of one venue of it, as it is set."""
    risk = settings.risk
    return KillSwitch(folder, on=risk.kill_switch, file=risk.kill_switch_file, venue=venue)


def folder_of(settings: Settings) -> Path:
    """The data folder, by its whole name. UserError when there is none: none is made."""
    folder = settings.data_dir.absolute()
    try:
        there = folder.is_dir()
    except OSError as error:  # a folder above it is not ours to look into
        raise UserError(f"{folder}: {error.strerror}") from None
    if not there:
        raise UserError(
            f"{folder}: expected the data folder of a daemon, there is none "
            "(--data-dir or ARBIT_DATA_DIR names another)"
        )
    return folder


def _known(settings: Settings, folder: Path, venue: str) -> str:
    """The name of a venue that is asked something. UserError for one nobody here has heard of."""
    name = settings.venue(venue).name
    if name not in settings.venues and not locks_of(folder, name):
        known = ", ".join(sorted(settings.venues))
        raise UserError(
            f"venue {name!r}: expected {known}, or one that is configured or was traded in {folder}"
        )
    return name
