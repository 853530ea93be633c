"""Serves /metrics, /healthz and /readyz, and nothing else, on an address of this machine.

It runs on the loop that trades, so everything about it is bounded. So many helpers accept one
connection at a time, each answers one question and hangs up; a question must come within its time
and size, its answer be taken within its own. Between two connections is a pause, longer the longer
the page: a storm of scrapes waits in the kernel, where it costs trading nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from arbit.domain.errors import UserError
from arbit.domain.readings import VenueReading
from arbit.ports import Clock
from arbit.telemetry.http import END, HEAD_BYTES, OURS, Asked, as_json, asked, head_of, in_words
from arbit.telemetry.metrics import CONTENT_TYPE, MetricsPage
from arbit.telemetry.probes import Answer, healthz, readyz

HELPERS = 8  # connections at once
WAITING = 16  # connections that the kernel keeps for us
QUESTION_S = 2.0  # in all, not between two bytes
ANSWER_S = 5.0
PAUSE_S = 0.001  # between two connections
BYTES_A_S = 200e6  # of pages, whoever asks
NO_HANDLE_S = 0.25  # nothing can be opened now: others need what there is more than we do
RECENT_NS = 250_000_000

Judge = Callable[[Sequence[VenueReading]], Answer]
_JUDGES: dict[str, Judge] = {"/healthz": healthz, "/readyz": readyz}


class MetricsServer:
    """An async context: the page is served while it is open. `port` 0 takes a free one."""

    def __init__(self, page: MetricsPage, host: str, port: int, clock: Clock) -> None:
        self._page = page
        self._host = host
        self._clock = clock
        self._door = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._judged: dict[str, tuple[int, Answer]] = {}
        self.port = port
        self.answered = 0
        self.broken_off = 0

    async def __aenter__(self) -> Self:
        """Listen. UserError when the address cannot be had."""
        try:
            listener = self._listener()
        except OSError as error:
            raise UserError(
                f"metrics address {self._host}:{self.port}: expected a free port, found "
                f"{error.strerror or error} (--metrics-port or ARBIT_METRICS_PORT; 0 takes any)"
            ) from None
        self.port = int(listener.getsockname()[1])
        self._stack.callback(listener.close)
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        for number in range(HELPERS):
            helper = group.create_task(self._help(listener), name=f"metrics-{number}")
            self._stack.callback(helper.cancel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening; what is being said is broken off, and an error stays what it is."""
        del kind, error, trace  # a group that heard of it would make a group of it
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/metrics"

    def _listener(self) -> socket.socket:
        family, _, _, _, address = socket.getaddrinfo(
            self._host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=WAITING)
        listener.setblocking(False)
        return listener

    async def _help(self, listener: socket.socket) -> None:
        """Answer one connection after the other."""
        while True:
            caller = await self._caller(listener)
            if caller is not None:
                with caller:
                    await self._answer(caller)

    async def _caller(self, listener: socket.socket) -> socket.socket | None:
        """The next connection; None when there is no handle for it."""
        async with self._door:
            await self._clock.sleep(PAUSE_S + self._page.size / BYTES_A_S)
            try:
                caller, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError:
                await self._clock.sleep(NO_HANDLE_S)
                return None
            return caller

    async def _answer(self, caller: socket.socket) -> None:
        """Whatever goes wrong is this connection's alone: nothing here ends the run."""
        try:
            async with asyncio.timeout(QUESTION_S):
                question = await self._question(caller)
            async with asyncio.timeout(ANSWER_S):
                await self._tell(caller, question)
            self.answered += 1
        except (OSError, TimeoutError):
            self.broken_off += 1
        except Exception as error:  # noqa: BLE001  the supervisor: told, and no page this time
            self.broken_off += 1
            told = {"message": "a page of metrics could not be made", "exception": error}
            asyncio.get_running_loop().call_exception_handler(told)

    async def _question(self, caller: socket.socket) -> Asked:
        loop, head = asyncio.get_running_loop(), b""
        while END not in head:
            if len(head) >= HEAD_BYTES:
                return Asked(refused=431)
            piece = await loop.sock_recv(caller, HEAD_BYTES)
            if not piece:
                return Asked(refused=400)
            head += piece
        return asked(head, ours_alone=self._host in OURS)

    async def _tell(self, caller: socket.socket, question: Asked) -> None:
        status, content_type, said = await self._said(question)
        size = sum(map(len, said))
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(caller, head_of(status, size, content_type))
        for piece in () if question.head_only else said:
            await loop.sock_sendall(caller, piece)
            await self._clock.sleep(0)
        with contextlib.suppress(OSError):
            caller.shutdown(socket.SHUT_WR)

    async def _said(self, question: Asked) -> tuple[int, str, tuple[bytes, ...]]:
        """Status, type and body."""
        if question.path == "/metrics":
            return 200, CONTENT_TYPE, await self._page.pieces()
        judge = _JUDGES.get(question.path)
        if judge is not None:
            answer = self._probe(question.path, judge)
            return (200 if answer.ok else 503), "application/json", (as_json(answer.said()),)
        status = question.refused or 404
        return status, "text/plain; charset=utf-8", (in_words(status),)

    def _probe(self, path: str, judge: Judge) -> Answer:
        """As it is now, or was a moment ago: who asks in a storm is told the same."""
        now_ns = self._clock.monotonic_ns()
        made_ns, answer = self._judged.get(path, (-RECENT_NS, None))
        if answer is None or now_ns - made_ns >= RECENT_NS:
            answer = judge(self._page.readings())
            self._judged[path] = (now_ns, answer)
        return answer
