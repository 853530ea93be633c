"""History on real databases: SQLite always, PostgreSQL where its package is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, make_url, select
from sqlalchemy.ext.asyncio import create_async_engine

from arbit.app.store import open_journal
from arbit.clock import SystemClock
from arbit.domain.account import AccountId, Balance, Mode
from arbit.domain.errors import UserError
from arbit.domain.events import EpisodeEnded
from arbit.domain.records import Batch
from arbit.ledger import opening
from arbit.persistence.bests import best_gaps, served_best_gaps
from arbit.persistence.locks import lock_of
from arbit.persistence.migrate import current, latest
from arbit.persistence.recorder import Recorder
from arbit.persistence.sinks import HistoryFailed, open_sink, reading_server
from arbit.persistence.tables import metadata
from arbit.persistence.wallets import served_wallet_changes, wallet_changes
from tests.integration.test_report_wallets import look_of
from tests.unit.persistence.made import ACCOUNT, NOON_NS, opened
from tests.unit.venues.virtual import SECOND, VirtualClock

REPO = Path(__file__).parents[2]
EPISODE = EpisodeEnded("kraken", "USD>BTC>ETH>USD", "net", 12.5, 300.0, 20.0)


def environment(folder: Path, **extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARBIT")}
    return kept | {"ARBIT_DATA_DIR": str(folder / "var")} | extra


def rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  our own names


def arbit(folder: Path, *options: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "arbit", *options],
        cwd=folder,
        env=environment(folder, **extra),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def assert_sums_agree(snapshots: list[tuple[Any, ...]], ledger: list[tuple[Any, ...]]) -> None:
    """Every snapshot is what the ledger's entries added up to at some time, the last one to all."""
    sums: dict[str, list[Decimal]] = {}
    for _, _, _, _, book, asset, amount, _ in ledger:
        if book == "wallet":
            so_far = sums.setdefault(asset, [Decimal(0)])
            so_far.append(so_far[-1] + Decimal(amount))
    assert sums
    for _, _, why, asset, wallet, *_ in snapshots:
        assert Decimal(wallet) in sums[asset], (why, asset)
    last = {asset: Decimal(wallet) for _, _, _, asset, wallet, *_ in snapshots}
    assert last == {asset: so_far[-1] for asset, so_far in sums.items()}


def test_fitness_persist_keeps_episodes_and_what_was_watched(tmp_path: Path) -> None:
    run = arbit(tmp_path, "fitness", "--persist", "--profile", "volatile", "--secs", "6", "--json")
    assert run.returncode == 0, run.stderr
    history = tmp_path / "var" / "history.db"
    assert rows(history, "opportunities")
    watched = rows(history, "triangles")
    assert len(watched) >= 10
    assert all("sandbox:fitness" in row for row in watched)


def test_fitness_alone_keeps_nothing(tmp_path: Path) -> None:
    assert arbit(tmp_path, "fitness", "--secs", "1", "--json").returncode == 0
    assert not (tmp_path / "var").exists()


def test_live_keeps_inventory_after_each_cycle_and_what_the_venue_says(tmp_path: Path) -> None:
    run = arbit(
        tmp_path,
        *("live", "--venue", "sandbox", "--profile", "volatile", "--fee-bps", "1"),
        *("--cycles", "3", "--json"),
        ARBIT_INVENTORY__RESERVE_PERCENT="USD=90",
    )
    assert run.returncode == 0, run.stderr
    history = tmp_path / "var" / "history.db"
    snapshots = rows(history, "inventory_snapshots")
    assert {"start", "cycle"} <= {row[2] for row in snapshots}
    assert_sums_agree(snapshots, rows(tmp_path / "var" / "arbit.db", "ledger"))
    usd = [Decimal(row[4]) for row in snapshots if row[3] == "USD"]
    assert min(usd) >= usd[0] * Decimal("0.9"), "a reserve was spent"
    status = rows(history, "venue_status")
    assert {row[2] for row in status} >= {"feed-0"}
    refused = Counter[str]()
    for _, _, subject, code, times, _ in status:
        refused[code] += int(times) if subject == "refusals" else 0
    assert +refused == json.loads(run.stdout)["refusals"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://somewhere/x", "expected postgresql://"),
        ("nonsense", "expected postgresql://"),
        ("postgresql://me:hush@127.0.0.1:1/x", "ARBIT_HISTORY_URL=postgresql+asyncpg://me:***@"),
    ],
)
async def test_a_wrong_address_is_one_line_without_its_password(
    tmp_path: Path, url: str, said: str
) -> None:
    with pytest.raises(UserError) as caught:
        await open_sink(url, tmp_path / "history.db")
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_file_that_went_away_fails_the_batch_and_nothing_else(tmp_path: Path) -> None:
    sink = await open_sink(None, tmp_path / "history.db")
    row = {"account": "a", "at_ns": 1, "subject": "x", "status": "y", "detail": ""}
    await sink.write([("venue_status", row)])
    with contextlib.closing(sqlite3.connect(tmp_path / "history.db")) as database:
        database.execute("DROP TABLE venue_status")
        database.commit()
    with pytest.raises(HistoryFailed):
        await sink.write([("venue_status", row)])
    await sink.close()


async def test_a_daemon_brings_its_own_history_up_to_date_and_no_other_does(tmp_path: Path) -> None:
    account = AccountId("sandbox", Mode.SANDBOX, "me")
    path, dump = tmp_path / "history.db", REPO / "tests" / "data" / "schema" / "0001.sql"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript(dump.read_text("utf-8"))
    with open_journal(tmp_path, account, SystemClock()):
        with pytest.raises(UserError, match="in use by a daemon"):
            await open_sink(None, path)
        sink = await open_sink(None, path, lock_of(tmp_path, str(account)))
        await sink.close()
    assert current(path) == latest()


