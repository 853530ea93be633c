"""What the tests of `arbit doctor` share: an examination, its one finding, and doing as it says."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

from arbit.persistence import migrate
from tests.integration.cli_desk import Desk, strict_json


def data_of(desk: Desk) -> Path:
    """The data folder, made."""
    folder = desk.work / "var"
    folder.mkdir(mode=0o700)
    return folder


def database_of(desk: Desk) -> Path:
    """A database of the newest schema in it."""
    path = data_of(desk) / "arbit.db"
    migrate.upgrade(path)
    return path


Told = dict[str, Any]


def examined(desk: Desk, *options: str, **env: str) -> tuple[int, list[Told]]:
    done = desk.within("doctor", "--json", *options, **env)
    assert done.stderr == ""
    told = strict_json(done.stdout)
    assert told["ok"] == (done.returncode == 0)
    for one in told["findings"]:
        assert bool(one["fix"]) == (one["verdict"] in {"warn", "fail"}), one
    return done.returncode, told["findings"]


def found(desk: Desk, check: str, *options: str, **env: str) -> Told:
    """The one finding of this check that is not well; the code says whether it fails."""
    code, findings = examined(desk, *options, **env)
    bad = [one for one in findings if one["fix"]]
    (mine,) = [one for one in bad if one["check"] == check]
    fails = any(one["verdict"] == "fail" for one in bad)
    assert code == int(fails)
    return dict(mine)


def is_well(desk: Desk, check: str, **env: str) -> bool:
    _, findings = examined(desk, **env)
    mine = [one["verdict"] for one in findings if one["check"] == check]
    return bool(mine) and set(mine) <= {"pass"}


def mend(desk: Desk, fix: str) -> None:
    """Do as it says, word for word."""
    words = shlex.split(fix)
    if words[0] == "arbit":
        done = desk.within(*words[1:])
        assert done.returncode == 0, done.stderr
    else:
        subprocess.run(words, cwd=desk.work, check=True)
