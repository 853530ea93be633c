"""The sandbox exchange as a child process: the embedded default of every command."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

from arbit.config.childs import childs_environment
from arbit.domain.errors import UserError, VenueUnreachable
from arbit.domain.money import plain

READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class SandboxAddress:
    """Where the child listens, always on loopback."""

    rest_url: str
    ws_url: str
    data_url: str = ""  # of a face that has another for market data
    private_ws_url: str = ""


class SandboxChild:
    """Starts our own exchange on a free loopback port and ends it on leaving.

    It also ends by itself when this process does: its standard input is a pipe held by us.
    """

    def __init__(
        self,
        profile: str,
        seed: int,
        *,
        state: Path | None = None,
        taker_fee_bps: Decimal | None = None,
        tier: str = "",
    ) -> None:
        """`state` is the folder that keeps its accounts; without one they end with it."""
        self._arguments = ["--profile", profile, "--seed", str(seed)]
        if state is not None:
            self._arguments += ["--state", str(state)]
        if tier:
            self._arguments += ["--tier", tier]
        if taker_fee_bps is not None:
            self._arguments += ["--taker-fee-bps", plain(taker_fee_bps)]
        self._process: asyncio.subprocess.Process | None = None
        self.address = SandboxAddress("", "")

    def facing(self, face: str) -> Self:
        """This one, to speak as `kraken` or as `alpaca`. Said before it is entered."""
        self._arguments += ["--face", face]
        return self

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "arbit.sandbox", "--json", "--ends-with-parent"),
            *self._arguments,
            env=childs_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us: we end it when our report is made
        )
        try:
            self.address = await self._ready(self._process)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def ended(self) -> None:
        """Wait until it ends by itself, which it never should: VenueUnreachable says so."""
        if self._process is not None:
            code = await self._process.wait()
            raise VenueUnreachable(f"the sandbox exchange ended by itself (exit code {code})")

    async def _ready(self, process: asyncio.subprocess.Process) -> SandboxAddress:
        if process.stdout is None or process.stderr is None:
            raise UserError("the sandbox exchange has no output to read")
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                line = await process.stdout.readline()
                if not line:
                    said = (await process.stderr.read(2_000)).decode(errors="replace").strip()
                    raise UserError(f"the sandbox exchange did not start: {said or 'no reason'}")
        except TimeoutError:
            why = f"the sandbox exchange did not start within {READY_TIMEOUT_S:.0f} s"
            raise UserError(why) from None
        ready = json.loads(line)
        return SandboxAddress(
            ready["rest"], ready["ws"], ready.get("data", ""), ready.get("private_ws", "")
        )

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
