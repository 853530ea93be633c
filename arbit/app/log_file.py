"""The log file of a run: one set of files for each process that writes into a data folder."""

from __future__ import annotations

from contextlib import ExitStack, suppress

from arbit.config import Settings
from arbit.domain.errors import UserError
from arbit.persistence.locks import AccountHeld, Lock
from arbit.ports import Clock
from arbit.telemetry.logs_file import BoundedFile

FOLDER = "logs"
SETS = 8  # processes of one folder that keep a log at once
KIB = 1024


def open_log_file(
    settings: Settings, clock: Clock, stack: ExitStack
) -> tuple[BoundedFile | None, str]:
    """The file, held until the stack is left, and why there is none: nothing of it ends a run."""
    log, folder, why = settings.log, settings.data_dir / FOLDER, ""
    if not log.file:
        return None, ""
    with suppress(OSError):  # its own mode: what is made on the way to a deeper folder has another
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(1, SETS + 1):
        name = "arbit" if number == 1 else f"arbit-{number}"
        try:
            stack.enter_context(Lock(folder / f"{name}.lock", "its log is kept", clock.wall_ns()))
        except AccountHeld as held:
            why = str(held)
            continue
        except UserError as error:
            return None, str(error)
        file = BoundedFile(folder, name, log.file_kib * KIB, log.files)
        file.now_ns = clock.monotonic_ns
        stack.callback(file.close)
        return file, ""
    return None, why
