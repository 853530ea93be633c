"""The doctor's table: every check in the order of its round, each by one function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from arbit.app.doctor import addresses, files, machine, network, ports, stores
from arbit.app.doctor.report import Ask, Finding, Found, Report, Verdict, fails, skips, well
from arbit.app.doctor_known.selftest import known_answers
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.domain.errors import ArbitError, BrokenRule

NO_SETTINGS = "the settings are not valid: they come first"
LOOK = "look at what was seen; if it makes no sense, report it as a fault of this program"
WRONG = (
    "trade nothing with this copy: install the version anew (python -m pip install "
    "--require-hashes -r requirements.lock), and report it if that is no help"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One row: its name, what looks, and whether it needs valid settings."""

    name: str
    look: Callable[[Ask], Iterable[Found]]
    settings: bool = True


def check_itself(ask: Ask) -> Iterator[Found]:
    """The known-answer self-test: the pipeline's own parts give the answers reckoned by hand."""
    folder = Path() if ask.settings is None else ask.settings.data_dir
    try:
        wrong = known_answers(folder)
    except OSError as error:
        no_room = f"no folder for a temporary database: {error.strerror}"
        yield fails(no_room, "set TMPDIR to a folder that can be written")
        return
    for one in wrong[:1]:
        more = [stage for stage in dict.fromkeys(x.stage for x in wrong) if stage != one.stage]
        after = f" (and after it: {', '.join(more)})" if more else ""
        yield fails(f"{one}{after}", WRONG, one.stage)
    if not wrong:
        yield well("a planted gap was found, sized, traded and booked to the last decimal")


CHECKS: tuple[Check, ...] = (
    Check("python", machine.check_python, settings=False),
    Check("system", machine.check_system, settings=False),
    Check("event loop", machine.check_loop, settings=False),
    Check("packages", machine.check_packages, settings=False),
    Check("settings", machine.check_settings, settings=False),
    Check("secrets", files.check_secrets, settings=False),
    Check("data folder", files.check_data_folder),
    Check("disk", files.check_disk),
    Check("lock folder", files.check_lock_folder),
    Check("log", files.check_log),
    Check("database", stores.check_database),
    Check("history", stores.check_history),
    Check("backup", stores.check_backup),
    Check("switches", stores.check_switches),
    Check("trading", stores.check_trading),
    Check("metrics port", ports.check_metrics_port),
    Check("loopback", ports.check_loopback, settings=False),
    Check("door", ports.check_door),
    Check("alerts", addresses.check_alerts),
    Check("chain", addresses.check_chain),
    Check("clock", machine.check_clocks, settings=False),
    Check("venue", network.check_venues),
    Check("history server", network.check_history_server),
    Check("self-test", check_itself, settings=False),
)


def examine(ask: Ask) -> Report:
    """Every check of the table. Nothing that is found is raised."""
    return Report(tuple(finding for check in CHECKS for finding in _findings(check, ask)))


def _findings(check: Check, ask: Ask) -> Iterator[Finding]:
    found: list[Found] = []
    if check.settings and ask.settings is None:
        found.append(skips(NO_SETTINGS))
    else:
        try:
            found += check.look(ask)
        except (ArbitError, OSError) as error:
            found.append(fails(str(error) or type(error).__name__, LOOK))
    for one in found:
        if one.verdict in {Verdict.WARN, Verdict.FAIL} and not one.fix:
            raise BrokenRule(f"doctor: {check.name} says what is wrong and not what mends it")
        yield Finding(check.name, one.verdict, one.seen, one.fix, one.subject)


def run_doctor(
    settings: Settings | None,
    problems: tuple[str, ...] = (),
    *,
    venue: str = "",
    network_too: bool = True,
) -> Report:
    """The whole command on real time."""
    return examine(Ask(settings, problems, SystemClock(), venue, network_too))
