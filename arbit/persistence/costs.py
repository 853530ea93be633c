"""Which trades' costs were not compared with the venue's balances yet (decision 0012)."""

from __future__ import annotations

from collections.abc import Mapping

from arbit.domain.records import ROUGH, Flag, Rough


def not_compared(flags: Mapping[str, Flag]) -> tuple[str, list[object]]:
    """A condition on `fills`, and its values. Fees that the venue stated itself have no slack."""
    where, values = "fee_slack IS NOT NULL", list[object]()
    for name, flag in flags.items():
        if name.startswith(ROUGH):
            where += " AND NOT (substr(symbol, instr(symbol, '/') + 1)=? AND at_ns<=?)"
            values += [name.removeprefix(ROUGH), Rough.compared(flag).at_ns]
    return where, values
