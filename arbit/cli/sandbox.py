"""`arbit sandbox`: our own exchange as a long-running server on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Annotated

import typer

from arbit.cli import completion
from arbit.cli.completion import FACES, PROFILES
from arbit.cli.numbers import whole
from arbit.domain.errors import UserError

Profile = Annotated[
    str,
    typer.Option(help="calm, volatile, thin or whole-venue.", autocompletion=completion.profiles),
]
Seed = Annotated[str, typer.Option(help="Same seed, same market.")]
Port = Annotated[str, typer.Option(help="0 takes a free port.")]
Face = Annotated[
    str,
    typer.Option(
        help="Whose wire to speak: kraken or alpaca.",
        autocompletion=completion.among(*FACES),
    ),
]
Frozen = Annotated[bool, typer.Option("--frozen", help="Start with the market standing still.")]
Json = Annotated[bool, typer.Option("--json", help="Nothing but one JSON line.")]


def sandbox(
    profile: Profile = "calm",
    seed: Seed = "1",
    port: Port = "0",
    frozen: Frozen = False,
    face: Face = "kraken",
    as_json: Json = False,
) -> None:
    """Serve a synthetic exchange on 127.0.0.1 that speaks Kraken's wire, or Alpaca's.

    Point any client of that venue at it: nothing it shows is a real market.

    Example: arbit sandbox --profile volatile --port 8770
    """
    for option, text, names in (("--profile", profile, PROFILES), ("--face", face, FACES)):
        if text not in names:
            raise UserError(f"{option} {text!r}: expected one of {', '.join(names)}")
    seeded, where = whole("--seed", seed, 0, 2**63 - 1), whole("--port", port, 0, 65_535)
    arguments = ["--profile", profile, "--seed", f"{seeded}", "--port", f"{where}", "--json"]
    arguments += ["--face", face]
    raise SystemExit(_serve([*arguments, *(["--frozen"] if frozen else [])], as_json))


def _serve(arguments: list[str], as_json: bool) -> int:
    """Run the exchange as a child, so that this process shares no code with it."""
    command = [sys.executable, "-m", "arbit.sandbox", "--ends-with-parent", *arguments]
    from arbit.config.childs import childs_environment

    pipe, environment = subprocess.PIPE, childs_environment()
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as child:
        try:
            line = child.stdout.readline() if child.stdout is not None else b""
            if line:
                _announce(json.loads(line), line.decode().strip(), as_json)
            return child.wait()
        except KeyboardInterrupt:  # the child heard it too, and is leaving
            if child.stdin is not None:
                child.stdin.close()
            child.wait()
            return 0


def _announce(ready: dict[str, object], line: str, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(line + "\n")
    else:
        sys.stdout.write(
            f"SYNTHETIC MARKET: nothing here is real (profile {ready['profile']}, "
            f"seed {ready['seed']}).\nREST      {ready['rest']}\nWebSocket {ready['ws']}\n"
            f"{_more(ready)}Stop with Ctrl-C.\n"
        )
    sys.stdout.flush()


def _more(ready: dict[str, object]) -> str:
    """The addresses that only Alpaca's face has."""
    if "private_ws" not in ready:
        return ""
    return f"Data      {ready['data']}\nUpdates   {ready['private_ws']}\n"
