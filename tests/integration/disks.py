"""Disks that fail for real: full, read-only, gone. Skips, saying why, where none can be mounted."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096
MB = 1 << 20
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
LINUX = sys.platform == "linux"


def _run(*command: str | Path) -> None:
    """Skip the test when the machine does not let us."""
    if not (LINUX and IS_ROOT):
        pytest.skip("only root on Linux may mount")
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"there is no {command[0]} here")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{command[0]} is not allowed here: {done.stderr.splitlines()[0]}")


@contextmanager
def mounted(folder: Path, *how: str | Path) -> Iterator[None]:
    """Something mounted at a folder, or at a file, for as long as this is open."""
    _run("mount", *how, folder)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder that holds eight megabytes; what is yielded fills it (`fill`)."""
    folder.mkdir(mode=0o700)
    with mounted(folder, "-t", "tmpfs", "-o", "size=8m", "tmpfs"):
        yield folder / "ballast"


def fill(ballast: Path) -> None:
    """Take what is left of a disk, to the last page."""
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(file, b"\0" * PAGE)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    finally:
        os.close(file)


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """A file or a folder that cannot be written, by root neither."""
    if not IS_ROOT:
        mode = path.stat().st_mode
        path.chmod(0o500 if path.is_dir() else 0o400)
        try:
            yield
        finally:
            path.chmod(mode)
        return
    with mounted(path, "--bind", path):
        _run("mount", "-o", "remount,bind,ro", path)
        yield


class FailingDisk:
    """A file system of its own in a file; `fail` makes it read-only as a damaged disk does."""

    def __init__(self, image: Path, folder: Path) -> None:
        self._image = image
        self._folder = folder
        with image.open("wb") as file:
            file.truncate(32 * MB)
        _run("mkfs.ext4", "-q", image)
        folder.mkdir(mode=0o700)

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """The folder shows what is on it."""
        with mounted(self._folder, "-o", "loop,errors=remount-ro", self._image):
            yield

    def fail(self) -> None:
        """From now on nothing can be written."""
        found = self._folder.stat().st_dev
        device = Path(f"/sys/dev/block/{os.major(found)}:{os.minor(found)}").resolve().name
        switch = Path(f"/sys/fs/ext4/{device}/trigger_fs_error")
        try:
            switch.write_text("made up by a test")
        except OSError as error:
            pytest.skip(f"no disk can be made to fail here: {error}")
