"""How the daemon's lives end: one that trades ends when it was asked to, and by no error at all.

Whatever the venue does, a daemon that has started lives on, halted at the worst (invariant 14).
Before that a venue that does not answer, or a folder that is another's, may end a start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arbit.domain.errors import UserError, VenueError

if TYPE_CHECKING:
    from arbit.app.trade.told import LiveReport
    from tests.simulation.daemon import Life
    from tests.simulation.world import World

IN_ORDER = ("stopped", "recovered")


def look(world: World, life: Life, report: LiveReport | None, error: BaseException | None) -> bool:
    """Whether this life ended in order; what may not end one is told."""
    started = life.trader is not None and life.trader.started
    asked = life.stopped_ns > 0 or (life.trader is not None and life.trader.recover_only)
    in_order = report is not None and report.ended.startswith(IN_ORDER)
    said = repr(error) if report is None else f"{report.ended}: {report.failure}"
    reads_fail = world.struck("read_failed")
    unread = reads_fail and not started and "JournalFailed" in said  # it knows not where it is
    if in_order and not asked:
        world.watch.say(14, f"life {life.process.number} stopped, and nobody had asked it to")
    elif not in_order and (started or not _of_the_venue(report, error)) and not unread:
        when = "after it had started" if started else "while it started"
        world.watch.say(14, f"life {life.process.number} ended by itself {when}: {said}")
    return in_order


def _of_the_venue(report: LiveReport | None, error: BaseException | None) -> bool:
    """Whether a start was ended by what the venue answered, or by a refusal that is the user's."""
    if report is not None:
        return report.failure.startswith(("VenueUnreachable", "VenueRefused", "NotSent"))
    return isinstance(error, VenueError | UserError)
