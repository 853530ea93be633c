"""The sandbox as a process, and its control face over HTTP."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from arbit.sandbox import SandboxOptions, SandboxServer
from arbit.sandbox.__main__ import main
from tests.unit.sandbox.conftest import is_book, watching

pytestmark = pytest.mark.unstalled

GUARD_S = 15.0


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "arbit.sandbox", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ready_line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(await asyncio.wait_for(process.stdout.readline(), GUARD_S))
    return line


async def test_the_ready_line_says_where_it_is_and_the_process_ends_with_its_parent() -> None:
    async with child("--profile", "calm", "--seed", "7", "--ends-with-parent", "--json") as process:
        ready = await ready_line(process)
        assert (ready["profile"], ready["seed"], ready["synthetic"]) == ("calm", 7, True)
        async with aiohttp.ClientSession() as http:
            async with http.get(ready["rest"] + "/0/public/SystemStatus") as reply:
                assert (await reply.json())["result"]["status"] == "online"
            async with http.ws_connect(ready["ws"]) as stream:
                assert (await stream.receive_json())["channel"] == "status"
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), GUARD_S) == 0
        assert process.stderr is not None
        assert await process.stderr.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("arguments", [[], ["--ends-with-parent"]])
async def test_a_signal_ends_it_cleanly(arguments: list[str]) -> None:
    async with child(*arguments) as process:
        await ready_line(process)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), GUARD_S) == 0
        assert process.stderr is not None
        told = await process.stderr.read()
        assert b"synthetic" in told
        assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--profile", "stormy"], "stormy"),
        (["--seed", "-1"], "-1"),
        (["--port", "99999"], "99999"),
        (["--port", "door"], "door"),
        (["--pace", "0"], "0"),
        (["--wrong"], "--wrong"),
    ],
)
def test_a_wrong_argument_is_one_line_and_status_2(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    assert len(told.err.splitlines()) == 1
    assert named in told.err


async def test_a_market_can_be_played_faster_than_time_passes() -> None:
    async with SandboxServer("calm", 1, options=SandboxOptions(pace=7)) as sandbox:
        await asyncio.sleep(0.05)
        assert sandbox.market.now_ns == 7 * sandbox._played_ns > 0


async def test_a_taken_port_is_one_line_and_status_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        async with child("--port", port) as process:
            _, err = await asyncio.wait_for(process.communicate(), GUARD_S)
            assert process.returncode == 2
            assert len(err.splitlines()) == 1
            assert port in err.decode()


async def test_faults_are_set_listed_and_cleared_over_http(calm: SandboxServer) -> None:
    url = calm.rest_url + "/sandbox/faults"
    async with aiohttp.ClientSession() as http, watching(calm, "BTC/USD") as client:
        wanted = {"name": "mute_symbol", "symbol": "BTC/USD", "connection": 1}
        async with http.post(url, json=wanted) as reply:
            number = (await reply.json())["id"]
        await client.listen(0.1)
        assert not [frame for frame in await client.listen(0.4) if is_book(frame)]
        async with http.get(url) as reply:
            listed = await reply.json()
            assert [fault["name"] for fault in listed["active"]] == ["mute_symbol"]
            assert {kind["name"] for kind in listed["kinds"]} >= {"half_open", "poison"}
        async with http.delete(f"{url}?id={number}") as reply:
            assert await reply.json() == {"cleared": 1}
        await client.until(is_book)


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        '{"name":"gremlin"}',
        '{"name":"slow","delay_ms":null}',
        '{"name":"slow","times":"once"}',
        '{"name":"slow","symbol":3}',
    ],
)
async def test_a_mistake_on_the_control_face_is_one_line_and_400(
    calm: SandboxServer, body: str
) -> None:
    url = calm.rest_url + "/sandbox/faults"
    async with aiohttp.ClientSession() as http, http.post(url, data=body) as reply:
        assert reply.status == 400
        assert "\n" not in (await reply.json())["error"]
    assert calm.faults.active == []


async def test_freezing_over_http_stops_the_market_and_state_tells_the_truth(
    calm: SandboxServer,
) -> None:
    base = calm.rest_url + "/sandbox"
    async with aiohttp.ClientSession() as http:

        async def state() -> Any:
            async with http.get(base + "/state?depth=5") as reply:
                return (await reply.json())["books"]

        async with http.post(base + "/freeze") as reply:
            assert (await reply.json())["frozen"] is True
        frozen = await state()
        assert set(frozen) == set(calm.market.pairs)
        assert all(len(book["bids"]) == 5 for book in frozen.values())
        await asyncio.sleep(0.2)
        assert await state() == frozen
        async with http.post(base + "/thaw") as reply:
            assert (await reply.json())["frozen"] is False
        await asyncio.sleep(0.3)
        assert await state() != frozen
        async with http.post(base + "/freeze?symbol=NO/SUCH") as reply:
            assert reply.status == 400
        async with http.get(base + "/state?depth=none") as reply:
            assert reply.status == 400


async def test_without_control_there_are_no_control_paths() -> None:
    options = SandboxOptions(control=False)
    async with (
        SandboxServer(profile="calm", seed=1, options=options) as sandbox,
        aiohttp.ClientSession() as http,
        http.get(sandbox.rest_url + "/sandbox/state") as reply,
    ):
        assert reply.status == 404
