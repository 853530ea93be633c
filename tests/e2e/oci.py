"""Runs a service of the compose files under runc: the engine that Docker itself starts.

Read-only root, user, capabilities, limits, mounts and a network of its own are the kernel's, so
what holds here holds there. The image is one that buildah built; needs root, buildah and runc.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.compose import SECRETS, Service

TOOLS = ("buildah", "runc", "ip", "nsenter")
LOOK_S = 0.25
WELL_WITHIN_S = 90.0  # the image's own start period
_MOUNTS = (
    ("/proc", "proc", "proc", ("nosuid", "noexec", "nodev")),
    ("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    (
        "/dev/shm",  # noqa: S108  inside the container
        "tmpfs",
        "shm",
        ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
    ),
    ("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
)
_NONE: Mapping[str, list[str]] = {
    kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")
}


class Unfit(Exception):
    """A service did not do what was expected of it; the text says what was seen."""


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: its root, and what it says of how it is run."""

    root: Path
    entrypoint: tuple[str, ...]
    environment: Mapping[str, str]
    workdir: str
    user: str
    healthcheck: tuple[str, ...]


def missing() -> list[str]:
    """Tools that are not here."""
    return [name for name in TOOLS if shutil.which(name) is None]


def run(*words: str, check: bool = True) -> str:
    """What a command prints. Unfit with its last words when it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    if check and done.returncode:
        raise Unfit(f"{' '.join(words[:3])}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout.strip()


@contextmanager
def mounted(name: str) -> Iterator[Image]:
    """A container of this image, for as long as the block lasts."""
    container = run("buildah", "from", "--pull-never", name)
    try:
        root = Path(run("buildah", "mount", container))
        told = json.loads(run("buildah", "inspect", container))["Docker"]["config"]
        yield Image(
            root=root,
            entrypoint=tuple(told["Entrypoint"]),
            environment=dict(line.split("=", 1) for line in told["Env"]),
            workdir=told["WorkingDir"],
            user=told["User"],
            healthcheck=tuple((told.get("Healthcheck") or {}).get("Test", ())[1:]),
        )
    finally:
        run("buildah", "rm", container, check=False)


@contextmanager
def network(name: str) -> Iterator[str]:
    """A network with nothing but this machine's own address in it: nothing can be reached."""
    run("ip", "netns", "delete", name, check=False)
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield f"/var/run/netns/{name}"
    finally:
        run("ip", "netns", "delete", name, check=False)


def bundle(
    image: Image, service: Service, binds: Mapping[str, Path], netns: str, command: Sequence[str]
) -> dict[str, Any]:
    """The runtime's own configuration for a service; `binds` are its volumes and secrets."""
    uid, gid = service.user
    environment = {**image.environment, **service.environment}
    mounts = [_mount(*one) for one in _MOUNTS]
    for where, options in service.tmpfs.items():
        mounts.append(_mount(where, "tmpfs", "tmpfs", options))
    for where, source in binds.items():
        how = ("rbind", "ro") if where.startswith(SECRETS) else ("rbind", "rw", "nosuid", "nodev")
        mounts.append(_mount(where, "bind", str(source), how))
    limits = (("RLIMIT_CORE", service.core_bytes), ("RLIMIT_NOFILE", service.files))
    return {
        "ociVersion": "1.0.2",
        "hostname": service.name,
        "root": {"path": str(image.root), "readonly": service.read_only},
        "process": {
            "terminal": False,
            "user": {"uid": uid, "gid": gid},
            "args": list(command),
            "env": [f"{key}={value}" for key, value in environment.items()],
            "cwd": image.workdir,
            "noNewPrivileges": service.no_new_privileges,
            "capabilities": dict(_NONE) if service.no_capabilities else {},
            "rlimits": [
                {"type": name, "soft": most, "hard": most} for name, most in limits if most >= 0
            ],
        },
        "mounts": mounts,
        "linux": {
            "namespaces": [
                *({"type": kind} for kind in ("pid", "ipc", "uts", "mount")),
                {"type": "network", "path": netns},
            ],
            "resources": {"memory": {"limit": service.memory}, "pids": {"limit": service.pids}},
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"],
        },
    }


def _mount(where: str, kind: str, source: str, options: Sequence[str]) -> dict[str, Any]:
    return {"destination": where, "type": kind, "source": source, "options": list(options)}


class Container:
    """One container of a bundle, from its start to its end."""

    def __init__(self, name: str, folder: Path, configuration: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(configuration), encoding="utf-8")
        self.name = name
        self.output = folder / "output.txt"
        run("runc", "delete", "--force", name, check=False)
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                ["runc", "run", "--bundle", str(folder), name],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        """Everything it printed."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        """Its first process, as this machine counts."""
        return int(json.loads(run("runc", "state", self.name))["pid"])

    def exec(self, *words: str) -> tuple[int, str]:
        """Exit code and output of a command inside it, as its own user."""
        done = subprocess.run(
            ["runc", "exec", self.name, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    def until(self, *words: str, within_s: float = WELL_WITHIN_S) -> float:
        """Run a command inside until it succeeds; how many seconds that took. Unfit if never."""
        began_s, said = time.monotonic(), ""
        while time.monotonic() - began_s < within_s:
            if self._process.poll() is not None:
                raise Unfit(f"{self.name} ended ({self._process.returncode}): {self.said[-600:]}")
            try:
                code, said = self.exec(*words)
            except subprocess.TimeoutExpired:
                code = 1
            if code == 0:
                return time.monotonic() - began_s
            time.sleep(LOOK_S)
        raise Unfit(f"{self.name}: {' '.join(words)}: still {said[-200:]!r} after {within_s:g} s")

    def peak_memory(self) -> int:
        """Most memory that it ever had, in bytes, as its control group counts; 0 where unknown."""
        for line in Path(f"/proc/{self.pid}/cgroup").read_text(encoding="ascii").splitlines():
            _, kinds, where = line.split(":", 2)
            if kinds == "memory":
                base = Path("/sys/fs/cgroup/memory") / where.lstrip("/")
                return int((base / "memory.max_usage_in_bytes").read_text(encoding="ascii"))
            if (
                kinds == ""
                and (Path("/sys/fs/cgroup") / where.lstrip("/") / "memory.peak").exists()
            ):
                peak = Path("/sys/fs/cgroup") / where.lstrip("/") / "memory.peak"
                return int(peak.read_text(encoding="ascii"))
        return 0

    def ended(self, within_s: float) -> int:
        """Its exit code. Unfit when it does not end in time."""
        try:
            return self._process.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            raise Unfit(f"{self.name}: still there after {within_s:g} s") from None

    def stop(self, within_s: float) -> tuple[int, float]:
        """SIGTERM, as `docker stop` does: exit code and how many seconds it took."""
        began_s = time.monotonic()
        run("runc", "kill", self.name, "TERM")
        return self.ended(within_s), time.monotonic() - began_s

    def remove(self) -> None:
        """Whatever is left of it."""
        run("runc", "delete", "--force", self.name, check=False)
        self._process.wait(timeout=30)
