"""Every set of permissions that a key may have, against `live` and `keys:check`: in process."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import pytest

from arbit.config.permissions import TRADING
from arbit.domain.account import AccountUnfit, AccountUntold
from arbit.venues.alpaca.keyfacts import refuse_unfit
from arbit.venues.kraken.keyfacts import PERMISSIONS
from tests.security.permission_desk import Judged, KeyDesk, at_the_desk

# What trading needs, and three that it must not have: 2^10 sets.
BESIDE = ("withdraw-funds", "earn-funds", "view-prices")
TEN = (*TRADING, *BESIDE)
UNKNOWN = "view-prices"


def sets_of(names: tuple[str, ...]) -> Iterator[frozenset[str]]:
    for size in range(len(names) + 1):
        yield from map(frozenset, itertools.combinations(names, size))


Found = dict[frozenset[str], Judged]


def judged(sets: Iterable[frozenset[str]], admitted: str = "") -> Found:
    """What is made of each; nothing was ordered."""

    async def each(desk: KeyDesk) -> Found:
        found = {one: await desk.judge(one) for one in sets}
        assert desk.orders == 0
        return found

    return at_the_desk(each, admitted)


def started(found: Found) -> set[frozenset[str]]:
    """Those that a start admits; `keys:check` says the same of each, with the same reason."""
    for one, made in found.items():
        report = made.report
        assert report.fit == (not made.why), (sorted(one), made.why, report.verdict)
        assert not made.why or report.reasons == [made.why]
    return {one for one, made in found.items() if not made.why}


def test_of_all_1024_sets_of_permissions_only_the_smallest_starts() -> None:
    assert UNKNOWN not in PERMISSIONS
    found = judged(sets_of(TEN))
    assert len(found) == 1_024
    assert started(found) == {frozenset(TRADING)}
    for one, made in found.items():
        if "withdraw-funds" in one:
            assert "may withdraw" in made.why
        elif UNKNOWN in one:
            assert f"do not know ({UNKNOWN})" in made.why
        rehearsals = {market.rehearsal for market in made.report.markets}
        assert rehearsals == ({"not rehearsed"} if made.why else {"would be taken"})


def test_an_unknown_permission_starts_once_it_is_admitted_and_never_beside_a_withdrawal() -> None:
    smallest = frozenset(TRADING)
    beside = [smallest | more for more in sets_of(BESIDE)]
    found = judged([*beside, *(one - {less} for one in beside for less in TRADING)], UNKNOWN)
    assert started(found) == {smallest, smallest | {UNKNOWN}}
    assert any(
        "you vouch for: view-prices" in one for one in found[smallest | {UNKNOWN}].report.notes
    )


# Of Alpaca's account: what it must say of each thing, and what stands for all else that it may.
ACCOUNT = {
    "status": ("ACTIVE", "ACCOUNT_CLOSED"),
    "crypto_status": ("ACTIVE", "INACTIVE"),
    "trading_blocked": (False, True),
    "account_blocked": (False, True),
    "trade_suspended_by_user": (False, None),
    "currency": ("USD", "EUR"),
}


def test_of_all_accounts_at_alpaca_only_the_one_with_nothing_against_it_starts() -> None:
    fit = []
    for values in itertools.product(*ACCOUNT.values()):
        told = dict(zip(ACCOUNT, values, strict=True))
        try:
            refuse_unfit(told)
        except AccountUnfit:
            continue
        fit.append(told)
    assert fit == [{name: values[0] for name, values in ACCOUNT.items()}]


@pytest.mark.parametrize("name", [name for name in ACCOUNT if name != "currency"])
def test_what_alpaca_does_not_say_is_no_permission(name: str) -> None:
    told = {one: values[0] for one, values in ACCOUNT.items() if one != name}
    with pytest.raises(AccountUntold, match=rf"the venue does not say .*\({name}\)"):
        refuse_unfit(told)


@pytest.mark.parametrize("name", ["status", "crypto_status"])
def test_a_status_on_its_way_to_active_is_none_yet_and_what_is_known_counts_first(
    name: str,
) -> None:
    told = {one: values[0] for one, values in ACCOUNT.items()} | {name: "ACCOUNT_UPDATED"}
    with pytest.raises(AccountUntold, match=rf"'ACCOUNT_UPDATED' \({name}\), expected ACTIVE"):
        refuse_unfit(told)
    for fault in ({"account_blocked": True}, {"account_blocked": 0}, {"currency": "EUR"}):
        with pytest.raises(AccountUnfit) as caught:
            refuse_unfit(told | fault)
        assert not isinstance(caught.value, AccountUntold)
