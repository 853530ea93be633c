"""Which fee is reckoned with: the venue's word, what fills took, and what the user set."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from arbit.domain.fees import Fee, FeeSource
from arbit.domain.money import BPS
from arbit.domain.realised import Realised
from arbit.execution.fee_table import FeeTable

D = Decimal
SYMBOLS = ("BTC/USD", "ETH/BTC", "ETH/USD")


def bps(amount: str) -> Decimal:
    return D(amount) / BPS


def took(amount: str) -> Realised:
    return Realised(bps(amount))


class Table:
    """A table of three markets at 4 bps, and what it tells its desk."""

    def __init__(self, stated: Mapping[str, str] | None = None, known_ns: int = 0) -> None:
        set_ = {symbol: bps(amount) for symbol, amount in (stated or {}).items()}
        fees = {
            symbol: (
                Fee(set_[symbol], FeeSource.OVERRIDE)
                if set_.get(symbol, D(0)) > bps("4")
                else Fee(bps("4"), FeeSource.ACCOUNT)
            )
            for symbol in SYMBOLS
        }
        self.fees = FeeTable(fees, stated=set_.get, known_ns=known_ns)
        self.changes: list[dict[str, Fee]] = []
        self.fees.changed = lambda fees: self.changes.append(dict(fees))

    def heard(self, symbol: str, amount: str, reckoned: str = "4", at_ns: int = 1) -> str:
        return self.fees.heard(symbol, took(amount), bps(reckoned), at_ns)

    def answered(self, amount: str, known_ns: int = 0, **other: str) -> str:
        answer = {symbol: bps(amount) for symbol in SYMBOLS}
        answer |= {name.replace("_", "/"): bps(one) for name, one in other.items()}
        return self.fees.answered(answer, self.fees.doubts, known_ns)

    @property
    def reckoned(self) -> dict[str, Decimal]:
        return {symbol: fee.bps for symbol, fee in self.fees.fees.items()}

    @property
    def for_ways_home(self) -> dict[str, Decimal]:
        return {symbol: rate * BPS for symbol, rate in self.fees.rates.items()}


def test_a_fee_as_expected_changes_nothing() -> None:
    table = Table()
    assert table.heard("BTC/USD", "4.09") == ""
    assert table.heard("BTC/USD", "3.91") == ""
    assert (table.fees.doubt(), table.fees.cheaper) == ("", False)


def test_a_dearer_fee_is_doubted_told_once_and_reckoned_with_on_the_way_home() -> None:
    table = Table()
    assert table.heard("BTC/USD", "9") == (
        "BTC/USD took a fee of 9 bps, 4 were expected; nothing new begins until the venue is asked"
    )
    assert table.fees.doubt() == (
        "the venue is asked for its fees: BTC/USD took a fee of 9 bps, 4 were expected"
    )
    assert table.for_ways_home == dict.fromkeys(SYMBOLS, D(9)), "a tier is the account's"
    assert table.changes == [], "nothing new begins: the desk need not know yet"
    assert [table.heard("BTC/USD", "9"), table.heard("ETH/USD", "9")] == ["", ""]


def test_a_fee_that_is_no_tier_is_reckoned_with_on_its_own_market_alone() -> None:
    table = Table()
    assert table.heard("BTC/USD", "1000")
    assert table.for_ways_home == {"BTC/USD": 1000, "ETH/BTC": 4, "ETH/USD": 4}
    assert table.fees.doubt()
    table.answered("4")
    assert table.reckoned == {"BTC/USD": 1000, "ETH/BTC": 4, "ETH/USD": 4}


def test_while_in_doubt_the_dearest_fill_counts() -> None:
    table = Table()
    for amount in ("9", "12", "10"):
        table.heard("BTC/USD", amount)
    assert table.for_ways_home == dict.fromkeys(SYMBOLS, D(12))


def test_a_small_fill_that_was_rounded_is_no_better_witness_than_a_large_one() -> None:
    table = Table()
    table.heard("BTC/USD", "9")
    table.fees.heard("BTC/USD", Realised(bps("12"), bps("6")), bps("4"), 1)
    table.answered("4")
    assert table.reckoned["BTC/USD"] == 9


def test_an_answer_that_explains_it_holds_everywhere_and_ends_the_doubt() -> None:
    table = Table()
    table.heard("BTC/USD", "9")
    assert table.answered("8.95") == "BTC/USD, ETH/BTC, ETH/USD from 4 bps to 8.95 bps"
    assert table.fees.doubt() == ""
    assert table.reckoned == table.for_ways_home == dict.fromkeys(SYMBOLS, D("8.95"))
    (told,) = table.changes
    assert told == dict.fromkeys(SYMBOLS, Fee(bps("8.95"), FeeSource.ACCOUNT))
    assert table.heard("BTC/USD", "9", reckoned="4") == "", "of an order from before: told already"


def test_what_an_answer_does_not_explain_is_believed_of_that_market() -> None:
    table = Table()
    table.heard("BTC/USD", "9")
    assert table.answered("4") == (
        "BTC/USD from 4 bps to 9 bps, as fills took, though the venue says 4 bps"
    )
    assert table.fees.doubt() == ""
    assert table.reckoned == table.for_ways_home == {"BTC/USD": 9, "ETH/BTC": 4, "ETH/USD": 4}
    assert table.fees.fees["BTC/USD"].source is FeeSource.REALISED
    assert table.heard("BTC/USD", "9") == "", "and is no surprise any more"
    assert table.fees.doubt() == ""


def test_an_unexplained_fee_stays_until_the_venue_says_so_or_a_fill_is_cheaper() -> None:
    table = Table()
    table.heard("BTC/USD", "9")
    table.answered("4")
    assert table.answered("5").endswith("to 5 bps"), "the others follow"
    assert table.reckoned["BTC/USD"] == 9
    table.heard("BTC/USD", "5")
    assert table.fees.cheaper
    assert table.reckoned["BTC/USD"] == 9, "not before the venue was asked"
    table.answered("5")
    assert table.reckoned["BTC/USD"] == 5


DAY_NS = 86_400 * 1_000_000_000


def test_what_was_taken_once_lapses_when_the_venue_has_said_otherwise_for_a_week() -> None:
    """At the dearer fee no fill may come that could show it gone."""
    table = Table()
    table.heard("BTC/USD", "9")
    table.answered("4", DAY_NS)
    for day in range(2, 9):
        table.answered("4", day * DAY_NS)
        assert table.reckoned["BTC/USD"] == 9, day
    assert table.answered("4", 8 * DAY_NS + 1) == "BTC/USD from 9 bps to 4 bps"
    assert table.reckoned["BTC/USD"] == 4
    table.heard("BTC/USD", "9", at_ns=9 * DAY_NS)
    assert table.fees.doubt(), "the next such fill stops at once"


def test_what_is_taken_again_and_again_does_not_lapse() -> None:
    table = Table()
    table.heard("BTC/USD", "9")
    for day in range(30):
        table.answered("4", day * DAY_NS)
        table.heard("BTC/USD", "9", at_ns=day * DAY_NS + 1)
        assert table.fees.doubt() == ""
        assert table.reckoned["BTC/USD"] == 9


def test_what_was_taken_stays_while_nobody_knows_the_venues_time() -> None:
    table = Table()
    table.heard("BTC/USD", "9")
    for _ in range(30):
        table.answered("4")
    assert table.reckoned["BTC/USD"] == 9
    table.answered("4", 30 * DAY_NS)
    assert table.reckoned["BTC/USD"] == 9, "it may have been seen a moment ago"
    table.answered("4", 38 * DAY_NS)
    assert table.reckoned["BTC/USD"] == 4


def test_a_doubt_that_came_while_the_venue_was_asked_waits_for_the_next_answer() -> None:
    table = Table()
    table.heard("BTC/USD", "9")
    asked = table.fees.doubts
    table.heard("ETH/USD", "9")
    table.fees.answered(dict.fromkeys(SYMBOLS, bps("4")), asked, 0)
    assert "ETH/USD" in table.fees.doubt()
    assert "BTC/USD" not in table.fees.doubt()
    assert table.answered("9")
    assert table.fees.doubt() == ""


def test_a_cheaper_fee_is_worth_a_question_and_stops_nothing() -> None:
    table = Table()
    assert table.heard("BTC/USD", "3") == ""
    assert (table.fees.cheaper, table.fees.doubt()) == (True, "")
    assert table.reckoned["BTC/USD"] == 4
    assert table.answered("3") == "BTC/USD, ETH/BTC, ETH/USD from 4 bps to 3 bps"
    assert not table.fees.cheaper


def test_what_the_user_set_is_kept_unless_fills_take_more() -> None:
    table = Table({"BTC/USD": "6", "ETH/BTC": "2"})
    said = table.heard("BTC/USD", "5", reckoned="6")
    assert said == "", "dearer than the venue says, not than was reckoned"
    assert table.answered("5").split("; ") == [
        "ETH/BTC from 4 bps to 5 bps, more than the 2 bps that are set",
        "ETH/USD from 4 bps to 5 bps",
    ]
    assert table.reckoned["BTC/USD"] == 6
    assert table.heard("BTC/USD", "8")
    assert table.answered("5") == (
        "BTC/USD from 6 bps to 8 bps, as fills took, though the venue says 5 bps, more than the "
        "6 bps that are set"
    )
    assert table.reckoned["BTC/USD"] == 8


def test_a_market_that_the_answer_leaves_out_stays_as_it_was() -> None:
    table = Table()
    table.fees.answered({"BTC/USD": bps("7")}, {}, 0)
    assert table.reckoned == {"BTC/USD": 7, "ETH/BTC": 4, "ETH/USD": 4}


def test_an_answer_that_repeats_what_is_reckoned_with_does_not_change_who_said_so() -> None:
    """Paper answers with the list that it was given: a published fee is no account's by that."""
    fees = {
        "BTC/USD": Fee(bps("40"), FeeSource.LADDER),
        "ETH/USD": Fee(bps("6"), FeeSource.OVERRIDE),
    }
    table = FeeTable(fees, stated={"ETH/USD": bps("6")}.get)
    assert table.answered({symbol: fee.rate for symbol, fee in fees.items()}, {}, 0) == ""
    assert table.fees == fees


