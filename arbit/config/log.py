"""Where the log is kept, and how much of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict

from arbit.config.fields import setting, within


class LogSettings(BaseModel):
    """The log file of `live`, JSON whatever is shown on screen. `files` of `file_kib` at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: bool = setting(
        True,
        "keep a log file of `live` in the folder `logs` of the data folder",
        why="what happened last night is asked in the morning; its size is bounded",
    )
    file_kib: Annotated[int, within(16, 1_048_576)] = setting(
        8192,
        "size at which a log file is put aside and another begun",
        unit="KiB",
        why="a day and more of `info`; opens in any editor",
    )
    files: Annotated[int, within(1, 1000)] = setting(
        8,
        "most files that are kept, the one in use included; the oldest is deleted",
        unit="files",
        why="64 MiB in all, whatever happens and for however long",
    )
