"""What a user may say of Alpaca, and what is refused before anything is contacted."""

from __future__ import annotations

import pytest

from arbit.config import AlpacaHost, AlpacaLocation, AlpacaPlan, Feed, OrderTransport, venue_key
from arbit.domain.cycle import Policy
from arbit.domain.errors import UserError
from tests.unit.config.test_load import complaints, loaded

MADE_UP = "SANDBOXALPACATRADEKEY"


def test_alpaca_starts_on_paper_with_its_own_books_and_the_free_plan() -> None:
    venue = loaded().venue("alpaca")
    assert (venue.effective_feed, venue.max_symbols) == (Feed.NATIVE, 10)
    assert (venue.alpaca_host, venue.alpaca_data_location) == (AlpacaHost.PAPER, AlpacaLocation.US)
    assert (venue.alpaca_plan, venue.order_transport) == (AlpacaPlan.FREE, OrderTransport.REST)
    assert venue.api_key is None


def test_the_sandbox_of_alpaca_brings_its_own_key() -> None:
    venue = loaded().venue("sandbox-alpaca")
    assert venue.api_key is not None
    assert venue.api_key.get_secret_value() == MADE_UP
    assert venue.effective_feed is Feed.NATIVE


@pytest.mark.parametrize(
    "environ",
    [
        {"VENUES__SANDBOX_ALPACA__TAKER_FEE_BPS": "2"},
        {"VENUES__SANDBOX_ALPACA": '{"taker_fee_bps": 2}'},
        {"VENUES": '{"sandbox-alpaca": {"taker_fee_bps": 2}}'},
        {"VENUES": '{"sandbox_alpaca": {"taker_fee_bps": 2}}'},
    ],
)
def test_a_hyphen_in_a_venues_name_is_an_underscore_in_a_key(environ: dict[str, str]) -> None:
    settings = loaded(**environ)
    assert settings.venue("sandbox-alpaca").taker_fee_bps == 2
    assert "sandbox_alpaca" not in settings.venues


def test_a_venue_named_with_an_underscore_is_asked_for_by_its_name() -> None:
    with pytest.raises(UserError, match="venue 'sandbox_alpaca': expected sandbox-alpaca"):
        loaded().venue("sandbox_alpaca")


@pytest.mark.parametrize("missing", ["API_KEY", "API_SECRET"])
def test_a_key_without_its_other_half_is_one_line_that_names_it(missing: str) -> None:
    both = {"API_KEY": "PKMADEUPMADEUP", "API_SECRET": "made-up-made-up"}
    half = {f"VENUES__ALPACA__{name}": text for name, text in both.items() if name != missing}
    with pytest.raises(UserError) as caught:
        loaded(**half).venue("alpaca").credentials()
    assert str(caught.value).startswith(f"ARBIT_VENUES__ALPACA__{missing}: expected the ")
    assert "made-up" not in str(caught.value)


def test_a_complaint_names_the_key_as_it_is_written() -> None:
    key = "ARBIT_VENUES__SANDBOX_ALPACA__MAX_BOOK_AGE_MS"
    assert venue_key("sandbox-alpaca", "max_book_age_ms") == key
    assert complaints({key: "5"}) == [f"{key}=5: expected a whole number from 100 to 60000 ms"]
    (found,) = complaints({key.replace("BOOK", "BOK"): "5"})
    assert found.endswith(f"unknown setting; expected {key}")


def test_more_markets_than_the_plan_shows_names_the_limit_and_the_plan() -> None:
    key = "ARBIT_VENUES__ALPACA__MAX_SYMBOLS"
    (found,) = complaints({key: "11"})
    assert found.startswith(f"{key}=11: expected at most 10, the order books of Alpaca's free plan")
    assert found.endswith("set ARBIT_VENUES__ALPACA__ALPACA_PLAN=paid")
    assert loaded(VENUES__ALPACA__ALPACA_PLAN="paid").venue("alpaca").max_symbols == 1000
    both = loaded(VENUES__ALPACA__ALPACA_PLAN="paid", VENUES__ALPACA__MAX_SYMBOLS="40")
    assert both.venue("alpaca").max_symbols == 40


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("FEED", "ccxt", "native"),
        ("ORDER_TRANSPORT", "ws", "rest: Alpaca takes no orders over a WebSocket"),
        ("ALPACA_HOST", "sandbox", "paper or live"),
        ("ALPACA_DATA_LOCATION", "eu", "us or us-1 or eu-1"),
        ("ALPACA_PLAN", "gold", "free or paid"),
        ("DATA_URL", "wss://data.alpaca.markets", "an http:// or https:// address"),
    ],
)
def test_what_alpaca_does_not_have_is_one_line(field: str, text: str, expected: str) -> None:
    key = f"ARBIT_VENUES__ALPACA__{field}"
    (found,) = complaints({key: text})
    assert found.startswith(f"{key}={text}: expected {expected}")


@pytest.mark.parametrize(
    "setting",
    [
        "ALPACA_HOST=live",
        "ALPACA_PLAN=paid",
        "ALPACA_DATA_LOCATION=us",
        "DATA_URL=http://127.0.0.1",
    ],
)
def test_what_alpaca_alone_has_is_refused_elsewhere(setting: str) -> None:
    field, _, text = setting.partition("=")
    key = f"ARBIT_VENUES__KRAKEN__{field}"
    assert complaints({key: text}) == [
        f"{key}={text}: expected for alpaca and sandbox-alpaca alone"
    ]


def test_legs_at_once_are_no_trouble_at_alpaca() -> None:
    settings = loaded(RISK__POLICY="parallel")
    assert settings.risk.policy is Policy.PARALLEL


@pytest.mark.parametrize(
    ("host", "url", "other"),
    [
        ("paper", "https://api.alpaca.markets", "live"),
        ("live", "https://paper-api.alpaca.markets", "paper"),
    ],
)
def test_an_address_of_the_other_account_is_refused(host: str, url: str, other: str) -> None:
    key = "ARBIT_VENUES__ALPACA__REST_URL"
    (found,) = complaints({key: url, "ARBIT_VENUES__ALPACA__ALPACA_HOST": host})
    wanted = f"{key}={url}: expected an address of the {host} account, or "
    assert found == f"{wanted}ARBIT_VENUES__ALPACA__ALPACA_HOST={other}"


@pytest.mark.parametrize(
    ("field", "url"),
    [
        ("REST_URL", "https://paper-api.alpaca.markets"),
        ("DATA_URL", "https://data.alpaca.markets"),
        ("WS_URL", "wss://stream.data.alpaca.markets/v1beta3/crypto/us"),
        ("PRIVATE_WS_URL", "wss://api.alpaca.markets/stream"),
        ("REST_URL", "https://api.kraken.com"),
    ],
)
def test_the_sandbox_of_alpaca_is_not_pointed_at_a_venue(field: str, url: str) -> None:
    key = f"ARBIT_VENUES__SANDBOX_ALPACA__{field}"
    (found,) = complaints({key: url})
    wanted = f"{key}={url}: expected the address of an `arbit sandbox --face alpaca`"
    assert found.startswith(wanted)


def test_the_key_of_alpaca_is_not_sent_in_the_open() -> None:
    key, url = "ARBIT_VENUES__ALPACA__DATA_URL", "http://data.alpaca.markets"
    assert complaints({key: url}) == [
        f"{key}={url}: expected https://, or others read the key with us"
    ]
