"""The last look at an account before its run ends: the books end as the venue's are."""

from __future__ import annotations

import asyncio
import contextlib

from arbit.domain.errors import VenueError
from arbit.domain.records import JournalFailed
from arbit.execution.audit import Auditor
from arbit.ledger import Ledger
from arbit.ports import Clock

LAST_LOOKS_S = (0.0, 6.0)  # waits before each look: the venue's lists lag
STEP_S = 0.05


async def last_look(auditor: Auditor, ledger: Ledger, clock: Clock, within_s: float) -> None:
    """What the venue rounded is booked; where it was not all heard, the books are compared.

    Where that fails the next start does it.
    """
    auditor.round_off()
    with contextlib.suppress(VenueError, JournalFailed, TimeoutError):
        async with asyncio.timeout(within_s):
            while auditor.unlooked and not auditor.quiet:
                await clock.sleep(STEP_S)  # the last trade's rows are on their way
            auditor.round_off()
            reckoned = auditor.unlooked and ledger.fees_waiting > 0
            reckoned = reckoned or ledger.costs_wait
            for wait_s in LAST_LOOKS_S:
                if not (auditor.behind or reckoned):
                    return
                reckoned = False  # what we reckon ourselves: the balances tell, once
                await clock.sleep(wait_s)
                await auditor.reconcile()
