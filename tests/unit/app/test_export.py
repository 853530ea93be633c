"""Files for tax tools: the columns they ask for, and totals that are the ledger's."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from arbit.app.reports import export as exporting
from arbit.app.reports.export import Format, What, differences, entries
from arbit.domain.account import Flow
from arbit.domain.attribution import added
from arbit.domain.errors import UserError
from arbit.domain.order import Trade
from arbit.domain.recorded import Recorded
from arbit.domain.records import Book
from arbit.domain.triangle import Side
from arbit.domain.walk import WIDE
from arbit.ledger import flow, late_fee, opening, rounding, trade_postings
from tests.unit.persistence.made import order

D = Decimal
ACCOUNT = "kraken:live:0123456789ab"
SECOND_NS = 10**9
NEW_YEAR_NS = 1_767_225_600 * SECOND_NS  # 2026-01-01
BEFORE_NS, AFTER_NS = NEW_YEAR_NS - SECOND_NS, NEW_YEAR_NS
COLUMNS = {
    Format.KOINLY: (
        "Date,Sent Amount,Sent Currency,Received Amount,Received Currency,Fee Amount,"
        "Fee Currency,Net Worth Amount,Net Worth Currency,Label,Description,TxHash"
    ),
    Format.COINTRACKING: (
        "Type,Buy Amount,Buy Currency,Sell Amount,Sell Currency,Fee,Fee Currency,Exchange,"
        "Trade-Group,Comment,Date,Tx-ID"
    ),
    Format.CSV: (
        "date_utc,type,sent_amount,sent_asset,received_amount,received_asset,fee_amount,fee_asset,"
        "venue,account,cycle,reference,note"
    ),
}


def bought(name: str, at_ns: int, *fees: tuple[str, str]) -> Trade:
    paid = tuple((asset, D(amount)) for asset, amount in fees)
    amounts = (D("0.0012345678"), D("50000.1"), D("61.728513451"))
    return Trade(name, "O", "o1", "BTC/USD", Side.BUY, *amounts, paid, at_ns)


TRADES = (
    bought("T1", BEFORE_NS, ("BTC", "0.0000000001")),
    bought("T2", AFTER_NS, ("USD", "0.25")),
    bought("T3", AFTER_NS + 1, ("KFEE", "1.5"), ("BTC", "0.000001")),
    replace(bought("T4", AFTER_NS + 2, ("KFEE", "0.1")), side=Side.SELL),
    bought("T5", AFTER_NS + 3, ("USD", "-0.01")),  # the venue pays it
    bought("T6", AFTER_NS + 4),
)
FLOWS = (
    Flow("=1+1", "USD", D("25"), "deposit", BEFORE_NS),
    Flow("L2", "@SUM(A1)", D("-5.5"), "withdrawal", AFTER_NS),
    Flow("L3", "ETH", D("0.0001"), "staking", AFTER_NS),
    Flow("accepted:7:USD", "USD", D("-0.3"), "accepted", AFTER_NS),
)


def recorded() -> Recorded:
    postings = [*opening("USD", D(100), BEFORE_NS - 5)]
    for trade in TRADES:
        postings += trade_postings(trade, "BTC", "USD")
    for one in FLOWS:
        postings += flow(one)
    postings += rounding("T1", "USD", D("-0.000000001"), BEFORE_NS)
    postings += rounding("T2", "USD", D("0.000000004"), AFTER_NS)
    postings += rounding("T4", "USD", D("0.000000001"), AFTER_NS + 5)
    postings += late_fee("P1", "BTC", D("-0.00000001"), AFTER_NS)
    return Recorded(
        account=ACCOUNT,
        orders=(order("o1", "c1"),),
        trades=TRADES,
        postings=tuple(postings),
        transfers={one.ref: one.kind for one in FLOWS},
    )


def booked(whose: Recorded, year: int | None = None) -> dict[str, Decimal]:
    return added(
        (one.asset, one.amount)
        for one in whose.postings
        if one.book is Book.WALLET and (year is None or (one.at_ns >= NEW_YEAR_NS) is (year > 2025))
    )


def written(kind: Format, whose: Recorded, year: int | None, patch: pytest.MonkeyPatch) -> str:
    def given(*_: object) -> Recorded:
        return whose

    patch.setattr(exporting, "one_account", given)
    return exporting.export(Path("var"), None, kind, year).text


def totals(kind: Format, rows: list[dict[str, str]]) -> dict[str, Decimal]:
    """What the tool that reads it makes of it, by asset."""
    ins, outs = {
        Format.CSV: (["received"], ["sent", "fee"]),
        Format.KOINLY: (["Received"], ["Sent", "Fee"]),
        Format.COINTRACKING: (["Buy"], ["Sell"]),  # the fee is in them
    }[kind]
    amount, asset = ("_amount", "_asset") if kind is Format.CSV else (" Amount", " Currency")
    found: list[tuple[str, Decimal]] = []
    for row in rows:
        for side in (*ins, *outs):
            if row[f"{side}{amount}"]:
                much = D(row[f"{side}{amount}"])
                assert much >= 0
                name = row[f"{side}{asset}"].removeprefix("'")
                found.append((name, much if side in ins else WIDE.minus(much)))
    return added(found)


@pytest.mark.parametrize("kind", Format)
@pytest.mark.parametrize("year", [None, 2025, 2026])
def test_a_file_has_the_tools_columns_and_its_totals_are_the_ledgers(
    kind: Format, year: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whose = recorded()
    text = written(kind, whose, year, monkeypatch)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    rows = list(reader)
    assert ",".join(reader.fieldnames or ()) == COLUMNS[kind]
    assert all(None not in row and None not in row.values() for row in rows)
    assert totals(kind, rows) == booked(whose, year)
    assert rows


@pytest.mark.parametrize("kind", Format)
def test_no_cell_begins_a_formula(kind: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    text = written(kind, recorded(), None, monkeypatch)
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert "'=1+1" in cells
    assert "'@SUM(A1)" in cells
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []


@pytest.mark.parametrize(
    "text", ["\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)", "\ufeff\uff1d1"]
)
def test_a_wide_formula_is_one_too(text: str) -> None:
    assert exporting._cell(text).startswith("'")


def test_no_cell_ends_at_a_semicolon_where_files_are_read_so() -> None:
    assert exporting._cell("T1;=1+1") == "T1 =1+1"


def by_ref(whose: Recorded) -> Mapping[str, exporting.Entry]:
    return {one.ref: one for one in entries(whose)}


def test_each_change_says_what_it_was() -> None:
    found = by_ref(recorded())
    assert found["T1"].fee == ("BTC", D("0.0000000001"))
    assert found["T1"].group == "c1"
    assert found["T3:BTC"].sent == ("BTC", D("0.000001"))  # a second fee is a row of its own
    assert found["T5"].fee is None
    assert found["T5:USD"].received == ("USD", D("0.01"))
    assert found["L3"].what is What.REWARD
    assert found["accepted:7:USD"].what is What.UNEXPLAINED
    assert found["opening:USD"].what is What.OPENING
    rounded = found["rounding:2026-01-01:USD"]  # last digits are one row for a day and an asset
    assert rounded.received == ("USD", D("0.000000005"))
    assert rounded.note.startswith("2 times")


def test_a_row_that_lacks_is_found_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whose = recorded()
    lacking = replace(whose, trades=whose.trades[1:])
    assert differences(lacking, entries(lacking)) == added(TRADES[0].moves("BTC", "USD"))
    with pytest.raises(UserError, match="rows and ledger differ"):
        written(Format.CSV, lacking, None, monkeypatch)


def test_dates_are_utc_as_each_tool_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\n2025-12-31 23:59:59 UTC," in written(Format.KOINLY, recorded(), 2025, monkeypatch)
    assert '"2025-12-31 23:59:59"' in written(Format.COINTRACKING, recorded(), 2025, monkeypatch)
