"""Each of our compose services in the built image: `python -m tests.e2e.compose_services`.

For every service its very command, user, mounts, environment and limits are run under runc. Beside
`kraken` and `alpaca` our own exchange answers, for nothing else can be reached. Each must become
well by the image's own health-check, be asked for its metrics from beyond its own address, write
nowhere but in its volume, stop in time on SIGTERM, and leave a database that agrees with itself.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.e2e import oci
from tests.e2e.compose import BASE, MIB, OURS, SECRETS, Service, files, service

BEYOND = "10.77.0.2"
PORT = 9464
FACES: Mapping[str, str] = {"kraken": "kraken", "alpaca": "alpaca"}
MADE_UP: Mapping[str, str] = {  # the sandbox's own keys, public and worth nothing
    "alpaca_api_key": "SANDBOXALPACATRADEKEY",
    "alpaca_api_secret": "sandbox-alpaca-secret-made-up-and-public",
}
_PLACES = "/x /usr/local/lib/arbit/x /etc/x"
_ELSEWHERE = f"for f in {_PLACES}; do touch $f && echo WROTE $f; done 2>/dev/null; true"
_PAGE = f"""
import http.client
line = http.client.HTTPConnection("{BEYOND}", {PORT}, timeout=5)
line.request("GET", "/metrics", headers={{"Host": "fitness:{PORT}"}})
text = line.getresponse().read().decode()
print(sum(not one.startswith("#") for one in text.splitlines()))
"""


def main() -> int:
    """Run them one after the other; a line of JSON each, and exit code 1 when one is unfit."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--image", default="localhost/arbit")
    parser.add_argument("--only", default=",".join(OURS))
    parser.add_argument("--secs", type=float, default=10.0, help="how long each runs when well")
    asked = parser.parse_args()
    if oci.missing() or os.geteuid() != 0:
        sys.stderr.write(f"needs root and {', '.join(oci.TOOLS)}: no {oci.missing()}\n")
        return 2
    unfit = 0
    with oci.mounted(asked.image) as image:
        said = files(BASE)
        for name in asked.only.split(","):
            told: dict[str, Any] = {"service": name}
            try:
                told |= _tried(image, service(name, said[name], os.environ), asked.secs)
            except oci.Unfit as why:
                told["unfit"] = str(why)
                unfit += 1
            print(json.dumps(told), flush=True)
    return 1 if unfit else 0


def _tried(image: oci.Image, one: Service, secs: float) -> dict[str, Any]:
    if tuple(map(int, image.user.split(":"))) != one.user:
        raise oci.Unfit(f"the image runs as {image.user}, compose says {one.user}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        netns = stack.enter_context(oci.network(f"arbit-{one.name}"))
        run_as = replace(
            one, environment={**one.environment, **_exchange(image, one, netns, stack)}
        )
        binds = _binds(one, folder)
        command = [*image.entrypoint, *one.command]
        config = oci.bundle(image, run_as, binds, netns, command)
        with _started(f"arbit-e2e-{one.name}", folder / "run", config) as container:
            told = _looked_at(image, one, container, secs)
            code, took_s = container.stop(one.grace_s)
        if code != 0:
            raise oci.Unfit(f"stopped with {code}: {container.said[-600:]}")
        told |= {"stopped_s": round(took_s, 1), "kept": sorted(_kept(folder))}
        if "live" in one.command:
            command = [*image.entrypoint, "db", "check"]
            after = oci.bundle(image, run_as, binds, netns, command)
            with _started(f"arbit-e2e-{one.name}-db", folder / "db", after) as check:
                if check.ended(60.0) != 0:
                    raise oci.Unfit(f"db check: {check.said[-600:]}")
                told["db_check"] = check.said.strip().splitlines()[-1]
        return told


def _looked_at(
    image: oci.Image, one: Service, container: oci.Container, secs: float
) -> dict[str, Any]:
    """What is seen of it while it runs."""
    well_s = container.until(*image.healthcheck)
    _, wrote = container.exec("sh", "-c", _ELSEWHERE)
    if wrote:
        raise oci.Unfit(wrote)
    status = Path(f"/proc/{container.pid}/status").read_text(encoding="ascii")
    for line in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"):
        if line not in status:
            raise oci.Unfit(f"expected {line!r} in its status")
    inside = ["nsenter", "-t", str(container.pid), "-n"]
    oci.run(*inside, "ip", "address", "add", f"{BEYOND}/24", "dev", "lo")
    lines = int(oci.run(*inside, sys.executable, "-c", _PAGE))
    time.sleep(secs)
    container.until(*image.healthcheck, within_s=10.0)
    return {
        "command": list(one.command),
        "user": "{}:{}".format(*one.user),
        "well_s": round(well_s, 1),
        "metric_lines": lines,
        "peak_mib": container.peak_memory() // MIB,
        "limit_mib": one.memory // MIB,
    }


@contextmanager
def _started(name: str, folder: Path, config: Mapping[str, Any]) -> Iterator[oci.Container]:
    container = oci.Container(name, folder, config)
    try:
        yield container
    finally:
        container.remove()


def _binds(one: Service, folder: Path) -> dict[str, Path]:
    """Volumes and secrets on this machine, owned as an engine or the runbook has them."""
    binds = {}
    for where in one.volumes:
        source = folder / "volume"
        source.mkdir(mode=0o700)
        os.chown(source, *one.user)
        binds[where] = source
    for name in one.secrets:
        path = folder / name
        path.write_text(MADE_UP[name] + "\n", encoding="ascii")
        path.chmod(0o400)
        os.chown(path, *one.user)
        binds[f"{SECRETS}/{name}"] = path
    return binds


def _kept(folder: Path) -> list[str]:
    return [path.name for path in (folder / "volume").iterdir()]


def _exchange(image: oci.Image, one: Service, netns: str, stack: ExitStack) -> dict[str, str]:
    """Our own exchange in the service's network, in the place of the venue; nothing for others."""
    face = FACES.get(one.name)
    if face is None:
        return {}
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
    words = ["python", "-m", "arbit.sandbox", "--face", face, "--json", "--port", "8770"]
    alone = replace(one, environment={}, tmpfs={}, secrets=())
    config = oci.bundle(image, alone, {}, netns, words)
    exchange = stack.enter_context(_started(f"arbit-e2e-{face}-venue", folder, config))
    end_s = time.monotonic() + oci.WELL_WITHIN_S
    while not exchange.said.strip().endswith("}"):
        if time.monotonic() > end_s:
            raise oci.Unfit(f"our exchange did not start: {exchange.said[-400:]}")
        time.sleep(oci.LOOK_S)
    told = json.loads(exchange.said)
    names = {"rest": "REST_URL", "ws": "WS_URL", "data": "DATA_URL", "private_ws": "PRIVATE_WS_URL"}
    start = f"ARBIT_VENUES__{one.name.upper()}__"
    return {start + key: told[said] for said, key in names.items() if told.get(said)}


if __name__ == "__main__":
    raise SystemExit(main())
