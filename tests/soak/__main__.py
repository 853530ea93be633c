"""A long run, and whether its bounds hold: `python -m tests.soak`.

`--virtual-hours 24` plays a day of the `volatile` market in virtual time, with storms of failing
calls, troubles, kills and an operator, and has the independent checker look at all of it.
`--minutes 30 --rate 1000` runs a daemon against an exchange over real sockets, with so many book
messages a second, and measures memory, tasks, descriptors and how late the loop is. Either prints
a table, or one line with `--json`. Exit code 1 when a bound is broken.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from tests.soak import sockets, virtual


def main() -> int:
    """Run, tell, and say by the exit code whether all of it holds."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--virtual-hours", type=float, help="hours of market in virtual time")
    kind.add_argument("--minutes", type=float, help="minutes in real time, over sockets")
    parser.add_argument("--rate", type=float, default=1_000, help="book messages a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    began_s = time.monotonic()
    told: virtual.Told | sockets.Told
    if asked.virtual_hours is not None:
        told = virtual.run(asked.seed, asked.virtual_hours)
    else:
        told = sockets.run(asked.minutes, asked.rate, asked.seed)
    figures = told.as_json() | {"seconds": round(time.monotonic() - began_s, 1)}
    broken = told.broken()
    print(json.dumps(figures | {"broken": broken}) if asked.json else table(figures))
    for said in broken:
        print(said, file=sys.stderr)
    return 1 if broken else 0


def table(figures: dict[str, Any]) -> str:
    """A figure a line."""
    return "\n".join(f"{name.replace('_', ' '):22} {_words(of)}" for name, of in figures.items())


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{one} {count}" for one, count in value.items()) or "none"
    return str(len(value) if isinstance(value, list) else value)


if __name__ == "__main__":
    raise SystemExit(main())
