"""Which frame goes where: frames are numbered, and a number and a seed say all about a frame.

Frames come in blocks. A block of doors harms each frame by itself; a block of a live scene is one
life, in which frame follows frame. CPU time and memory are watched at each frame.
"""

from __future__ import annotations

import gc
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from arbit.venues.ccxt import loader
from tests.fuzz import alpaca, alpaca_live, ccxt_live, loopback, private_live, public_live
from tests.fuzz.live import Scene
from tests.fuzz.mutations import mutant
from tests.fuzz.parsers import Wrong, allowed, doors
from tests.fuzz.questions import QUESTIONS, put_question
from tests.fuzz.seeds import corpus

BLOCK = 100
# Questions by kind of block, beside its doors: one venue's do not thin out another's.
DOORS = {"doors": QUESTIONS, "alpaca doors": alpaca.QUESTIONS}
SCENES: dict[str, Callable[[Scene], None]] = {
    "live public feed": public_live.play,
    "live public feed, storm": public_live.play,
    "live private gateway": private_live.play,
    "live ccxt client": ccxt_live.play,
    "live public feed, loopback": loopback.play,
    "live alpaca books": alpaca_live.play_books,
    "live alpaca account": alpaca_live.play_account,
    "live alpaca feed, loopback": alpaca_live.play_loopback,
}
# What twenty-five blocks in a row are; of four hundred two are of real sockets.
ROUND = (
    *("doors", "live public feed", "alpaca doors", "doors", "doors", "live ccxt client", "doors"),
    *("live public feed", "doors", "live public feed, storm", "doors", "doors"),
    *("live private gateway", "doors", "live public feed", "doors", "live ccxt client"),
    *("doors", "live public feed", "doors", "doors"),
    *("live alpaca books", "alpaca doors", "live alpaca account", "alpaca doors"),
)
LOOPBACK_EVERY = 400
MOST_S = 2.0  # of CPU, for one frame and what follows from it until the next
MOST_BYTES = 96 * 2**20  # by which one frame may raise the highest memory ever used


@dataclass
class Tally:
    """What many frames came to."""

    by_target: Counter[str] = field(default_factory=Counter)
    by_way: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[int, str]] = field(default_factory=list)
    cpu_s: float = 0.0
    slowest_s: float = 0.0
    peak_bytes: int = 0

    @property
    def frames(self) -> int:
        """All of them."""
        return sum(self.by_target.values())

    def line(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return {
            **{name: dict(getattr(self, name)) for name in ("by_target", "by_way", "errors")},
            "findings": self.findings,
            "cpu_s": self.cpu_s,
            "slowest_s": self.slowest_s,
            "peak_bytes": self.peak_bytes,
        }

    def add(self, told: dict[str, Any]) -> None:
        """Take in another one's line."""
        for name in ("by_target", "by_way", "errors"):
            getattr(self, name).update(told[name])
        self.findings += [(number, said) for number, said in told["findings"]]
        self.cpu_s += told["cpu_s"]
        self.slowest_s = max(self.slowest_s, told["slowest_s"])
        self.peak_bytes = max(self.peak_bytes, told["peak_bytes"])


class Watch:
    """Looks at the clock and at the memory between one frame and the next."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._began_s = time.process_time()
        self._bytes = _peak()

    def next(self) -> str:
        """What is wrong with the time since the last call; empty when nothing is."""
        now_s, now_bytes = time.process_time(), _peak()
        took_s, grown = now_s - self._began_s, now_bytes - self._bytes
        self._began_s, self._bytes = now_s, now_bytes
        self._tally.slowest_s = max(self._tally.slowest_s, took_s)
        self._tally.peak_bytes = now_bytes
        if took_s > MOST_S:
            return f"{took_s:.1f} s of CPU for one frame"
        return f"{grown >> 20} MiB for one frame" if grown > MOST_BYTES else ""


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def kind_of(block: int) -> str:
    """What a block is."""
    if block % LOOPBACK_EVERY == LOOPBACK_EVERY - 1:
        return "live public feed, loopback"
    if block % LOOPBACK_EVERY == LOOPBACK_EVERY // 2 - 1:
        return "live alpaca feed, loopback"
    return ROUND[block % len(ROUND)]


def run(first: int, count: int, seed: int, step: tuple[int, int] = (0, 1)) -> Iterator[Tally]:
    """Frames `first` to `first + count`, block by block; of every `step[1]` blocks the one."""
    loader.errors()  # imported now, and not in the middle of a frame
    corpus()
    end = first + count
    for block in range(first // BLOCK, -(-end // BLOCK)):
        if block % step[1] == step[0]:
            yield one_block(block, range(first, end), seed)


def one_block(block: int, wanted: range, seed: int, kind: str = "") -> Tally:
    """One block. Of doors the wanted frames alone; a live scene from its beginning."""
    tally, kind = Tally(), kind or kind_of(block)
    began_s = time.process_time()
    numbers = range(block * BLOCK, min((block + 1) * BLOCK, wanted.stop))
    if kind in DOORS:
        for number in numbers[max(0, wanted.start - numbers.start) :]:
            _one_frame(number, seed, kind, tally)
    else:
        _one_life(block, len(numbers), seed, kind, tally)
    tally.cpu_s = time.process_time() - began_s
    return tally


def _one_frame(number: int, seed: int, kind: str, tally: Tally) -> None:
    rng = random.Random(f"{seed} {number}")
    seeds = corpus()
    chosen, asked = doors(seeds) if kind == "doors" else alpaca.doors(), DOORS[kind]
    target = rng.randrange(len(chosen) + len(asked))
    door = chosen[target] if target < len(chosen) else None
    question = asked[target - len(chosen)]
    call = door.kind if door is not None else rng.choice(question.calls)
    ways, payload = mutant(rng, seeds[call])
    name, errors = (door.name, door.errors) if door else (question.name, question.errors)
    tally.by_target[f"door: {name}" if door else f"question: {name}"] += 1
    tally.by_way.update(ways)
    watch = Watch(tally)
    try:
        if door is not None:
            door.take(payload, rng)
        else:
            put_question(question, call, payload, seeds, rng)
    except Exception as error:  # noqa: BLE001  what may come out is what is asked here
        tally.errors[type(error).__name__] += 1
        if not allowed(error, errors):
            tally.findings.append((number, _said(name, ways, error)))
    if late := watch.next():
        tally.findings.append((number, f"{name} ({', '.join(ways)}): {late}"))


def _one_life(block: int, frames: int, seed: int, kind: str, tally: Tally) -> None:
    watch, heard = Watch(tally), [block * BLOCK - 1]
    last: list[tuple[str, ...]] = [()]

    def tell(ways: tuple[str, ...], _payload: bytes) -> None:
        if late := watch.next():
            tally.findings.append((heard[0], f"{kind} ({', '.join(last[0])}): {late}"))
        heard[0], last[0] = heard[0] + 1, ways
        tally.by_target[kind] += 1
        tally.by_way.update(ways)

    rng = random.Random(f"{seed} {kind} {block}")
    scene = Scene(rng, frames, corpus(), tell, storm=kind.endswith("storm"))
    try:
        SCENES[kind](scene)
    except Exception as error:  # noqa: BLE001  as above
        tally.findings.append((heard[0], _said(kind, last[0], error)))
    scene.end()
    if block % 10 == 0:
        gc.collect()


def _said(name: str, ways: tuple[str, ...], error: Exception) -> str:
    said = str(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {error}"
    return f"{name} ({', '.join(ways)}): {said:.300}"
