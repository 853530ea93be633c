"""What the last run left is told of the last one that traded."""

from __future__ import annotations

from pathlib import Path

from arbit.persistence.lease import Lease
from arbit.persistence.migrate import upgrade
from arbit.persistence.past import last_runs

ACCOUNT = "kraken:live:1"


def test_a_command_that_only_asks_is_no_last_run(tmp_path: Path) -> None:
    path = tmp_path / "arbit.db"
    upgrade(path)
    for wall_ns, account, command in (
        (1, ACCOUNT, "live"),
        (2, ACCOUNT, "keys:check"),
        (3, ACCOUNT, "doctor"),
        (3, ACCOUNT, "plan"),
        (4, "sandbox:sandbox:1", "doctor"),
    ):
        with Lease(tmp_path, path, account, wall_ns, command=command):
            pass
    assert [(run.account, run.command) for run in last_runs(path, None)] == [(ACCOUNT, "live")]
