"""A day of the log at DEBUG, and whether its folder stays within its bound.

`python -m tests.soak.log_days --hours 24` plays events as a bad day has them, in virtual time and
as many as the log lets through, through the very log that `live` has: after every so many lines the
folder is measured. In the middle the process ends and another begins; at times the disk is full.
Exit code 1 when the folder was ever larger than its bound.
"""

from __future__ import annotations

import argparse
import errno
import io
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from arbit.app.log_file import FOLDER, open_log_file
from arbit.clock import SystemClock
from arbit.config import LogSettings, Settings
from arbit.domain import events
from arbit.domain.book import Disbelief
from arbit.domain.events import Event
from arbit.telemetry.logs import EventLog, set_up_logs

SECOND_NS = 1_000_000_000
STEP_NS = 50_000_000  # twenty lines a second is what the log lets through
LOOK = 50  # lines between two looks at the folder
LIVES = 3
FULL = 0.02  # of the looks, the disk is full until the next


@dataclass
class Told:
    """What was measured."""

    hours: float
    events: int = 0
    lines: int = 0
    lost: int = 0
    bound_bytes: int = 0
    most_bytes: int = 0
    most_files: int = 0

    def broken(self) -> list[str]:
        """What does not hold, in words."""
        found = []
        if self.most_bytes > self.bound_bytes:
            found.append(f"the folder had {self.most_bytes} bytes of {self.bound_bytes}")
        if self.lines < self.events // 2:
            found.append(f"of {self.events} events {self.lines} were written: this shows nothing")
        return found


class Clock(SystemClock):
    """Time that is set."""

    now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return 1_790_000_000 * SECOND_NS + self.now_ns


class Nowhere(io.StringIO):
    """What nobody reads."""

    def write(self, text: str) -> int:
        return len(text)


def happening(number: int, rng: random.Random) -> Event:
    """Something that a bad day has; each about something of its own, so that it is written."""
    symbol, text = f"A{number}/USD", "x" * rng.randrange(600)
    return (
        events.EpisodeEnded("kraken", f"USD>A{number}>USD", "gross", 4.1, 12.0, 0.5),
        events.BookDisbelieved("kraken", symbol, Disbelief.CHECKSUM, text),
        events.VenueSaid("kraken", text, symbol),
        events.OrderEnded("kraken", symbol, "rejected", text, f"c{number}", f"o{number}"),
        events.IncidentSeen("kraken", "late_fill", text, f"c{number}", f"o{number}"),
    )[number % 5]


def run(hours: float, seed: int = 1, settings: LogSettings | None = None) -> Told:
    """All of it."""
    told, rng, clock = Told(hours), random.Random(seed), Clock()
    write: Callable[..., int] = os.write

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def patch(name: str, how: Callable[..., int]) -> None:
        setattr(os, name, how)

    log_settings = settings or LogSettings()
    told.bound_bytes = log_settings.files * log_settings.file_kib * 1024
    steps = int(hours * 3_600 * SECOND_NS / STEP_NS)
    with tempfile.TemporaryDirectory() as folder:
        whole = Settings(data_dir=Path(folder) / "var", log=log_settings)
        for life in range(LIVES):
            with ExitStack() as stack:
                file, _ = open_log_file(whole, clock, stack)
                assert file is not None
                logger = set_up_logs(
                    as_json=False,
                    level="debug",
                    wall_ns=clock.wall_ns,
                    stream=Nowhere(),
                    file=file,
                )
                log = EventLog(logger, clock.monotonic_ns, run="abcde")
                for step in range(steps * life // LIVES, steps * (life + 1) // LIVES):
                    clock.now_ns += STEP_NS
                    log(happening(step, rng))
                    if step % LOOK == 0:
                        measure(told, whole.data_dir / FOLDER)
                        patch("write", full if rng.random() < FULL else write)
                patch("write", write)
                measure(told, whole.data_dir / FOLDER)
                told.lost += file.lost + log.unwritten
        told.events = steps
        told.lines = steps - told.lost
    return told


def measure(told: Told, folder: Path) -> None:
    """How much lies in the folder, whatever it is."""
    sizes = [path.stat().st_size for path in folder.rglob("*")]
    told.most_bytes = max(told.most_bytes, sum(sizes))
    told.most_files = max(told.most_files, len(sizes))


def main() -> int:
    """Play, tell, and say by the exit code whether it holds."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began_s = time.monotonic()
    told = run(asked.hours, asked.seed)
    print(json.dumps(asdict(told) | {"seconds": round(time.monotonic() - began_s, 1)}, indent=2))
    said = told.broken()
    print("\n".join(said) or "it holds")
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main())
