"""What a key may do: known words or nothing, and only the smallest useful set trades."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbit.domain.account import AccountUnfit
from arbit.domain.errors import FrameError
from arbit.venues.kraken.keyfacts import PERMISSIONS, key_facts, key_notes, refuse_unfit

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
    refuse_unfit(facts, NOW_NS)
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
        refuse_unfit(facts, NOW_NS)


def test_of_all_sets_of_permissions_only_the_smallest_useful_one_may_trade() -> None:
    fit = []
    for size in range(len(PERMISSIONS) + 1):
        for chosen in itertools.combinations(sorted(PERMISSIONS), size):
            try:
                refuse_unfit(key_facts(CAMEL | {"permissions": list(chosen)}), NOW_NS)
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
        refuse_unfit(facts, NOW_NS)


@given(st.text(min_size=1))
def test_a_permission_that_nobody_knows_is_refused(word: str) -> None:
    known = word.lower().replace("_", "-").replace(" ", "-") in PERMISSIONS
    if not known:
        with pytest.raises(AccountUnfit, match="do not know"):
            key_facts(CAMEL | {"permissions": [*NEEDED, word]})


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
        refuse_unfit(key_facts(CAMEL | {"nonceWindow": 5}), NOW_NS)
    with pytest.raises(AccountUnfit, match="expired"):
        refuse_unfit(key_facts(CAMEL | {"validUntil": "1763999999"}), NOW_NS)
    refuse_unfit(key_facts(CAMEL | {"validUntil": "1764000001"}), NOW_NS)


@pytest.mark.parametrize("told", [{}, {"nonceWindow": None}])
def test_a_key_of_which_no_nonce_window_is_told_is_refused(told: dict[str, Any]) -> None:
    body = {name: value for name, value in CAMEL.items() if name != "nonceWindow"} | told
    with pytest.raises(AccountUnfit, match="does not say whether"):
        refuse_unfit(key_facts(body), NOW_NS)


@pytest.mark.parametrize("said", [0, "0"])
def test_a_nonce_window_of_0_is_one_however_it_is_written(said: object) -> None:
    refuse_unfit(key_facts(CAMEL | {"nonceWindow": said}), NOW_NS)


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
