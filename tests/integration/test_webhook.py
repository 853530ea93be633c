"""A delivery ends in its time with a word of ours, whatever the other side is or does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from arbit.domain.errors import UserError
from arbit.telemetry import webhook as ours
from arbit.telemetry.webhook import Webhook, Wire, trusting
from arbit.telemetry.webhook_address import Allowed
from tests.integration.alert_receiver import (
    Behave,
    certificate,
    drips,
    floods,
    hangs,
    huge_headers,
    patience,
    receiving,
    says,
    status,
)

pytestmark = pytest.mark.unstalled

LOCAL = Allowed(["127.0.0.0/8"])
NAME = "hooks.example"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


def wire(folder: Path, allowed: Allowed = LOCAL, timeout_s: float = 1.0, **more: object) -> Wire:
    trust = trusting(certificate(folder, "127.0.0.1"))
    trust.load_verify_locations(certificate(folder, NAME))
    return Wire(timeout_s, allowed, trust, **more)  # type: ignore[arg-type]  # values by name


@asynccontextmanager
async def to(url: str, how: Wire) -> AsyncIterator[Webhook]:
    webhook = Webhook(url, how)
    try:
        yield webhook
    finally:
        await webhook.close()


async def test_what_is_posted_arrives_and_a_get_too(folder: Path) -> None:
    async with receiving(folder) as receiver, to(receiver.url(), wire(folder)) as webhook:
        assert (await webhook("POST", {"text": "é\n"})).arrived
        assert (await webhook("GET", None)).arrived
    assert receiver.requests == [
        ("POST /canary-hook-token HTTP/1.1", {"text": "é\n"}),
        ("GET /canary-hook-token HTTP/1.1", None),
    ]


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (hangs, ours.TIMED_OUT),
        (drips, ours.TIMED_OUT),
        (floods, ""),  # of the body nothing is awaited but a piece
        (huge_headers, ours.NO_HTTP),
        (patience, ours.UNREACHED),  # not read on and on, which would take the trading's time
        (status(500), "answered 500"),
        (status(404), "answered 404"),
        (status(302, "Location: https://127.0.0.1:1/\r\n"), ours.REDIRECTED),
        (says(b"no HTTP at all\r\n\r\n"), ours.NO_HTTP),
        (says(b""), ours.UNREACHED),
    ],
)
async def test_a_hostile_receiver_costs_its_time_and_no_more(
    folder: Path, behave: Behave, why: str
) -> None:
    how = wire(folder, timeout_s=0.4 if why == ours.TIMED_OUT else 1.5)
    async with receiving(folder, behave) as receiver, to(receiver.url(), how) as webhook:
        began_s = asyncio.get_running_loop().time()
        answer = await webhook("POST", {})
        assert asyncio.get_running_loop().time() - began_s < 2
        assert answer.why == why
        assert answer.refused is (why == "answered 404")
        receiver.behave = None
        assert (await webhook("POST", {})).arrived  # and the next is none the worse


async def test_no_redirect_is_followed(folder: Path) -> None:
    async with receiving(folder) as trap, receiving(folder) as receiver:
        receiver.behave = status(307, f"Location: {trap.url()}\r\n")
        async with to(receiver.url(), wire(folder)) as webhook:
            assert (await webhook("POST", {})).why == ours.REDIRECTED
    assert trap.connections == 0


@pytest.mark.parametrize(
    ("asked", "heeded"), [("7", 7.0), ("1.5", 1.5), ("1e9", 300.0), ("-1", None), ("soon", None)]
)
async def test_the_wait_that_is_asked_for_is_a_number_within_bounds(
    folder: Path, asked: str, heeded: float | None
) -> None:
    behave = status(429, f"Retry-After: {asked}\r\n")
    async with receiving(folder, behave) as receiver, to(receiver.url(), wire(folder)) as webhook:
        answer = await webhook("POST", {})
        assert answer.retry_after_s == heeded
        assert not answer.refused, "another time it may"


async def test_who_cannot_prove_its_name_is_told_nothing(folder: Path) -> None:
    stranger = Wire(1.0, LOCAL)
    async with receiving(folder) as receiver, to(receiver.url(), stranger) as webhook:
        assert (await webhook("POST", {})).why == ours.BAD_TLS
    assert receiver.requests == []
    async with receiving(None) as plain, to(plain.url(), wire(folder)) as webhook:
        assert not (await webhook("POST", {})).arrived
    assert plain.requests == []


async def test_an_address_of_ours_is_not_gone_to_unless_it_was_listed(folder: Path) -> None:
    async with receiving(folder) as receiver:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "[::1]"):
            async with to(receiver.url(host=host), wire(folder, Allowed())) as webhook:
                assert (await webhook("POST", {})).why in {ours.NOT_PUBLIC, ours.UNREACHED}
    assert receiver.connections == 0


async def test_a_name_whose_answers_change_gains_nothing(folder: Path) -> None:
    asked: list[str] = []
    answers: list[Sequence[str]] = [["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1", "10.0.0.1"]]

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    how = wire(folder, Allowed(["127.0.0.1"]), lookup=rebinding)
    async with (
        receiving(folder, name=NAME) as receiver,
        to(receiver.url(host=NAME), how) as webhook,
    ):
        assert (await webhook("POST", {})).arrived  # to what was judged, asked for once
        assert asked == [NAME]
        assert (await webhook("POST", {})).why == ours.NOT_PUBLIC
        assert (await webhook("POST", {})).why == ours.NOT_PUBLIC  # one bad answer spoils all
    assert receiver.connections == 1
    assert len(asked) == 3


async def test_a_name_that_nobody_knows_or_that_is_looked_up_for_ever(folder: Path) -> None:
    async def nobody(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no address")

    async def for_ever(_host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    for lookup, why in ((nobody, ours.NO_ADDRESS), (for_ever, ours.TIMED_OUT)):
        how = wire(folder, timeout_s=0.2, lookup=lookup)
        async with to("https://a.example/x", how) as webhook:
            assert (await webhook("POST", {})).why == why


async def test_no_word_of_the_address_is_told_or_logged(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    for behave in (status(500), says(b"canary-hook-token\r\n\r\n"), says(b""), huge_headers):
        async with receiving(folder, behave) as receiver:
            for allowed in (LOCAL, Allowed()):
                async with to(receiver.url(), wire(folder, allowed, 0.3)) as webhook:
                    said.append((await webhook("POST", {})).why)
    assert len(said) == 8
    assert "canary" not in "".join(said) + caplog.text


def test_a_file_of_certificates_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate", "utf-8")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(UserError, match=r"^ARBIT_ALERTS__CA_FILE=.*expected a file of .*$"):
            trusting(tmp_path / name)


async def test_of_a_flood_little_is_even_taken_from_the_system(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    read = ours._Bounded.data_received

    def counted(self: ours._Bounded, data: bytes) -> None:
        taken.append(len(data))
        read(self, data)

    monkeypatch.setattr(ours._Bounded, "data_received", counted)
    for behave in (floods, huge_headers):
        async with (
            receiving(folder, behave) as receiver,
            to(receiver.url(), wire(folder)) as webhook,
        ):
            await webhook("POST", {})
    assert taken
    assert max(taken) <= 3 * ours.MAX_WAITING  # unread it would take a megabyte and more
