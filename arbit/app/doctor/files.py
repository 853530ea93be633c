"""Looks at folders and files: data, disk, locks, the log, and who may read the secrets."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from arbit.app.doctor.report import Ask, Found, fails, skips, warns, well
from arbit.app.log_file import FOLDER, KIB
from arbit.config import Settings
from arbit.config.secrets import readable_by_others
from arbit.config.text import read_env_file, shown

MIB = 1024 * 1024
LEAST_FREE, GOOD_FREE = 64 * MIB, 512 * MIB
SLOW_NS = 1_000_000_000
OTHERS_WRITE, OTHERS_READ = stat.S_IWGRP | stat.S_IWOTH, 0o077
POSIX = os.name == "posix"


def check_data_folder(ask: Ask) -> Iterator[Found]:
    """It is there or can be made, it is ours, and nobody else looks into it."""
    if ask.settings is not None:
        yield _folder(ask.settings.data_dir.absolute(), "ARBIT_DATA_DIR")


def check_lock_folder(ask: Ask) -> Iterator[Found]:
    """The same of the folder whose locks keep two daemons off one account."""
    if ask.settings is None:
        return
    try:
        folder = ask.settings.lock_dir.expanduser().absolute()
    except RuntimeError:
        yield fails(
            f"{ask.settings.lock_dir}: there is no home folder",
            "set ARBIT_LOCK_DIR to a folder that every start of this user shares",
        )
        return
    yield _folder(folder, "ARBIT_LOCK_DIR")


def _folder(path: Path, key: str) -> Found:
    if not path.exists():
        above = nearest(path)
        if not os.access(above, os.W_OK | os.X_OK):
            return fails(
                f"{path} is not there and cannot be made: {above} cannot be written",
                f"make {above} writable, or set {key} to a folder that is",
            )
        return well(f"{path} is not there yet and will be made")
    if not path.is_dir():
        return fails(f"{path} is no folder", f"set {key} to a folder, or move that file away")
    said = path.stat()
    if POSIX and said.st_uid != os.geteuid():
        return fails(
            f"{path} belongs to user {said.st_uid}, we are {os.geteuid()}",
            f"sudo chown -R {os.geteuid()} {path}",
        )
    mode = stat.S_IMODE(said.st_mode)
    if POSIX and mode & OTHERS_WRITE:
        return fails(f"{path}: others may write there (mode {mode:o})", f"chmod 700 {path}")
    if POSIX and mode & OTHERS_READ:
        return warns(f"{path}: others may look into it (mode {mode:o})", f"chmod 700 {path}")
    if not os.access(path, os.W_OK | os.X_OK):
        return fails(f"{path} cannot be written", f"chmod 700 {path}, or set {key} to another")
    return well(f"{path} (mode {mode:o})")


def check_disk(ask: Ask) -> Iterator[Found]:
    """Something is really written, and really on the disk; and there is room for more."""
    if ask.settings is None:
        return
    path = ask.settings.data_dir.absolute()
    if path.is_dir():
        yield _written(ask, path)
    else:
        yield skips(f"{path} is not there yet: nothing is written where nobody asked", "write")
    yield _room(nearest(path))


def _written(ask: Ask, path: Path) -> Found:
    began_ns = ask.clock.monotonic_ns()
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".doctor-") as file:
            file.write(b"arbit" * 1000)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return fails(f"{path}: {error.strerror}", _mend(error, path), "write")
    took_ns = ask.clock.monotonic_ns() - began_ns
    seen = f"written and on the disk in {took_ns / 1e6:.0f} ms"
    if took_ns > SLOW_NS:
        slow = "put the data folder on a local disk: each order waits for this"
        return warns(seen, slow, "write")
    return well(seen, "write")


def _mend(error: OSError, path: Path) -> str:
    words = error.strerror or ""
    if "Read-only" in words:
        return f"mount it for writing, or set ARBIT_DATA_DIR to a folder on another disk ({path})"
    if "space" in words or "quota" in words.lower():
        return f"the disk is full: free some space there ({path}), or set ARBIT_DATA_DIR"
    return f"chmod 700 {path}, or set ARBIT_DATA_DIR to a folder that can be written"


def _room(path: Path) -> Found:
    free = shutil.disk_usage(path).free
    seen = f"{free // MIB} MiB free"
    if free < LEAST_FREE:
        fix = f"the disk is full: free some space there ({path}), or set ARBIT_DATA_DIR"
        return fails(f"{seen}, {LEAST_FREE // MIB} are the least", fix, "space")
    if free < GOOD_FREE:
        return warns(seen, f"free some space: {GOOD_FREE // MIB} MiB are good for months", "space")
    return well(seen, "space")


def check_log(ask: Ask) -> Iterator[Found]:
    """It is within its bound, and the disk has room for all that the bound allows."""
    if ask.settings is None:
        return
    if not ask.settings.log.file:
        yield well("no log file is kept (ARBIT_LOG__FILE=false)")
        return
    folder = ask.settings.data_dir.absolute() / FOLDER
    most, used = log_bound(ask.settings, folder), _size(folder)
    seen = f"{used // KIB} KiB of at most {most // KIB} KiB"
    if used > most:
        fix = f"delete the oldest files in {folder}, or raise ARBIT_LOG__FILES"
        yield fails(f"{folder}: {seen}", fix)
        return
    free = shutil.disk_usage(nearest(folder)).free
    if most - used > free:
        fix = "lower ARBIT_LOG__FILES or ARBIT_LOG__FILE_KIB, or free some space"
        yield warns(f"{seen}, and only {free // KIB} KiB are free", fix)
        return
    yield well(seen)


def log_bound(settings: Settings, folder: Path) -> int:
    """Bytes that the log may have: so much for each process that has kept one there."""
    sets = max(1, len(list(folder.glob("*.lock"))))
    return sets * settings.log.files * settings.log.file_kib * KIB


def check_secrets(ask: Ask) -> Iterator[Found]:
    """A file with secrets in it is its owner's alone."""
    path = Path(ask.env_file)
    if not path.is_file():
        yield well(f"no {path} here")
        return
    if not POSIX:
        yield skips("this system knows no modes of files")
        return
    lines, _ = read_env_file(path, required=False)
    secret = any(key.startswith("ARBIT_") and text for _, key, text in lines if hides(key, text))
    why = readable_by_others(path)
    if secret and why:
        yield fails(f"{path} holds secrets: {why}", f"chmod 600 {path}")
    else:
        yield well(f"{path}: {'its owner alone reads it' if secret else 'no secret is in it'}")


def hides(key: str, text: str) -> bool:
    """Whether this setting may be a secret: then it is never shown."""
    return bool(text) and shown(key, text) == "***"


def nearest(path: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next((one for one in (path, *path.parents) if one.is_dir()), Path("/"))


def _size(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    return sum(one.stat().st_size for one in folder.iterdir() if one.is_file())
