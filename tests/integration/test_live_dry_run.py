"""`--dry-run` against an exchange that writes down every private request: there is none."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from arbit.sandbox import SandboxOptions, SandboxServer
from tests.integration.live_desk import rows


async def test_a_dry_run_reads_public_data_and_asks_nothing_else(tmp_path: Path) -> None:
    async with SandboxServer("volatile", 3, options=SandboxOptions(control=False)) as sandbox:
        asked: list[str] = []
        receive = sandbox.private.receive

        def told(name: str, *rest: object) -> object:
            asked.append(name)
            return receive(name, *rest)  # type: ignore[arg-type]  # handed on as it came

        sandbox.private.receive = told  # type: ignore[method-assign,assignment]  # it only listens
        kept = {name: value for name, value in os.environ.items() if "ARBIT" not in name}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "arbit", "live", "--venue", "sandbox", "--dry-run"),
            *("--fee-bps", "1", "--cycles", "2", "--secs", "30", "--json"),
            cwd=tmp_path,
            env=kept
            | {
                "ARBIT_VENUES__SANDBOX__REST_URL": sandbox.rest_url,
                "ARBIT_VENUES__SANDBOX__WS_URL": sandbox.ws_url,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(90):
            out, error = await process.communicate()
        kinds = {record["kind"] for record in sandbox.exchange.log.records}

    assert process.returncode == 0, error.decode()
    report = json.loads(out)
    assert report["mode"] == "paper"
    assert sum(report["cycles"].values()) >= 1
    assert asked == []
    traded = sum(count for end, count in report["cycles"].items() if end != "flat")
    sql = "SELECT total(episodes), total(watched_ns) FROM shadow_hours WHERE account=?"
    ((episodes, watched_ns),) = rows(tmp_path / "var" / "arbit.db", sql, "sandbox:paper")
    assert episodes == report["shadow"]["episodes"] == traded
    assert 0 <= watched_ns <= report["seconds"] * 1e9
    assert kinds == {"session", "opening"}
