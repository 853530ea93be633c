"""Puts a plan's faults into effect: on requests as they leave, on connections, at the venue."""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from arbit.sandbox.server import SandboxServer
from tests.simulation.loop import SECOND_NS
from tests.wiresim.ends import MS
from tests.wiresim.net import Wire
from tests.wiresim.plan import LASTING, VENUE_FAULTS, Plan, Timed
from tests.wiresim.taps import Request, Tap

if TYPE_CHECKING:
    from tests.wiresim.net import Net, WireLoop

STRIKES_WS = frozenset({"add_order", "cancel_order"})
SWALLOWS = frozenset({"mute_socket", "half_open"})
LATE_MS = (30, 200, 700, 1_800, 4_000)
JUMPS_S = (-60.0, -1.0, -0.05, 0.05, 1.0, 60.0)


class Storm:
    """Strikes while `on`. `heard` is told of every request as its last byte is written."""

    def __init__(self, plan: Plan, loop: WireLoop, net: Net, server: SandboxServer) -> None:
        self.on = False
        self.counts: Counter[str] = Counter()
        self.heard: Callable[[Wire, Request], None] = lambda _wire, _request: None
        self.jump: Callable[[int], None] = lambda _ns: None
        self._plan = plan
        self._loop = loop
        self._net = net
        self._server = server
        self._rng = random.Random(f"storm {plan.seed}")
        self.swallowed_ns = 0  # until when sockets that live on have lost what was said on them
        net.fate = self._fate
        net.joined = self._joined

    def schedule(self) -> None:
        """From now on."""
        self.on = True
        for one in self._plan.timed:
            self._later(int(one.at_s * SECOND_NS), functools.partial(self._happen, one))

    def mend(self) -> None:
        """Nothing goes wrong any more; what is broken is for the daemon to find out."""
        self.on = False
        self._server.faults.clear()
        self.swallowed_ns = min(self.swallowed_ns, self._loop.now_ns)

    # --- requests --------------------------------------------------------------------------------

    def _joined(self, wire: Wire) -> None:
        found: list[Request] = []
        tap = Tap(found.append)

        def written(data: bytes) -> bool:
            tap(data)
            wire.speaks = "ws" if tap.upgraded else "http"
            for request in found:
                self.heard(wire, request)
            struck = self._strike(wire, found, data)
            found.clear()
            return not struck

        wire.client.tap = written

    def _strike(self, wire: Wire, found: list[Request], data: bytes) -> bool:
        """True when the bytes have been dealt with."""
        if not self.on or not any(_may_strike(one) for one in found):
            return False
        for name, rate in self._plan.calls.items():
            if self._rng.random() < rate:
                self.counts[name] += 1
                return self._call(name, wire, data)
        return False

    def _call(self, name: str, wire: Wire, data: bytes) -> bool:
        rng, now_ns = self._rng, self._loop.now_ns
        late_ns = now_ns + rng.choice(LATE_MS) * MS
        if name == "late":
            wire.hold(late_ns, up=True)
        elif name == "late_reply":
            wire.hold(late_ns)
        elif name == "cut_reply":
            wire.cut_after(rng.randint(1, 400))
        elif name == "lost":
            wire.mute()
        elif name == "silent":
            wire.mute(up=False)
        else:
            self._break(name, wire, data)
            return True
        return False

    def _break(self, name: str, wire: Wire, data: bytes) -> None:
        if name == "torn":
            wire.up.put(data[: self._rng.randrange(1, len(data))])
        elif name != "reset_before":
            wire.up.put(data)
        acts_ns = int(self._rng.uniform(0.01, 2.0) * self._plan.latency_ms * MS)
        due_ns = max(self._loop.now_ns, wire.up.last_ns) + acts_ns
        act = wire.half_close if name == "half_close" else wire.reset
        self._loop.at_ns(due_ns, act, context=self._loop.nobody)

    def _fate(self) -> str:
        if self.on:
            for name, rate in self._plan.dials.items():
                if self._rng.random() < rate:
                    self.counts[f"dial {name}"] += 1
                    return name
        return ""

    # --- at a time -------------------------------------------------------------------------------

    def _later(self, after_ns: int, action: Callable[[], object]) -> None:
        self._loop.at_ns(self._loop.now_ns + after_ns, action, context=self._loop.nobody)

    def _happen(self, one: Timed) -> None:
        if not self.on:
            return
        if one.name in VENUE_FAULTS:
            self._venue(one)
        elif one.name == "clock_jump":
            self.jump(int(self._rng.choice(JUMPS_S) * SECOND_NS))
        elif not self._wire(one.name):
            return
        self.counts[one.name] += 1

    def _venue(self, one: Timed) -> None:
        number = self._server.faults.set(one.name, **one.params)
        if one.name in SWALLOWS:
            self.swallowed_ns = self._loop.now_ns + int(one.lasts_s * SECOND_NS)
        if one.name in LASTING:
            self._later(int(one.lasts_s * SECOND_NS), lambda: self._server.faults.clear(number))

    def _wire(self, name: str) -> bool:
        wires = [wire for wire in self._net.wires if wire.alive]
        if not wires:
            return False
        if not name.endswith("_all"):
            wires = [self._rng.choice(wires)]
        for wire in wires:
            if name.startswith("reset"):
                wire.reset()
            elif name == "stall_one":
                wire.hold(self._loop.now_ns + self._rng.choice(LATE_MS) * MS)
            elif name == "end_one":
                wire.half_close()
            else:
                wire.mute(up=name != "mute_down", down=name != "mute_up")
        return True


def _may_strike(request: Request) -> bool:
    if request.method != "WS":
        return True
    return any(f'"{name}"' in request.body[:40] for name in STRIKES_WS)
