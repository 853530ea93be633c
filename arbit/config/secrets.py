"""Secrets in files, as containers and service managers hand them over, and who may read those.

Every secret setting has a second key that ends in `_FILE` and names a file with the secret in it.
A file, `.env` with secrets in it included, is refused when others on this machine may read it. What
lies under `RUNTIME` is there for one container or one service alone, and its mode is the runtime's.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from arbit.config.text import Gathered, Said

FILE = "_file"
RUNTIME = (Path("/run/secrets"), Path("/run/credentials"))
MAX_BYTES = 4_096
_OTHERS_READ, _OTHERS_WRITE = 0o077, 0o022

Place = tuple[str, ...]


def is_secret(info: FieldInfo | None) -> bool:
    """Whether a setting is one that is never shown."""
    return info is not None and SecretStr in (info.annotation, *get_args(info.annotation))


def from_files(gathered: Gathered, secrets: Mapping[Place, Place]) -> Iterator[str]:
    """Put what files hold in the place of their names, and tell what is wrong with them.

    `secrets` has, by the path of each `_FILE` setting that was said, the path of its secret.
    """
    for path, target in secrets.items():
        said = gathered.said.pop(path)
        if said.value == "":
            continue
        beside = gathered.said.get(target)
        if beside is not None and beside.value != "":
            yield f"{said.name}: expected without {beside.name}, one of the two"
            continue
        try:
            secret = secret_in(str(said.value))
        except ValueError as error:
            yield f"{said.name}: {error}"
        else:
            gathered.said[target] = Said(said.label, secret, f"{said.source}, in a file")


def secret_in(name: str, runtime: Sequence[Path] = RUNTIME) -> str:
    """What a file holds, without the end of its line. ValueError says what was expected."""
    try:
        real = os.path.realpath(name, strict=True)
        # Neither a pipe without a writer nor what was put in its place meanwhile is waited for.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(real, flags)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no path"
        # Its name is not repeated: whoever mistook the key may have written the secret itself.
        raise ValueError(f"expected the path of a file with the secret in it: {why}") from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{name}: expected a file, this is none")
        if why_not := _unsafe(found, is_runtimes=_is_under(real, runtime)):
            raise ValueError(f"{name}: {why_not}")
        raw = os.read(handle, MAX_BYTES + 1)
    finally:
        os.close(handle)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"{name}: expected a secret of at most {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"{name}: expected text in UTF-8") from None
    if not text or "\n" in text:
        raise ValueError(f"{name}: expected one line with the secret in it")
    return text


def readable_by_others(path: Path) -> str:
    """What is wrong with who may read this file; empty when nothing is, or there is no file."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return ""
    if os.name != "posix" or not mode & _OTHERS_READ:
        return ""
    return f"its mode is {mode:04o}, expected 0600, its owner's alone (chmod 600 {path})"


def _unsafe(found: os.stat_result, *, is_runtimes: bool) -> str:
    """Why nobody may trust a file with this mode and owner to hold a secret; empty if one may."""
    mode = stat.S_IMODE(found.st_mode)
    if os.name != "posix":
        return ""
    if is_runtimes:
        fine = not mode & _OTHERS_WRITE
        return "" if fine else f"mode is {mode:04o}, expected one that others cannot write"
    if mode & _OTHERS_READ:
        return f"mode is {mode:04o}, expected 0600 or 0400, its owner's alone (chmod 600)"
    if found.st_uid not in {0, os.geteuid()}:
        return f"its owner is user {found.st_uid}, expected {os.geteuid()}, who runs this, or root"
    return ""


def _is_under(real: str, folders: Sequence[Path]) -> bool:
    return any(Path(real).is_relative_to(os.path.realpath(folder)) for folder in folders)
