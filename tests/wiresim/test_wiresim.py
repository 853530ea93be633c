"""A slice of the wire campaign, small enough for every run of the tests; and its own parts."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.patches import patched
from tests.simulation import determinism
from tests.simulation.loop import SECOND_NS
from tests.wiresim.net import Net, WireLoop
from tests.wiresim.plan import BENIGN_EVERY, CALL_FAULTS, DIAL_FAULTS, STYLES, Plan, plan_of
from tests.wiresim.runner import run_seeds
from tests.wiresim.saboteurs import ALL
from tests.wiresim.taps import Request, Tap
from tests.wiresim.weather import SeedWeather

HERE = Path(__file__).parent
OVER_REST = [s for s in range(90) if plan_of(s).transport == "rest" and not plan_of(s).benign]
# Each with seeds that may give it away; `python -m tests.wiresim.saboteurs` hunts all of them.
QUICK = {
    "retry_after_reset": OVER_REST,
    "truncated_is_refusal": (189, 146, 210),  # a reply lost where an order was taken is rare
    "exponents": (4, *range(1, 9)),
    "checksum_ignored": range(1, 9),
    "watchdog_off": (2, *range(1, 9)),
    "sockets_left_open": range(1, 9),
}


def test_seeds_of_all_kinds_find_nothing() -> None:
    cycles, faults, requests = 0, Counter[str](), Counter[str]()
    for result in run_seeds(range(8)):
        assert result.violations == [], f"seed {result.seed}"
        cycles += sum(result.cycles.values())
        faults.update(result.faults)
        requests.update(result.requests)
    assert cycles > 50
    assert len(faults) > 25
    assert requests["add_order"] > 100
    assert requests["AddOrder"] > 10


def test_what_once_was_found_stays_fixed() -> None:
    rows = (HERE / "regress.txt").read_text("utf-8").splitlines()
    seeds = [int(row.split()[0]) for row in rows if row and not row.startswith("#")]
    for result in run_seeds(seeds):
        assert result.violations == [], f"seed {result.seed}"


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_caught(name: str) -> None:
    with patched(ALL[name].plant):
        assert any(result.violations for result in run_seeds(QUICK[name]))


def test_the_same_seed_is_the_same_run_in_another_process() -> None:
    """Whatever the hash seed, the time zone, the date and the working folder."""
    one, two = determinism.compared("tests.wiresim", range(1, 4))
    assert one == two
    assert len(one) == 3


def test_a_plan_is_drawn_from_its_seed_alone() -> None:
    assert plan_of(12) == plan_of(12)
    assert plan_of(BENIGN_EVERY).benign
    drawn = [plan_of(seed) for seed in range(300)]
    assert {name for plan in drawn for name in plan.calls} == set(CALL_FAULTS)
    assert {name for plan in drawn for name in plan.dials} == set(DIAL_FAULTS)
    assert {plan.transport for plan in drawn} == {"ws", "rest"}


# --- the network itself ---------------------------------------------------------------------------


class Ear(asyncio.Protocol):
    """Remembers what it heard; `echo` sends it back."""

    def __init__(self, *, echo: bool = False) -> None:
        self.heard = bytearray()
        self.pieces = 0
        self.ended = False
        self.lost: list[Exception | None] = []
        self.echo = echo
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.pieces += 1
        if self.echo:
            self.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


def network(style: str = "whole") -> tuple[WireLoop, Net, Ear]:
    """A loop, its network, and a server on it that echoes."""
    plan = Plan(1, benign=False, seconds=1.0, style=style)
    loop, server = WireLoop(SECOND_NS), Ear(echo=True)
    loop.net = net = Net(loop, SeedWeather(plan, random.Random(style)))
    net.listen(lambda: server, "127.0.0.1", 8_080)
    return loop, net, server


def run(loop: WireLoop, work: Any) -> Any:
    task = loop.create_task(work)
    loop.run(task.done)
    return task.result()


@pytest.mark.parametrize("style", sorted(set(STYLES)))
def test_bytes_arrive_whole_and_in_order_however_they_are_sliced(style: str) -> None:
    loop, _, server = network(style)
    sent = random.Random(7).randbytes(5_000)

    async def work() -> Ear:
        _, ear = await loop.create_connection(Ear, "127.0.0.1", 8_080)
        for start in range(0, len(sent), 1_000):
            ear.transport.write(sent[start : start + 1_000])
        await asyncio.sleep(5.0)
        ear.transport.close()
        await asyncio.sleep(1.0)
        return ear  # type: ignore[no-any-return]  # it is one

    ear = run(loop, work())
    assert bytes(ear.heard) == bytes(server.heard) == sent
    assert style == "whole" or server.pieces > 5
    assert (server.ended, server.lost, ear.lost) == (True, [None], [None])


@pytest.mark.parametrize(
    ("harm", "heard", "lost"),
    [
        ("reset", 0, [True]),
        ("mute", 0, []),
        ("half_close", 0, [False]),
        ("cut_after", 3, [False]),
    ],
)
def test_what_is_done_to_a_wire_is_what_its_client_finds(
    harm: str, heard: int, lost: list[bool]
) -> None:
    loop, net, server = network()

    async def work() -> Ear:
        _, ear = await loop.create_connection(Ear, "127.0.0.1", 8_080)
        wire = net.wires[0]
        wire.cut_after(3) if harm == "cut_after" else getattr(wire, harm)()
        ear.transport.write(b"anyone?")
        await asyncio.sleep(5.0)
        return ear  # type: ignore[no-any-return]  # it is one

    ear = run(loop, work())
    assert len(ear.heard) == heard
    assert [error is not None for error in ear.lost] == lost
    assert bool(server.heard) == (harm in {"cut_after", "half_close"})


@pytest.mark.parametrize("size", [5, 300, 70_000])
def test_a_tap_reads_requests_and_masked_messages_off_any_slices(size: int) -> None:
    rng, told = random.Random(size), list[Request]()
    text, mask = "x" * size, b"\x01\x02\x03\x04"
    head = b"\x81" + (
        bytes([0x80 | size])
        if size < 126
        else (
            b"\xfe" + size.to_bytes(2, "big")
            if size < 65_536
            else b"\xff" + size.to_bytes(8, "big")
        )
    )
    masked = bytes(ord("x") ^ mask[at % 4] for at in range(size))
    wire = (
        b"POST /0/private/AddOrder HTTP/1.1\r\nContent-Length: 11\r\n\r\nnonce=1&a=b"
        b"GET /v2 HTTP/1.1\r\nUpgrade: websocket\r\n\r\n" + head + mask + masked
    )
    tap = Tap(told.append)
    while wire:
        cut = rng.randint(1, 9_000 if size > 1_000 else 7)
        tap(wire[:cut])
        wire = wire[cut:]
    assert [(one.method, one.name) for one in told] == [
        ("POST", "AddOrder"),
        ("GET", "v2"),
        ("WS", ""),
    ]
    assert told[0].fields == {"nonce": "1", "a": "b"}
    assert told[2].body == text
