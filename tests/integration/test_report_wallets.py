"""What addresses own on chains, in `arbit report`: beside an account, and in none of its sums."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from arbit.app.store import HISTORY
from arbit.cli import app
from arbit.domain.account import Balance
from arbit.domain.errors import UserError
from arbit.domain.records import Batch
from arbit.domain.wallet import AssetKind, WalletBalance, WalletLook, account_on
from arbit.ledger import opening
from arbit.persistence.recorder import Recorder
from arbit.persistence.sinks import open_sink
from arbit.persistence.wallets import wallet_changes, wallet_snapshots
from tests.unit.persistence.made import ACCOUNT, NOON_NS, opened
from tests.unit.venues.virtual import SECOND, VirtualClock

D = Decimal
DUMPS = Path(__file__).parents[1] / "data" / "schema"
OWNER = account_on(1, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
OTHER = account_on(137, "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359")
TOKEN = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB"


def look_of(block: int, coin: str, deposit: str) -> WalletLook:
    return WalletLook(
        block,
        (
            WalletBalance(OWNER, "ETH", AssetKind.NATIVE, "", D(coin), block),
            WalletBalance(OWNER, "a<b>", AssetKind.ATOKEN, TOKEN, D(deposit), block),
            WalletBalance(OTHER, "ETH", AssetKind.NATIVE, "", D(7), block),
        ),
    )


async def history(folder: Path, *looks: WalletLook) -> Path:
    """A look an hour, among what venues said."""
    clock, path = VirtualClock(), folder / HISTORY
    recorder = Recorder(await open_sink(None, path), ACCOUNT, clock)
    for look in looks:
        recorder.wallet({"ETH": Balance(D(99))})
        recorder.on_chain(look)
        clock.now_ns += 3600 * SECOND
    await recorder.finish()
    assert recorder.lost == 0
    return path


def run(folder: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["report", "--data-dir", str(folder), *arguments])
    assert result.exit_code == 0, result
    return result.output


async def test_a_report_tells_what_addresses_own_and_how_it_changed(tmp_path: Path) -> None:
    digit = "1.000000000000000000000000000000000000000000000000000000000000000000000001"
    looks = look_of(10, "1.5", "100"), look_of(11, "1.4", "100.25"), look_of(12, "0.4", digit)
    await history(tmp_path, *looks)
    with opened(tmp_path, ACCOUNT) as journal:
        journal.write(Batch(postings=opening("ETH", D(3), NOON_NS)))
        told = json.loads(run(tmp_path, "--json"))
        drawn, file = run(tmp_path), tmp_path / "report.html"
        run(tmp_path, "--html", str(file))
    seen = {(one["account"], one["asset"]): one for one in told["wallets"]}
    assert list(seen) == sorted([(OTHER, "ETH"), (OWNER, "ETH"), (OWNER, "a<b>")])
    assert seen[OWNER, "ETH"] == {
        "account": OWNER,
        "asset": "ETH",
        "kind": "native",
        "contract": "",
        "first": "1.5",
        "first_ns": 10 * SECOND,
        "last": "0.4",
        "last_ns": 7210 * SECOND,
        "change": "-1.1",
        "block": 12,
    }
    earned = seen[OWNER, "a<b>"]
    assert (earned["kind"], earned["contract"], earned["last"]) == ("atoken", TOKEN, digit)
    assert earned["change"] == "-98." + "9" * 72
    assert [one["closing"] for one in told["balances"]] == ["3"], "in no sum of the account"
    assert all(word in drawn for word in ("what addresses own on chains", "atoken", "-1.1"))
    page = file.read_text("utf-8")
    assert OWNER in page
    assert "a&lt;b&gt;" in page
    assert "a<b>" not in page


async def test_a_while_is_told_from_its_own_first_look(tmp_path: Path) -> None:
    looks = look_of(10, "1.5", "1"), look_of(11, "1.4", "2"), look_of(12, "0.4", "4")
    path = await history(tmp_path, *looks)
    later = wallet_changes(path, since_ns=3610 * SECOND)
    assert {(one.last.account, one.last.asset): one.change for one in later} == {
        (OWNER, "ETH"): D(-1),
        (OWNER, "a<b>"): D(2),
        (OTHER, "ETH"): D(0),
    }
    assert [one.block for one in wallet_snapshots(path)] == [10, 10, 10, 11, 11, 11, 12, 12, 12]
    assert wallet_changes(path, since_ns=7211 * SECOND) == ()


async def test_without_wallets_nothing_is_told_of_them(tmp_path: Path) -> None:
    with opened(tmp_path, ACCOUNT) as journal:
        journal.write(Batch(postings=opening("ETH", D(3), NOON_NS)))
        assert json.loads(run(tmp_path, "--json"))["wallets"] == []
        assert "on chains" not in run(tmp_path)
    await history(tmp_path)
    assert wallet_changes(tmp_path / HISTORY) == ()


@pytest.mark.parametrize("revision", ["0001", "0002", "0006"])
def test_a_file_of_before_wallets_holds_none(tmp_path: Path, revision: str) -> None:
    path = tmp_path / HISTORY
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.executescript((DUMPS / f"{revision}.sql").read_text("utf-8"))
    assert wallet_changes(path) == ()
    assert wallet_snapshots(path) == ()


def test_a_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / HISTORY
    path.write_text("not a database, and long enough to be seen as none" * 20)
    with pytest.raises(UserError, match="wallets cannot be read") as caught:
        wallet_changes(path)
    assert "\n" not in str(caught.value)


async def test_a_row_without_its_block_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / HISTORY
    await history(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        file.execute(
            "INSERT INTO wallet_snapshots (account, asset, total, held, at_ns) "
            "VALUES ('chain-1:0xab', 'ETH', '1', '0', 5)"
        )
    with pytest.raises(UserError, match="wallets cannot be read: a row") as caught:
        wallet_changes(path)
    assert "\n" not in str(caught.value)
