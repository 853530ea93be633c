"""Every panel and rule against a real Prometheus: `python -m tests.prometheus`, five minutes.

A daemon trades on a sandbox of its own; whatever a panel or the left side of a rule asks for must
answer; then each rule is made to fire once. Rules hold for a second and look at a quarter of a
minute here, instead of minutes and hours; how long they really take, `promtool test rules` proves.
Exit code 1 when a panel has no data or a rule does not fire.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from arbit.telemetry.rules import RULES
from tests.prometheus.server import BINARY, MISSING, expressions
from tests.prometheus.story import CHAPTERS, data, scene


def main() -> int:
    """The whole story."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", help="chapters to play, by comma; default: all")
    asked = parser.parse_args()
    as_json, only = asked.json, set(filter(None, asked.only.split(",")))
    if BINARY is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1
    began_s, fired, failed = time.monotonic(), list[str](), list[str]()
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder)) as at:
        silent = data(at)
        for chapter, names in CHAPTERS:
            if only and chapter.__name__ not in only:
                continue
            try:
                chapter(at)
                fired += names
            except AssertionError as never:
                failed.append(f"{chapter.__name__}: {never}")
            if not as_json:
                said = failed[-1] if failed and chapter.__name__ in failed[-1] else "fired"
                print(
                    f"{time.monotonic() - began_s:6.1f} s  {', '.join(names)}: {said}", flush=True
                )
    missed = sorted({rule.name for rule in RULES} - set(fired))
    told = {
        "expressions": len(expressions()),
        "without_data": silent,
        "rules": len(RULES),
        "fired": len(fired),
        "missed": missed,
        "failed": failed,
        "seconds": round(time.monotonic() - began_s, 1),
    }
    print(json.dumps(told))
    return 1 if silent or missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
