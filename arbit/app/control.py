"""What an operator asks by file: kill, unkill, pause, resume. Daemons look at the files."""

from __future__ import annotations

from pathlib import Path

from arbit.config import Settings
from arbit.risk import kill as switch
from arbit.risk.kill import KILL_FILE, Orders, Resume


def kill(settings: Settings) -> str:
    """Nothing leaves any more, from any daemon of this data folder."""
    switch.kill(settings.data_dir)
    return f"killed: no order leaves while {settings.data_dir / KILL_FILE} exists (arbit unkill)"


def unkill(settings: Settings) -> str:
    """Take the kill back."""
    if switch.unkill(settings.data_dir):
        return "the kill switch is off"
    return "the kill switch was not on"


def pause(settings: Settings, venue: str) -> str:
    """No new cycle on this venue; open ones go on."""
    _orders(settings, venue).pause()
    return f"{venue}: paused; open cycles finish or unwind (arbit resume {venue})"


def resume(settings: Settings, venue: str, *, accept_balances: bool = False) -> str:
    """End a pause, and close the venue's breaker."""
    if accept_balances:
        _orders(settings, venue).resume(Resume.ACCEPT_BALANCES)
        return f"{venue}: resumed; what the venue has beyond our books is booked at the next look"
    _orders(settings, venue).resume()
    return f"{venue}: resumed; a breaker that waits for an operator closes"


def _orders(settings: Settings, venue: str) -> Orders:
    return Orders(Path(settings.data_dir), settings.venue(venue).name)