# --- PostgreSQL ----------------------------------------------------------------------------------


def programs() -> Path | None:
    """The folder with PostgreSQL's own programs; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server on loopback, as a user that is not root; its URL."""
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    folder = tmp_path_factory.mktemp("postgres")
    user: list[str | Path] = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    for place in (folder, *folder.parents[:3]):
        place.chmod(0o755)
    if user:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"

    def run(*command: str | Path) -> None:
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=folder)

    run(*user, bin_folder / "initdb", "-D", data, "-A", "trust", "-U", "arbit")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    control: list[str | Path] = [
        *user,
        bin_folder / "pg_ctl",
        "-D",
        data,
        "-w",
        "-l",
        folder / "log",
    ]
    run(*control, "-o", options, "start")
    try:
        yield f"postgresql://arbit@127.0.0.1:{port}/postgres"
    finally:
        run(*control, "-m", "immediate", "stop")


async def test_history_on_a_real_postgresql_server_is_what_was_written(
    server: str, tmp_path: Path
) -> None:
    recorders = []
    for account in ("kraken:live:a", "sandbox:paper"):
        sink = await open_sink(server, tmp_path / "unused.db")
        recorder = Recorder(sink, account, SystemClock())
        for _ in range(250):
            recorder(EPISODE)
        recorders.append(recorder)
    for recorder in recorders:
        await recorder.finish()

    engine = create_async_engine(make_url(server).set(drivername="postgresql+asyncpg"))
    table = metadata.tables["opportunities"]
    async with engine.connect() as connection:
        found = (await connection.execute(select(table.c.account, table.c.best_bps))).all()
    await engine.dispose()
    assert len(found) == 500
    assert {row.account for row in found} == {"kraken:live:a", "sandbox:paper"}
    assert {row.best_bps for row in found} == {12.5}
    assert not (tmp_path / "unused.db").exists()


def test_live_writes_its_history_to_the_server(server: str, tmp_path: Path) -> None:
    run = arbit(
        tmp_path,
        *("live", "--venue", "sandbox", "--profile", "volatile", "--fee-bps", "1"),
        *("--cycles", "2", "--json"),
        ARBIT_HISTORY_URL=server,
    )
    assert run.returncode == 0, run.stderr
    assert not (tmp_path / "var" / "history.db").exists()
    assert (tmp_path / "var" / "arbit.db").exists(), "the journal is always local"


async def test_a_plan_reads_the_widest_gaps_from_the_server_as_from_a_file(
    server: str, tmp_path: Path
) -> None:
    path = tmp_path / "history.db"
    seen = [
        ("kraken_x:live:a", EPISODE),  # another venue
        ("krakenx:live:a", EPISODE),
        ("krakenx:live:a", replace(EPISODE, best_bps=21.25)),
        ("krakenx:paper", replace(EPISODE, best_bps=20.0)),
        ("krakenx:paper", replace(EPISODE, best_bps=99.0, stage="raw")),  # not to be believed
    ]
    for url in (None, server):
        clock = VirtualClock()
        for account, episode in seen:
            clock.now_ns += SECOND
            recorder = Recorder(await open_sink(url, path), account, clock)
            recorder(episode)
            await recorder.finish()
    kept = best_gaps(path, "krakenx")
    assert [(one.path, one.best_bps, one.gaps) for one in kept] == [(EPISODE.path, 21.25, 3)]
    assert await served_best_gaps(server, "krakenx") == kept
    assert [one.gaps for one in await served_best_gaps(server, "kraken_x")] == [1]
    assert await served_best_gaps(server, "k%") == await served_best_gaps(server, "nobody") == []


async def test_a_report_reads_wallets_from_the_server_as_from_a_file_and_cannot_write_there(
    server: str, tmp_path: Path
) -> None:
    clock, path = VirtualClock(), tmp_path / "history.db"
    looks = [look_of(10, "1.5", "1"), look_of(11, "1.4", "2"), look_of(12, "0.4", "4.000000001")]
    for url in (None, server):
        clock.now_ns = 10 * SECOND
        recorder = Recorder(await open_sink(url, path), "kraken:live:a", clock)
        for look in looks:
            recorder.on_chain(look)
            recorder.wallet({"ETH": Balance(Decimal(99))})
            clock.now_ns += 3600 * SECOND
        await recorder.finish()
    for since_ns in (0, 3600 * SECOND, 10**18):
        kept = wallet_changes(path, since_ns)
        assert await served_wallet_changes(server, since_ns) == kept
        assert len(kept) == (0 if since_ns == 10**18 else 3)
    with pytest.raises(UserError, match="read-only transaction"):
        async with reading_server(server) as connection:
            await connection.execute(delete(metadata.tables["wallet_snapshots"]))
    with pytest.raises(UserError, match=r"ARBIT_HISTORY_URL=postgresql\+asyncpg://me:\*\*\*@"):
        await served_wallet_changes("postgresql://me:hush@127.0.0.1:1/x")
    with opened(tmp_path / "var", ACCOUNT) as journal:
        journal.write(Batch(postings=opening("ETH", Decimal(3), NOON_NS)))
    run = arbit(tmp_path, "report", "--json", ARBIT_HISTORY_URL=server)
    assert run.returncode == 0, run.stderr
    assert [one["last"] for one in json.loads(run.stdout)["wallets"]] == ["7", "0.4", "4.000000001"]
