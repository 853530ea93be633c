"""Serves /metrics and nothing else, on an address of this machine."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from aiohttp import web

from arbit.domain.errors import UserError
from arbit.telemetry.metrics import CONTENT_TYPE, MetricsPage


class MetricsServer:
    """An async context: the page is served while it is open. `port` 0 takes a free one."""

    def __init__(self, page: MetricsPage, host: str, port: int) -> None:
        self._page = page
        self._host = host
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.5)
        self.port = port

    async def __aenter__(self) -> Self:
        """Listen. UserError when the address cannot be had."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise UserError(
                f"metrics address {self._host}:{self.port}: expected a free port, found "
                f"{error.strerror or error} (--metrics-port or ARBIT_METRICS_PORT; 0 takes any)"
            ) from None
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/metrics"

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/metrics", self._serve)
        return app

    async def _serve(self, _request: web.Request) -> web.Response:
        body = await self._page.body()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})
