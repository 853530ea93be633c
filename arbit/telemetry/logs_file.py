"""A log file that never grows beyond its bound, and never stands in anybody's way.

A line is written whole or not at all. Whatever is wrong with the disk or the folder is counted and
told on stderr, once; the next try is half a minute later, and nothing raises.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

AGAIN_NS = 30_000_000_000
SPARE = 512  # bytes of each file left for what else lies in the folder: the lock's own line
_FLAGS = (
    os.O_WRONLY | os.O_APPEND | os.O_CREAT
    | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
)  # fmt: skip


class BoundedFile(logging.Handler):
    """Lines in `NAME.log`; full ones become `NAME.1.log` and so on, and the oldest is deleted.

    All together they are at most `files` of `file_bytes`, those of an earlier run included. `tell`
    hears of the first line that could not be kept, and of the first that could again, with the
    number of those in between.
    """

    def __init__(self, folder: Path, name: str, file_bytes: int, files: int) -> None:
        super().__init__()
        self._folder = folder
        self._name = name
        self._most = file_bytes - SPARE
        self._files = files
        self._descriptor: int | None = None
        self._size = 0
        self._failed_ns: int | None = None
        self._untold = 0
        self.lost = 0
        self.now_ns: Callable[[], int] = lambda: 0
        self.tell: Callable[[str, int], None] = lambda _why, _lost: None

    @property
    def path(self) -> Path:
        """The file in use."""
        return self._folder / f"{self._name}.log"

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, or count it."""
        if self._failed_ns is not None and self.now_ns() - self._failed_ns < AGAIN_NS:
            self._lose()
            return
        line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        if len(line) > self._most:
            self._lose()
            return
        try:
            self._write(line)
        except OSError as error:
            self._let_go()
            self._lose()
            first, self._failed_ns = self._failed_ns is None, self.now_ns()
            if first:
                self.tell(error.strerror or "it cannot be written", 0)
            return
        if self._failed_ns is not None:
            self._failed_ns, lost, self._untold = None, self._untold, 0
            self.tell("", lost)

    def close(self) -> None:
        """Nothing more is written."""
        self._let_go()
        super().close()

    def _lose(self) -> None:
        self.lost += 1
        self._untold += 1

    def _write(self, line: bytes) -> None:
        """All of the line. OSError when not, and then nothing of it is left."""
        descriptor = self._open() if self._descriptor is None else self._descriptor
        if self._size + len(line) > self._most:
            self._let_go()
            self._put_aside()
            descriptor = self._open()
        written = os.write(descriptor, line)
        if written != len(line):
            os.ftruncate(descriptor, self._size)
            raise OSError(28, "No space left on device")
        self._size += written

    def _open(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._prune()
        descriptor = os.open(self.path, _FLAGS, 0o600)
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            os.close(descriptor)
            raise OSError(22, "It is no file")
        self._descriptor, self._size = descriptor, about.st_size
        return descriptor

    def _put_aside(self) -> None:
        """The file in use becomes the first of the old ones; the oldest goes."""
        kept = dict(self._old())
        for number in sorted(kept, reverse=True):
            if number >= self._files - 1:
                kept[number].unlink(missing_ok=True)
            else:
                kept[number].replace(self._folder / f"{self._name}.{number + 1}.log")
        if self._files > 1:
            self.path.replace(self._folder / f"{self._name}.1.log")
        else:
            self.path.unlink(missing_ok=True)

    def _prune(self) -> None:
        """What earlier settings allowed, and these do not, goes: the oldest first."""
        left = (self._files - 1) * self._most
        for number, path in sorted(self._old()):
            left -= path.stat().st_size
            if number >= self._files or left < 0:
                path.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if self.path.lstat().st_size > self._most:
                self.path.unlink()

    def _old(self) -> list[tuple[int, Path]]:
        name = re.compile(rf"{re.escape(self._name)}\.(\d{{1,4}})\.log")
        found = ((name.fullmatch(path.name), path) for path in self._folder.iterdir())
        return [(int(match[1]), path) for match, path in found if match is not None]

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)
