"""What addresses own on a real chain in this process, over a socket."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from arbit.app.live.lane import LaneAround
from arbit.app.store import HISTORY
from arbit.app.trade.wallet import WALLET, WalletWatch, reader_of
from arbit.clock import SystemClock
from arbit.config import Settings
from arbit.domain.errors import UserError
from arbit.domain.events import Event, WalletChanged
from arbit.domain.wallet import AssetKind, WalletBalance
from arbit.persistence.recorder import Recorder
from arbit.persistence.sinks import open_sink
from arbit.persistence.wallets import wallet_changes, wallet_snapshots
from tests.integration.evm_rig import (
    BUILT,
    DATA,
    ETHER,
    RAY,
    SECRET,
    USDC,
    Endpoint,
    Handler,
    World,
    hangs,
    hangs_up,
    never_ends,
    says,
    served,
    source_sha256,
)
from tests.integration.live_desk import environment, folders
from tests.unit.app.test_live_run import run_of

D = Decimal


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture
async def node(world: World) -> AsyncIterator[Endpoint]:
    async with served(world.chain) as endpoint:
        world.endpoint = endpoint
        yield endpoint


def owned(found: tuple[WalletBalance, ...]) -> dict[tuple[str, str], Decimal]:
    return {(one.account.partition(":")[2], one.asset): one.amount for one in found}


def test_what_is_deployed_was_built_from_the_source_beside_it() -> None:
    assert sorted(BUILT) == sorted(path.stem for path in DATA.glob("*.vy"))
    assert {name: built["source_sha256"] for name, built in BUILT.items()} == {
        name: source_sha256(name) for name in BUILT
    }


async def test_the_coin_tokens_and_deposits_of_each_address_are_read_to_the_last_digit(
    world: World, node: Endpoint
) -> None:
    chain, owner, other = world.chain, world.chain.owner, world.chain.other
    before = owned((await world.reader().read()).balances)
    chain.pays(owner, 1_234_567_890_123_456_789)
    chain.does(world.token.functions.transfer(owner, 1_234_567))
    chain.does(world.token.functions.transfer(other, 10**6 * USDC + 1))
    chain.does(world.deposit.functions.mint(owner, 500 * USDC + 1))
    look = await world.reader().read()
    grown = {key: amount - before[key] for key, amount in owned(look.balances).items()}
    assert grown == {
        (owner, "ETH"): D("1.234567890123456789"),
        (other, "ETH"): D(0),
        (owner, "USDC"): D("1.234567"),
        (other, "USDC"): D("1000000.000001"),
        (owner, "aUSDC"): D("500.000001"),
        (other, "aUSDC"): D(0),
    }
    assert (look.block, look.problems) == (chain.block, ())
    assert {one.block for one in look.balances} == {chain.block}
    kinds = {(one.asset, one.kind, one.contract) for one in look.balances}
    assert kinds == {
        ("ETH", AssetKind.NATIVE, ""),
        ("USDC", AssetKind.ERC20, world.token.address),
        ("aUSDC", AssetKind.ATOKEN, world.deposit.address),
    }
    assert {one.account for one in look.balances} == {
        f"chain-{chain.chain_id}:{owner}",
        f"chain-{chain.chain_id}:{other}",
    }


async def test_a_deposit_grows_with_its_index_though_nobody_moved_it(
    world: World, node: Endpoint
) -> None:
    chain = world.chain
    chain.does(world.deposit.functions.mint(chain.owner, 100 * USDC))
    index = RAY
    reader = world.reader(erc20={})
    first = owned((await reader.read()).balances)[chain.owner, "aUSDC"]
    for _ in range(3):
        index += RAY // 20
        chain.does(world.deposit.functions.grow(index))
        now = owned((await reader.read()).balances)[chain.owner, "aUSDC"]
        assert now == (first * index / RAY).quantize(D("0.000001"), rounding="ROUND_FLOOR")
    assert now > first


async def test_a_look_is_of_one_block_whatever_is_moved_while_it_lasts(
    world: World, node: Endpoint
) -> None:
    chain, total = world.chain, 7 * USDC
    chain.does(world.token.functions.transfer(chain.owner, total))

    async def moves(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        answer = node.honest(asked)
        if asked["method"] == "eth_call":
            chain.does(world.token.functions.transfer(chain.owner, USDC))
        return answer

    whole = owned((await world.reader().read()).balances)
    block, node.acts = chain.block, moves
    look = await world.reader().read()
    assert chain.block > block, "it was moved"
    assert (owned(look.balances), look.block) == (whole, block)


async def test_what_is_no_such_token_is_named_and_the_rest_is_read(
    world: World, node: Endpoint
) -> None:
    chain = world.chain
    there = {
        "NOBODY": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "REVERTS": chain.deploy_raw("60006000fd"),
        "SILENT": chain.deploy_raw("00"),
        "MANY": chain.deploy_raw("60ff60005260206000f3"),  # 255, whatever is asked
        "HUGE": chain.deploy_raw("60001960005260206000f3"),  # all ones
        "SHORT": chain.deploy_raw("60ff60005260016000f3"),
    }
    look = await world.reader(
        erc20={**there, "USDC": world.token.address},
        aave={"aFAKE": world.token.address, "aUSDC": world.deposit.address},
    ).read()
    assert {one.asset for one in look.balances} == {"ETH", "USDC", "aUSDC"}
    assert [one.partition(" ")[0] for one in look.problems] == [*there, "aFAKE"]
    assert all(address in look.problems[n] for n, address in enumerate(there.values()))
    said = [one.partition("): ")[2] for one in look.problems]
    refused = "the node refused eth_call"
    assert [one.partition(" (code")[0] for one in said] == [
        "its answer to decimals is no number",
        refused,
        "its answer to decimals is no number",
        "its decimals are more than 36",
        "its decimals are more than 36",
        "its answer to decimals is no number",
        refused,
    ]
    assert all(one.isprintable() and len(one) < 160 for one in look.problems)


async def test_a_balance_of_all_ones_keeps_every_digit(world: World, node: Endpoint) -> None:
    most = 2**256 - 1

    async def act(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if asked["method"] == "eth_getBalance":
            return await says(json.dumps({"id": asked["id"], "result": hex(most)}))
        return node.honest(asked)

    node.acts = act
    look = await world.reader(erc20={}, aave={}).read()
    assert format(look.balances[0].amount, "f") == f"{str(most)[:-18]}.{str(most)[-18:]}"


def test_an_address_that_is_misspelt_is_refused_before_anything_is_asked(world: World) -> None:
    good = world.chain.owner
    swapped = good.swapcase().replace("X", "x", 1)
    with pytest.raises(UserError) as caught:
        world.reader(addresses=(good, swapped), erc20={"USDC": world.token.address.lower()})
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"ARBIT_WALLET__ADDRESSES={swapped}: expected ")
    assert second.startswith(f"ARBIT_WALLET__ERC20=USDC={world.token.address.lower()}: expected ")


def test_without_the_extra_one_line_names_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError) as caught:
        reader_of(world.settings())
    said = "ARBIT_WALLET__RPC_URL: reading a chain needs `pip install arbit[wallet]`"
    assert str(caught.value) == said


async def test_what_was_read_is_in_history_for_whoever_reports(
    world: World, node: Endpoint, tmp_path: Path
) -> None:
    chain, path, clock = world.chain, tmp_path / "history.db", SystemClock()
    recorder = Recorder(await open_sink(None, path), WALLET, clock)
    told: list[Event] = []
    reader = world.reader()
    watch = WalletWatch(world.settings(), reader, recorder, clock, told.append)
    await watch.look()
    chain.pays(chain.owner, ETHER)
    await watch.look()
    node.acts = hangs_up
    await watch.look()
    await watch.look()
    await recorder.finish()
    assert recorder.lost == 0
    kept = wallet_snapshots(path)
    assert [one.block for one in kept] == [chain.block - 1] * 6 + [chain.block] * 6
    assert len({one.at_ns for one in kept}) == 2, "a look is one moment"
    changes = {
        (one.last.account.partition(":")[2], one.last.asset): one for one in wallet_changes(path)
    }
    last = {key: one.last.total for key, one in changes.items()}
    moved = {key: one.change for key, one in changes.items() if one.change}
    assert moved == {(chain.owner, "ETH"): D(1)}
    node.acts = None
    assert last == owned((await reader.read()).balances)
    assert [(one.state, bool(one.detail)) for one in told if isinstance(one, WalletChanged)] == [
        ("read", False),
        ("unread", True),
    ]
    assert SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize("acts", [None, hangs, never_ends], ids=["well", "hangs", "never ends"])
async def test_a_command_trades_and_ends_whatever_its_node_does(
    world: World, node: Endpoint, tmp_path: Path, acts: Handler | None
) -> None:
    node.acts = acts
    settings = Settings(wallet=world.settings(timeout_s=25), data_dir=tmp_path)
    run, _ = run_of(settings, "sandbox")

    told: list[Event] = []

    async def trades(around: LaneAround) -> None:
        around.telemetry.hub.listen(told.append)
        while not (node.hits if acts else told):
            await asyncio.sleep(0.01)

    run.lane("sandbox").trades = trades
    (report,) = await asyncio.wait_for(run(), timeout=20)
    assert report.venue == "sandbox"
    kept = wallet_snapshots(tmp_path / HISTORY)
    assert len(kept) == (0 if acts else 6)
    read = WalletChanged(WALLET, "read")
    assert (told == [read]) if acts is None else (read not in told)


async def test_what_breaks_a_lane_is_told_as_it_is(
    world: World, node: Endpoint, tmp_path: Path
) -> None:
    node.acts = hangs
    settings = Settings(wallet=world.settings(timeout_s=25), data_dir=tmp_path)
    run, _ = run_of(settings, "sandbox")

    async def breaks(_: LaneAround) -> None:
        while not node.hits:
            await asyncio.sleep(0.01)
        raise UserError("of a lane")

    run.lane("sandbox").trades = breaks
    with pytest.raises(UserError, match=r"^of a lane$"):
        await asyncio.wait_for(run(), timeout=20)


def test_a_command_with_a_misspelt_address_ends_in_one_line(world: World, tmp_path: Path) -> None:
    swapped = world.chain.owner.swapcase().replace("X", "x", 1)
    said = {
        "ARBIT_WALLET__RPC_URL": f"https://node.invalid/{SECRET}",
        "ARBIT_WALLET__ADDRESSES": swapped,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "arbit", "live", "--venue", "sandbox", "--secs", "1"],
        cwd=tmp_path,
        env=environment(**folders(tmp_path)) | said,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert f"ARBIT_WALLET__ADDRESSES={swapped}: expected " in line
    assert SECRET not in ended.stdout + ended.stderr
