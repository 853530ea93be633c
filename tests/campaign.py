"""What every campaign's command does alike: it shares work among processes, and runs seeds."""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

OVER = ""  # a worker says nothing more; no line is empty
MOST_TOLD = 5  # findings of one seed
USUAL = "kraken"  # house


class Tally(Protocol):
    """What many seeds came to."""

    def add(self, told: dict[str, Any]) -> None:
        """One seed's line."""
        ...


def gathered(
    commands: Iterable[Sequence[str]], *, ends_well: Collection[int] = (0,)
) -> Iterator[dict[str, Any]]:
    """The JSON lines of these `python -m` commands, all run at once, as they come.

    A thread for each takes its lines off its hands: a pipe holds a minute's worth of them, and a
    worker whose pipe is full stands still. SystemExit when one ends otherwise than well.
    """
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen(worker: subprocess.Popen[str]) -> None:
        for line in worker.stdout or ():
            lines.put(line)
        lines.put(OVER)

    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen([sys.executable, "-m", *one], stdout=subprocess.PIPE, text=True)
            )
            for one in commands
        ]
        for worker in workers:
            threading.Thread(target=listen, args=(worker,), daemon=True).start()
        for _ in workers:
            yield from map(json.loads, iter(lines.get, OVER))
        for worker in workers:
            if worker.wait() not in ends_well:
                raise SystemExit(f"a worker ended with {worker.returncode}")


def asked_for(says: str, seeds: int, houses: Sequence[str] = ()) -> argparse.Namespace:
    """The arguments of a command that runs seeds; `seeds` is how many unless it is told.

    `houses` are the venues that it can play, the first one unless another is named.
    """
    parser = argparse.ArgumentParser(description=says)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--hashes", action="store_true")
    parser.add_argument("--backwards", action="store_true", help="the last seed first")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--step", type=int, default=1, help=argparse.SUPPRESS)
    if houses:
        parser.add_argument("--house", choices=houses, default=houses[0])
    return parser.parse_args()


def housed(asked: argparse.Namespace) -> list[str]:
    """The arguments that name its house, where it is not the usual one."""
    house = getattr(asked, "house", USUAL)
    return [] if house == USUAL else ["--house", house]


def run(
    module: str, asked: argparse.Namespace, lines: Iterator[dict[str, Any]], tally: Tally
) -> None:
    """Tell each seed's line to the tally, with its hash or its findings; a worker prints it.

    `lines` are those of this process, which are not asked for where several share the seeds.
    """
    if asked.jobs > 1 and not asked.worker:
        lines = gathered(_shares(module, asked))
    for told in lines:
        if asked.worker:
            print(json.dumps(told), flush=True)
            continue
        tally.add(told)
        if asked.hashes:
            print(told["seed"], told["hash"])
        _say(" ".join([module, *housed(asked)]), told)


def seeds_of(asked: argparse.Namespace) -> range:
    """The seeds that this process is to run."""
    if asked.seed is not None:
        return range(asked.seed, asked.seed + 1)
    seeds = range(asked.start, asked.start + asked.seeds, asked.step)
    return seeds[::-1] if asked.backwards else seeds


def _shares(module: str, asked: argparse.Namespace) -> Iterator[list[str]]:
    seeds = sorted(seeds_of(asked))
    order = ["--backwards"] if asked.backwards else []
    for number in range(asked.jobs):
        shares = ["--start", str(seeds[0] + number), "--seeds", str(len(seeds) - number)]
        yield [module, "--worker", *shares, "--step", str(asked.jobs), *order, *housed(asked)]


def _say(module: str, told: Mapping[str, Any]) -> None:
    seed, found = told["seed"], told["violations"]
    for said in found[:MOST_TOLD]:
        print(f"seed {seed}: {said}\n    python -m {module} --seed {seed}", flush=True)
    if len(found) > MOST_TOLD:
        print(f"seed {seed}: and {len(found) - MOST_TOLD} more", flush=True)
