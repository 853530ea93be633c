"""A token bucket: how often something may be said."""

from __future__ import annotations


class Bucket:
    """A token bucket: `burst` at once, then one every `refill_ns`."""

    __slots__ = ("burst", "full_ns", "refill_ns", "unwritten")

    def __init__(self, burst: int, refill_ns: int) -> None:
        self.burst = burst
        self.refill_ns = refill_ns
        self.full_ns: int | None = None  # when the bucket will be full again
        self.unwritten = 0

    def take(self, now_ns: int) -> bool:
        """Take one token if there is one."""
        full_ns = max(now_ns, now_ns if self.full_ns is None else self.full_ns) + self.refill_ns
        if full_ns - now_ns > self.burst * self.refill_ns:
            return False
        self.full_ns = full_ns
        return True
