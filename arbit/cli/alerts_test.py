"""`arbit alerts:test`: does it reach somebody?"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from arbit.cli.exits import Code

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


def alerts_test(as_json: Json = False) -> None:
    """Send one alert to each receiver that is set, and ask the dead man's address once.

    Exit code 4 when one of them did not take it.

    Example: arbit alerts:test
    """
    from arbit.app.alerts.alerts_test import run_alerts_test
    from arbit.config import load_settings

    tried = run_alerts_test(load_settings())
    if as_json:
        sys.stdout.write(json.dumps({"tried": [asdict(one) for one in tried]}, indent=2) + "\n")
    else:
        for one in tried:
            print(f"{one.receiver}: {'arrived' if one.arrived else one.why} ({one.ms:.0f} ms)")
    if not all(one.arrived for one in tried):
        raise typer.Exit(Code.UNREACHABLE)
