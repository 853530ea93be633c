"""Alerts go to the internet, or where the user said; a name that leads elsewhere leads nowhere."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from pydantic import SecretStr

from arbit.app.alerts.alerting import Ways
from arbit.config import AlertSettings
from arbit.domain.alert import Alert, Severity
from arbit.telemetry.webhook import NOT_PUBLIC as NOT_PUBLIC_WHY
from arbit.telemetry.webhook_address import Allowed, SystemLookup, addresses_of

PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
NOT_PUBLIC = [
    *(
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",  # noqa: S104  not bound to
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
    ),
    *("192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255", "192.88.99.1", "203.0.113.7"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "fec0::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2001:db8::1", "2001::1"),
    *("::127.0.0.1", "localhost", "", "1.1.1", "0x7f000001", "2130706433", "1.1.1.1/32"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_gone_to(address: str) -> None:
    assert Allowed()(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_any_other_is_not(address: str) -> None:
    assert not Allowed()(address)


def test_what_was_listed_is_gone_to_and_its_neighbour_is_not() -> None:
    allowed = Allowed(["10.0.0.5", "192.168.1.0/24", "::1"])
    assert [allowed(one) for one in ("10.0.0.5", "192.168.1.77", "::1", "1.1.1.1")] == [True] * 4
    assert [allowed(one) for one in ("10.0.0.6", "192.168.2.1", "127.0.0.1")] == [False] * 3


async def test_a_look_up_that_hangs_keeps_no_other_one_and_no_end_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        go_on.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    look_up = SystemLookup()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await look_up("a.example", 443)
    with pytest.raises(OSError, match="has not come back"):
        await look_up("a.example", 443)
    assert [one.daemon for one in threading.enumerate() if one.name == "alerts look-up"] == [True]
    go_on.set()


def test_a_name_without_an_address_has_none() -> None:
    assert addresses_of("a" * 300 + ".invalid", 443) == ()
    assert "127.0.0.1" in addresses_of("127.0.0.1", 443)


async def test_without_a_thread_there_is_no_address_now_and_one_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    look_up = SystemLookup()
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", none_left)
        with pytest.raises(OSError, match="thread"):
            await look_up("127.0.0.1", 443)
    assert list(await look_up("127.0.0.1", 443)) == ["127.0.0.1"]


async def test_receivers_that_are_told_at_once_do_not_wait_for_each_other_s_look_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = threading.Barrier(2, timeout=5)

    def look(*_: object, **__: object) -> list[object]:
        both.wait()  # neither is answered before both have asked
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    ways = Ways(
        AlertSettings(
            discord_url=SecretStr("https://one.example/hook"),
            webhook_url=SecretStr("https://two.example/hook"),
        )
    )
    alert = Alert("a", Severity.INFO, "v", "k", "s", "text")
    try:
        found = await asyncio.gather(*(deliver(alert) for deliver in ways.receivers.values()))
    finally:
        await ways.close()
    assert [one.why for one in found] == [NOT_PUBLIC_WHY] * 2  # looked up, and judged
