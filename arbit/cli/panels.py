"""Under which heading of the help a command stands."""

from __future__ import annotations

import enum


class Panel(enum.StrEnum):
    """The headings, in the order they are shown."""

    MEASURE = "Measure: sends nothing, needs no key"
    TRADE = "Trade: dry unless told otherwise"
    CONTROL = "Control: a daemon that runs"
    ACCOUNT = "Account: keys, results, exports"
    CARE = "Look after: settings, files, rehearsal"