def test_a_market_whose_fee_was_not_known_is_known_by_an_answer() -> None:
    table = Table()
    said = table.answered("4", XRP_USD="5")
    assert said == "XRP/USD from unknown to 5 bps"
    assert table.fees.rates["XRP/USD"] == bps("5")


def test_an_old_fill_says_nothing_against_an_answer_that_is_younger() -> None:
    table = Table(known_ns=1_000)
    assert "expected" in table.heard("BTC/USD", "9", at_ns=999)
    assert table.heard("BTC/USD", "9", at_ns=999) == "", "told once"
    assert table.fees.doubt() == ""
    assert table.heard("BTC/USD", "9", at_ns=1_000)
    assert table.fees.doubt()


def test_a_fill_whose_time_nobody_told_is_not_taken_for_an_old_one() -> None:
    table = Table(known_ns=1_000)
    assert table.heard("BTC/USD", "9", at_ns=0)
    assert table.fees.doubt()


def test_a_market_without_a_fee_is_told_of_and_changes_nothing() -> None:
    table = Table()
    assert "ADA/USD took a fee of 9 bps, 4 were expected" in table.heard("ADA/USD", "9")
    assert table.fees.doubt() == ""


def test_the_desk_and_the_table_do_not_share_what_was_given() -> None:
    given = {"BTC/USD": Fee(bps("4"), FeeSource.ACCOUNT)}
    table = FeeTable(given)
    table.answered({"BTC/USD": bps("5")}, {}, 0)
    assert given["BTC/USD"].bps == 4


def test_a_fee_that_the_venue_never_states_stays_or_is_what_fills_took() -> None:
    table = FeeTable({"BTC/USD": Fee(bps("4"), FeeSource.LADDER)})
    assert table.answered({"ETH/USD": bps("5")}, {}, 0) == "ETH/USD from unknown to 5 bps"
    assert table.fees["BTC/USD"] == Fee(bps("4"), FeeSource.LADDER)
    assert table.heard("BTC/USD", took("9"), bps("4"), 1)
    assert table.answered({"ETH/USD": bps("5")}, table.doubts, 0) == (
        "BTC/USD from 4 bps to 9 bps, as fills took, though the venue says nothing"
    )
    assert table.doubt() == ""
    assert table.fees["BTC/USD"] == Fee(bps("9"), FeeSource.REALISED)
    assert table.rates["BTC/USD"] == bps("9")
