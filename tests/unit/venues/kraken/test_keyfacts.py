"""What a key may do: known words or nothing, and only the smallest useful set trades."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.config import VenueSettings, load_settings
from arbit.domain.account import AccountUnfit, AccountUntold
from arbit.domain.errors import FrameError, UserError
from arbit.venues.kraken.keyfacts import PERMISSIONS, judged, key_facts, key_notes

NEEDED = {
    "query-funds": "query funds",
    "query-open-trades": "query open and closed orders",
    "query-closed-trades": "query open and closed orders",
    "query-ledger": "query ledger entries",
    "modify-trades": "create and modify orders",
    "close-trades": "cancel and close orders",
    "create-ws-token": "use the WebSocket interface",
}
NOW_NS = 1_764_000_000 * 1_000_000_000
CAMEL: dict[str, Any] = {
    "apiKeyName": "trader",
    "apiKey": "public part",
    "nonce": "1764000000000",
    "nonceWindow": 0,
    "permissions": sorted(NEEDED),
    "iban": "AA00 N84G 0000 0000",
    "validUntil": "0",
    "queryFrom": "0",
    "queryTo": "0",
    "createdTime": "1700000000",
    "modifiedTime": "1700000000",
    "ipAllowlist": ["192.0.2.7"],
    "lastUsed": None,
}
KEY = "ARBIT_VENUES__KRAKEN__ADMIT_PERMISSIONS"


def venue(admitted: str = "") -> VenueSettings:
    return load_settings(None, {KEY: admitted}).venues["kraken"]


KRAKEN = venue()
SNAKE = {
    "api_key_name": "trader",
    "nonce_window": 0,
    "permissions": sorted(NEEDED),
    "valid_until": "0",
    "query_from": "0",
    "query_to": "0",
    "ip_allowlist": ["192.0.2.7"],
}


@pytest.mark.parametrize("body", [CAMEL, SNAKE])
def test_a_key_that_may_just_trade_is_fit_in_either_spelling(body: dict[str, Any]) -> None:
    facts = key_facts(body)
    judged(facts, KRAKEN, NOW_NS)
    assert facts.trade
    assert facts.stream
    assert facts.withdraw is False
    assert facts.nonce_window == 0
    assert facts.expires_ns is None
    assert facts.ip_allowlist == ("192.0.2.7",)


@pytest.mark.parametrize("missing", sorted(NEEDED))
def test_a_missing_permission_is_named(missing: str) -> None:
    facts = key_facts(CAMEL | {"permissions": sorted(NEEDED.keys() - {missing})})
    with pytest.raises(AccountUnfit, match=NEEDED[missing]):
        judged(facts, KRAKEN, NOW_NS)


def test_of_all_sets_of_permissions_only_the_smallest_useful_one_may_trade() -> None:
    fit = []
    for size in range(len(PERMISSIONS) + 1):
        for chosen in itertools.combinations(sorted(PERMISSIONS), size):
            try:
                judged(key_facts(CAMEL | {"permissions": list(chosen)}), KRAKEN, NOW_NS)
            except AccountUnfit:
                continue
            fit.append(set(chosen))
    assert fit == [set(NEEDED)]


@pytest.mark.parametrize(
    "word", ["withdraw-funds", "add-withdraw-address", "update-withdraw-address"]
)
def test_a_key_that_can_empty_the_account_is_refused_in_those_words(word: str) -> None:
    facts = key_facts(CAMEL | {"permissions": [*NEEDED, word]})
    assert facts.withdraw
    with pytest.raises(AccountUnfit, match="withdraw"):
        judged(facts, KRAKEN, NOW_NS)


@given(st.text(min_size=1))
def test_a_permission_that_nobody_knows_is_refused_and_printed_clean(word: str) -> None:
    known = word.lower().replace("_", "-").replace(" ", "-") in PERMISSIONS
    if not known:
        with pytest.raises(AccountUnfit, match=r"do not know|may withdraw") as told:
            judged(key_facts(CAMEL | {"permissions": [*NEEDED, word]}), KRAKEN, NOW_NS)
        assert str(told.value).isprintable()
        assert str(told.value).isascii()


def with_word(word: str, admitted: str = "") -> tuple[str, ...]:
    """The notes on a key with this permission beside those that it needs."""
    facts = key_facts(CAMEL | {"permissions": [*NEEDED, word]})
    return judged(facts, venue(admitted), NOW_NS)


@pytest.mark.parametrize("word", ["view-prices", "viewPrices", "VIEW_PRICES", "view prices"])
def test_an_unknown_permission_is_named_as_it_can_be_admitted(word: str) -> None:
    with pytest.raises(AccountUnfit, match=rf"do not know \(view-prices\).* by name in {KEY}"):
        with_word(word)
    with pytest.raises(AccountUnfit, match="do not know"):
        with_word(word, "view-price")
    assert with_word(word, "other,view-prices") == (
        "the key may do what we do not know and you vouch for: view-prices",
    )


def test_many_unknown_permissions_are_named_up_to_a_bound() -> None:
    words = [f"new-{number:02}-{'x' * 50}" for number in range(20)]
    with pytest.raises(AccountUnfit, match=r"\.\.\. and 17 more\)") as told:
        judged(key_facts(CAMEL | {"permissions": [*NEEDED, *words]}), KRAKEN, NOW_NS)
    assert len(str(told.value)) < 400


@pytest.mark.parametrize("word", ["earn-funds", "add-funds", "export-data"])
def test_what_is_known_and_needless_cannot_be_admitted(word: str) -> None:
    with pytest.raises(AccountUnfit, match=rf"no use for \({word}\)"):
        with_word(word, word)


def test_a_permission_under_a_new_name_may_stand_for_one_that_trading_needs() -> None:
    words = [*(NEEDED.keys() - {"create-ws-token"}), "open-sockets"]
    facts = key_facts(CAMEL | {"permissions": words})
    with pytest.raises(AccountUnfit, match="may not use the WebSocket interface"):
        judged(facts, venue("open-sockets"), NOW_NS)
    assert judged(facts, venue("open-sockets=create-ws-token"), NOW_NS)


@pytest.mark.parametrize(
    "word",
    [
        "Withdraw",
        "withdrawFunds2",
        "WITH-DRAW",
        "transfer-funds",
        "walletTransfer",
        "pay_out",
        "cash-out",
        "Move_Funds",
        "wire-out",
    ],
)
def test_what_may_move_money_out_is_refused_as_a_withdrawal_whatever_its_name(word: str) -> None:
    with pytest.raises(AccountUnfit, match="may withdraw"):
        with_word(word)
    with pytest.raises(UserError, match=rf"^{KEY}=.*: expected a list of names"):
        venue(word.lower())
    behind = venue().model_copy(update={"admit_permissions": (word.lower(),)})
    with pytest.raises(AccountUnfit, match="may withdraw"):
        judged(key_facts(CAMEL | {"permissions": [*NEEDED, word]}), behind, NOW_NS)


@pytest.mark.parametrize(
    "said",
    ["View Prices", "a=withdraw-funds", "a=b", "a=", "=a", "a?", "a" * 41, ",".join("a" * 21)],
)
def test_what_is_no_name_is_a_users_mistake(said: str) -> None:
    with pytest.raises(UserError, match=f"^{KEY}="):
        venue(said)


def test_permissions_are_admitted_where_they_are_told_alone() -> None:
    for name in ("ALPACA", "MEXC"):
        with pytest.raises(UserError, match="expected for kraken and sandbox alone"):
            load_settings(None, {f"ARBIT_VENUES__{name}__ADMIT_PERMISSIONS": "view-prices"})


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "permissions",
        {},
        CAMEL | {"permissions": None},
        CAMEL | {"permissions": {"query-funds": True}},
        CAMEL | {"permissions": [1]},
        CAMEL | {"nonceWindow": "some"},
        CAMEL | {"nonceWindow": True},
        CAMEL | {"nonce_window": 5},  # the other spelling says something else
        {"Permissions": ["withdraw-funds"]} | CAMEL,
        CAMEL | {"validUntil": -1},
    ],
)
def test_an_answer_that_cannot_be_read_vouches_for_nothing(body: Any) -> None:
    with pytest.raises(FrameError):
        key_facts(body)


@pytest.mark.parametrize("name", ["queryFrom", "queryTo"])
def test_a_key_that_sees_a_part_of_the_past_is_refused(name: str) -> None:
    with pytest.raises(AccountUnfit, match="part of the account's history"):
        key_facts(CAMEL | {name: "1764000000"})


def test_a_nonce_window_and_an_expired_key_are_refused() -> None:
    with pytest.raises(AccountUnfit, match="nonce window"):
        judged(key_facts(CAMEL | {"nonceWindow": 5}), KRAKEN, NOW_NS)
    with pytest.raises(AccountUnfit, match="expired"):
        judged(key_facts(CAMEL | {"validUntil": "1763999999"}), KRAKEN, NOW_NS)
    judged(key_facts(CAMEL | {"validUntil": "1764000001"}), KRAKEN, NOW_NS)


@pytest.mark.parametrize("told", [{}, {"nonceWindow": None}])
def test_a_key_of_which_no_nonce_window_is_told_is_refused(told: dict[str, Any]) -> None:
    body = {name: value for name, value in CAMEL.items() if name != "nonceWindow"} | told
    with pytest.raises(AccountUntold, match="does not say whether"):
        judged(key_facts(body), KRAKEN, NOW_NS)
    with pytest.raises(AccountUnfit, match="expired") as caught:  # what is known counts
        judged(key_facts(body | {"validUntil": "1763999999"}), KRAKEN, NOW_NS)
    assert not isinstance(caught.value, AccountUntold)


def test_an_answer_that_names_no_permission_says_nothing_and_starts_nothing() -> None:
    with pytest.raises(AccountUntold, match="names no permission"):
        judged(key_facts(CAMEL | {"permissions": []}), KRAKEN, NOW_NS)
    with pytest.raises(AccountUnfit, match="set it to 0"):  # what is known counts
        judged(key_facts(CAMEL | {"permissions": [], "nonceWindow": 5}), KRAKEN, NOW_NS)


@pytest.mark.parametrize("said", [0, "0"])
def test_a_nonce_window_of_0_is_one_however_it_is_written(said: object) -> None:
    judged(key_facts(CAMEL | {"nonceWindow": said}), KRAKEN, NOW_NS)


def test_what_might_be_better_about_a_key_is_noted() -> None:
    week_s = 7 * 86_400
    assert key_notes(key_facts(CAMEL), NOW_NS) == ()
    for told in (list[str](), None):
        (note,) = key_notes(key_facts(CAMEL | {"ipAllowlist": told}), NOW_NS)
        assert "from any address" in note
    soon = key_facts(CAMEL | {"validUntil": str(NOW_NS // 10**9 + week_s - 1)})
    assert key_notes(soon, NOW_NS) == ("the key expires within a week",)
    later = key_facts(CAMEL | {"validUntil": str(NOW_NS // 10**9 + week_s)})
    assert key_notes(later, NOW_NS) == ()
