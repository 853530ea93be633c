"""Whether a signal has been delivered: two that are sent too soon after one another become one."""

from __future__ import annotations

import re
from pathlib import Path

PENDING = re.compile(r"^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)", re.MULTILINE)  # masks, bit 0 is 1


def undelivered(process: int, number: int) -> bool:
    """Whether Linux still keeps this signal for a process that lives."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    masks = [int(mask, 16) for mask in PENDING.findall(status)]
    return "State:\tZ" not in status and any(mask >> (number - 1) & 1 for mask in masks)
