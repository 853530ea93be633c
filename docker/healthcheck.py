"""Whether the daemon of this container decides: exit 0 and one line when it does, else 1.

`python healthcheck.py SECONDS` asks /healthz on this machine's own address. It is well while the
daemon turns (that is /healthz's own word) and each venue decided within so many seconds. A venue
whose first book has not come yet is not well: the container's start period allows for that.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

ANSWER_S = 3.0
DAEMON = "127.0.0.1"


def judged(told: Mapping[str, Any], most_s: float) -> list[str]:
    """Why it is not well, a line for each venue; nothing when it is."""
    why = []
    for venue, said in sorted(told["venues"].items()):
        ago_s = said["decided_ago_s"]
        if not said["ok"]:
            why.append(f"{venue}: {said['why']}")
        elif ago_s is None:
            why.append(f"{venue}: nothing was decided yet")
        elif ago_s > most_s:
            why.append(f"{venue}: decided {ago_s:.0f} s ago, expected {most_s:g} s at most")
    if not told["venues"]:
        why.append("no venue is watched yet")
    return why


def asked(port: int) -> Mapping[str, Any]:
    """What /healthz says; OSError, HTTPException or ValueError when nothing of ours answers."""
    line = http.client.HTTPConnection(DAEMON, port, timeout=ANSWER_S)
    try:
        line.request("GET", "/healthz")
        told: Mapping[str, Any] = json.loads(line.getresponse().read(65_536))
    finally:
        line.close()
    return told


def main() -> int:
    """Ask and judge."""
    port = int(os.environ.get("ARBIT_METRICS_PORT", "9464"))
    try:
        why = judged(asked(port), float(sys.argv[1]))
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        why = [f"{DAEMON}:{port} does not tell how it is: {type(error).__name__}: {error}"]
    sys.stdout.write("; ".join(why) + "\n" if why else "well\n")
    return 1 if why else 0


if __name__ == "__main__":
    raise SystemExit(main())
