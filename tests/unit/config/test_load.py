"""Settings as a user says them, and as a user gets them wrong."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from arbit.config import Feed, Override, Settings, VenueSettings, load_settings
from arbit.config.load import hear_settings
from arbit.config.text import MASK
from arbit.config.told import DEFAULT, told_settings
from arbit.domain.cycle import Policy
from arbit.domain.errors import UserError


def loaded(**environ: str) -> Settings:
    return load_settings(None, {f"ARBIT_{key}": text for key, text in environ.items()})


def complaints(
    environ: dict[str, str] | None = None, env_file: Path | None = None, *overrides: Override
) -> list[str]:
    with pytest.raises(UserError) as caught:
        load_settings(env_file, environ or {}, overrides)
    return str(caught.value).splitlines()


def test_nothing_said_means_the_sandbox_over_our_own_feed() -> None:
    settings = load_settings(None, {})
    assert settings.default_venues == ("sandbox",)
    assert settings.venue("sandbox").effective_feed is Feed.NATIVE
    assert settings.venue("kraken").max_book_age_ms == 3000
    assert settings.metrics_port is None
    assert settings == Settings()


def test_a_venue_that_is_not_built_in_is_an_exchange_over_ccxt() -> None:
    venue = load_settings(None, {}).venue("mexc")
    assert (venue.name, venue.feed, venue.max_book_age_ms) == ("mexc", Feed.CCXT, 5000)


def test_a_venue_name_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(
        UserError, match="'Kra ken': expected kraken, sandbox, alpaca, sandbox-alpaca or"
    ):
        load_settings(None, {}).venue("Kra ken")


def test_one_setting_takes_kraken_off_our_own_feed() -> None:
    assert loaded(VENUES__KRAKEN__FEED="ccxt").venue("kraken").effective_feed is Feed.CCXT


def test_websockets_switched_off_means_rest_whatever_the_feed_says() -> None:
    venue = loaded(VENUES__KRAKEN__WS_ENABLED="false").venue("kraken")
    assert (venue.feed, venue.effective_feed) == (Feed.NATIVE, Feed.REST)


@pytest.mark.parametrize("text", ["BTC/USD, ETH/BTC,ETH/USD", '["BTC/USD", "ETH/BTC", "ETH/USD"]'])
def test_a_list_may_be_separated_by_commas_or_be_json(text: str) -> None:
    venue = loaded(VENUES__KRAKEN__SYMBOLS=text).venue("kraken")
    assert venue.symbols == ("BTC/USD", "ETH/BTC", "ETH/USD")


@pytest.mark.parametrize(
    "text",
    [
        "BTC/USD,ETH/BTC,ETH/USD;BTC/EUR,ETH/BTC,ETH/EUR",
        '["BTC/USD,ETH/BTC,ETH/USD", ["BTC/EUR", "ETH/BTC", "ETH/EUR"]]',
    ],
)
def test_triangles_are_three_markets_each(text: str) -> None:
    assert loaded(VENUES__KRAKEN__TRIANGLES=text).venue("kraken").triangles == (
        ("BTC/USD", "ETH/BTC", "ETH/USD"),
        ("BTC/EUR", "ETH/BTC", "ETH/EUR"),
    )


@pytest.mark.parametrize("text", ["auto", "", "[]"])
def test_auto_names_no_triangle(text: str) -> None:
    assert loaded(VENUES__KRAKEN__TRIANGLES=text).venue("kraken").triangles == ()


@pytest.mark.parametrize("text", ["USD=5,BTC=0.0001", '{"USD": 5, "BTC": 0.0001}'])
def test_amounts_keep_every_digit(text: str) -> None:
    venue = loaded(VENUES__KRAKEN__MIN_NOTIONAL=text).venue("kraken")
    assert venue.min_notional == {"USD": Decimal(5), "BTC": Decimal("0.0001")}


def test_a_fee_of_one_market_wins_over_the_fee_of_the_venue() -> None:
    venue = loaded(
        VENUES__KRAKEN__TAKER_FEE_BPS="40", VENUES__KRAKEN__TAKER_FEE_BPS_BY_SYMBOL="USDC/USD=20"
    ).venue("kraken")
    assert venue.fee_override_bps("USDC/USD") == 20
    assert venue.fee_override_bps("BTC/USD") == 40
    assert Settings().venue("kraken").fee_override_bps("BTC/USD") is None


def test_a_whole_slice_may_be_one_json_object() -> None:
    settings = loaded(SCAN='{"latency_ms": 80}', VENUES='{"mexc": {"book_depth": 10}}')
    assert settings.scan.latency_ms == 80
    assert settings.venue("mexc").book_depth == 10
    assert settings.venue("mexc").feed is Feed.CCXT


def test_an_empty_value_unsets_what_is_unset_by_default() -> None:
    assert loaded(METRICS_PORT="", VENUES__KRAKEN__WS_URL="").metrics_port is None
    assert complaints({"ARBIT_LOG_LEVEL": ""}) == [
        "ARBIT_LOG_LEVEL=: expected debug or info or warning or error"
    ]


def test_the_command_line_wins_over_the_environment_which_wins_over_the_file(
    tmp_path: Path,
) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_text("ARBIT_SCAN__LATENCY_MS=1\nARBIT_METRICS_PORT=1\nARBIT_LOG_JSON=true\n")
    settings = load_settings(
        env_file,
        {"ARBIT_SCAN__LATENCY_MS": "2", "ARBIT_METRICS_PORT": "2"},
        [Override("--latency-ms", "ARBIT_SCAN__LATENCY_MS", "3")],
    )
    assert settings.scan.latency_ms == 3
    assert settings.metrics_port == 2
    assert settings.log_json is True


def test_keys_of_other_programs_are_none_of_our_business(tmp_path: Path) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_text("COMPOSE_PROJECT=x\n")
    assert load_settings(env_file, {"PATH": "/bin", "ARBITER": "x"}) == Settings()


def test_a_missing_env_file_is_empty_unless_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}) == Settings()
    assert "other.env: expected a file" in complaints({}, Path("other.env"))[0]


def test_the_env_file_of_the_working_folder_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text('# mine\n\nexport ARBIT_LOG_LEVEL="debug"  # loud\n')
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}).log_level == "debug"


def test_every_problem_is_listed_at_once_with_key_value_and_what_was_expected(
    tmp_path: Path,
) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_text("ARBIT_LOG_JSON=true\nthis is no line\nARBIT_METRICS_PORT\nARBIT_X=1\n")
    found = complaints(
        {
            "ARBIT_VENUES__KRAKEN__MAX_BOK_AGE_MS": "5",
            "ARBIT_VENUES__KRAKEN__MAX_BOOK_AGE_MS": "5",
            "ARBIT_VENUES__MEXC__FEED": "native",
            "ARBIT_METRICS_PORT": "99999",
            "ARBIT_SCAN": '{"latency_ms": -1, "speed": 9}',
        },
        env_file,
        Override("--fee-bps", "ARBIT_VENUES__KRAKEN__TAKER_FEE_BPS", "-3"),
    )
    assert found[0] == f"{env_file}, line 2: expected KEY=value"
    assert found[1] == f"{env_file}, line 3: ARBIT_METRICS_PORT: expected KEY=value"
    assert found[2].startswith(f"{env_file}, line 4: ARBIT_X: unknown setting; expected one of")
    known = "unknown setting; expected ARBIT_VENUES__KRAKEN__MAX_BOOK_AGE_MS"
    assert f"ARBIT_VENUES__KRAKEN__MAX_BOK_AGE_MS: {known}" in found
    assert "--fee-bps=-3: expected a number from 0 to 1000 bps" in found
    assert "ARBIT_METRICS_PORT=99999: expected a whole number from 0 to 65535" in found
    age = "ARBIT_VENUES__KRAKEN__MAX_BOOK_AGE_MS=5: expected a whole number from 100 to 60000 ms"
    assert age in found
    feed = (
        "ARBIT_VENUES__MEXC__FEED=native: expected native (kraken, alpaca and "
        "their sandboxes only), ccxt (not for alpaca) or rest"
    )
    assert feed in found
    assert "ARBIT_SCAN__LATENCY_MS=-1: expected a whole number from 0 to 60000 ms" in found
    assert any(line.startswith("ARBIT_SCAN__SPEED: unknown setting;") for line in found)
    assert len(found) == 10


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("VENUES__KRAKEN__BOOK_DEPTH", "11", "expected one of 10, 25, 100, 500, 1000"),
        ("VENUES__KRAKEN__REST_URL", "ftp://x", "expected an http:// or https:// address"),
        ("VENUES__KRAKEN__WS_URL", "http://x", "expected a ws:// or wss:// address"),
        ("VENUES__KRAKEN__WATCHDOG_MS", "3001", "from 500 to 3000 ms"),
        ("VENUES__KRAKEN__CONNECT_ATTEMPTS_PER_10MIN", "121", "from 1 to 120 attempts"),
        ("VENUES__KRAKEN__TAKER_FEE_BPS", "NaN", "from 0 to 1000 bps"),
        ("VENUES__KRAKEN__TAKER_FEE_BPS", "1001", "from 0 to 1000 bps"),
        ("VENUES__KRAKEN__TAKER_FEE_BPS_BY_SYMBOL", "BTC=40", "expected a list such as"),
        ("VENUES__KRAKEN__MIN_NOTIONAL", "USD=1,USD=2", "expected a list such as"),
        ("VENUES__KRAKEN__MIN_NOTIONAL", "USD=-1", "expected a list such as"),
        ("VENUES__KRAKEN__MIN_NOTIONAL", '{"USD": ', "expected a list such as"),
        ("VENUES__KRAKEN__SYMBOLS", "BTCUSD", "else a list such as BTC/USD"),
        ("VENUES__KRAKEN__TRIANGLES", "BTC/USD,ETH/BTC", "expected auto, or BTC/USD,ETH/BTC"),
        ("VENUES__KRAKEN__TRIANGLES", "[5]", "expected auto, or BTC/USD,ETH/BTC"),
        ("VENUES__KRAKEN__TRIANGLES", "[" * 100_000, "expected auto, or BTC/USD,ETH/BTC"),
        ("DEFAULT_VENUES", "", "expected a list of one or more venues"),
        ("DATA_DIR", "", "expected the path of a folder"),
        ("LOCK_DIR", "  ", "expected the path of a folder"),
        ("METRICS_HOST", "192.0.2.1", "expected 127.0.0.1, ::1 or localhost, unless"),
        ("LOG_JSON", "perhaps", "expected true or false"),
        ("LOG_LEVEL", "loud", "expected debug or info or warning or error"),
    ],
)
def test_one_wrong_value_is_one_line_that_says_what_was_expected(
    key: str, text: str, expected: str
) -> None:
    found = complaints({f"ARBIT_{key}": text})
    assert len(found) == 1
    assert found[0].startswith(f"ARBIT_{key}={text[:40]}")
    assert expected in found[0]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("VENUES__KRAKEN", "deeper key such as ARBIT_VENUES__KRAKEN__FEED"),
        ("VENUES__kra-ken__FEED", "expected a name of small letters"),
        ("VENUES__KRAKEN__NAME", "unknown setting"),
        ("METRICS_PORT__X", "which takes a value and has no deeper keys"),
        ("LATENCY_MS", "unknown setting; expected ARBIT_SCAN__LATENCY_MS"),
    ],
)
def test_what_stands_under_a_name_that_nobody_knows_is_never_repeated(
    key: str, expected: str
) -> None:
    (line,) = complaints({f"ARBIT_{key}": "hush-Aa1+/=="})
    assert line.startswith(f"ARBIT_{key}: ")
    assert expected in line
    assert "hush" not in line


def test_metrics_open_to_others_must_be_said_twice() -> None:
    settings = loaded(METRICS_HOST="192.0.2.1", METRICS_ALLOW_REMOTE="true")
    assert settings.metrics_host == "192.0.2.1"


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("SCAN__API_SECRET", "hush", "unknown setting"),  # misplaced
        ("VENUES__KRAKEN__API_SECRTE", "hush", "expected ARBIT_VENUES__KRAKEN__API_SECRET"),
        ("VENUES__KRAKEN__APIKEY", "hush", "expected ARBIT_VENUES__KRAKEN__API_KEY"),
        ("VENUES__KRAKEN__API_KEY", "hush hush", "expected the key as the venue shows it"),
        ("VENUES__KRAKEN__API_SECRET", "hush", "expected the secret as the venue shows it"),
        ("VENUES__KRAKEN__REST_URL", "https://me:hush@host", "expected an http:// or https://"),
        ("VENUES__KRAKEN__PRIVATE_WS_URL", "me:hush@host", "expected a ws:// or wss:// address"),
        ("SCAN__MAX_SLIPPAGE_BPS", "https://me:hush@host", "expected a number"),
        ("SCAN__MAX_SLIPPAGE_BPS", "https://host/?apikey=hush", "expected a number"),
        ("METRICS_HOST", "me:hush@host", "expected 127.0.0.1"),
        ("VENUES", '{"kraken": {"api_secret": "hush"', "expected a JSON object"),
        ("VENUES__KRAKEN", '{"api_secret": "hush", }', "expected a JSON object"),
        ("VENUES__KRAKEN", '["hush"]', "expected a JSON object"),
        ("VENUES", '{"kraken": "hush"}', "expected a JSON object"),
        ("VENUES", '{"kraken": {"api_sekret": "hush"}}', "unknown setting"),
        ("VENUES", "[" * 100_000 + "hush", "expected a JSON object"),
        ("VENUES__KRAKEN", '{"depth": ' + "9" * 5_000 + "}", "expected a JSON object"),
    ],
)
def test_a_secret_is_not_repeated_wherever_it_was_put(key: str, text: str, expected: str) -> None:
    (line,) = complaints({f"ARBIT_{key}": text})
    assert "hush" not in line
    assert expected in line


def test_a_key_behind_an_address_is_not_shown() -> None:
    heard = hear_settings(None, {"ARBIT_VENUES__KRAKEN__REST_URL": "https://host/?apikey=hush"})
    told = told_settings(heard, ["kraken"])
    assert [one.value for one in told if one.source != DEFAULT] == [MASK]


@pytest.mark.parametrize(
    "line", ["ARBIT_API_SECRET hush", "hush", "export hush", '"hush', "ARBIT_LOG_LEVEL: hush"]
)
def test_a_line_of_the_file_that_is_none_is_named_by_its_number_alone(
    tmp_path: Path, line: str
) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_text(f"ARBIT_LOG_JSON=true\n{line}\n")
    (told,) = complaints({}, env_file)
    assert "hush" not in told
    assert told.startswith(f"{env_file}, line 2:")


def test_a_secret_is_never_shown_with_the_settings_that_hold_it() -> None:
    settings = loaded(VENUES__KRAKEN__API_KEY="canary-key-1", VENUES__KRAKEN__API_SECRET="canary-2")
    assert "canary" not in repr(settings) + str(settings.venue("kraken")) + str(
        settings.model_dump_json()
    )


def test_the_same_key_twice_in_the_file_is_a_problem(tmp_path: Path) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_text("ARBIT_LOG_JSON=true\n\n\nARBIT_LOG_JSON=false\n")
    (line,) = complaints({}, env_file)
    assert line == f"{env_file}, line 4: ARBIT_LOG_JSON: expected once, but line 1 has it"


def test_a_file_that_is_no_text_is_a_problem_and_not_a_traceback(tmp_path: Path) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_bytes(b"\xff\xfe\x00")
    (line,) = complaints({}, env_file)
    assert "expected a readable UTF-8 file" in line
    assert "expected a readable UTF-8 file" in complaints({}, tmp_path)[0]


def test_slices_are_frozen() -> None:
    venue = Settings().venue("kraken")
    with pytest.raises(ValueError, match="frozen"):
        venue.feed = Feed.REST


def test_bare_settings_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARBIT_LOG_LEVEL", "debug")
    assert Settings().log_level == "info"


def test_venue_settings_may_be_made_for_a_test_in_one_line() -> None:
    venue = VenueSettings(name="kraken", feed=Feed.NATIVE, watchdog_ms=500)
    assert Settings(venues={"kraken": venue}).venue("kraken") is not None
    assert Settings(venues={"kraken": venue}).venue("kraken").watchdog_ms == 500


def test_an_order_may_be_unknown_for_longer_than_it_takes_to_know() -> None:
    wanted = "expected a whole number to 86400 s, more than deadline_ms and resolve_margin_ms"
    for said in ("8", "5", "90000"):  # two seconds for the deadline, six for reads that lag
        (found,) = complaints({"ARBIT_RISK__MAX_RESOLVE_S": said})
        assert found.startswith(f"ARBIT_RISK__MAX_RESOLVE_S={said}: {wanted}")
    assert loaded(RISK__MAX_RESOLVE_S="9").risk.max_resolve_s == 9
    assert loaded(RISK__MAX_RESOLVE_S="5", RISK__RESOLVE_MARGIN_MS="2900").risk.max_resolve_s == 5


def test_a_triangle_is_left_alone_by_cycles_that_are_still_remembered() -> None:
    told = {"ARBIT_ROTATION__LOSING_AFTER": "11", "ARBIT_ROTATION__MEMORY": "20"}
    (found,) = complaints(told)
    assert found.startswith("ARBIT_ROTATION__LOSING_AFTER=11: expected a whole number from 0 to")
    assert found.endswith("at most half of memory")
    assert loaded(ROTATION__LOSING_AFTER="10", ROTATION__MEMORY="20").rotation.losing_after == 10


def test_parallel_legs_over_rest_are_refused_in_one_line() -> None:
    parallel = {"ARBIT_RISK__POLICY": "parallel"}
    over_rest = {"ARBIT_VENUES__KRAKEN__ORDER_TRANSPORT": "rest"}
    (found,) = complaints(parallel | over_rest)
    assert found.startswith(
        "ARBIT_RISK__POLICY=parallel: expected sequential with "
        "ARBIT_VENUES__KRAKEN__ORDER_TRANSPORT=rest, where"
    )
    (found,) = complaints(over_rest, None, Override("--policy", "ARBIT_RISK__POLICY", "parallel"))
    assert found.startswith("--policy=parallel: expected sequential with")
    assert load_settings(None, parallel).risk.policy is Policy.PARALLEL
    assert load_settings(None, over_rest).risk.policy is Policy.SEQUENTIAL


def test_a_file_of_a_million_characters_is_no_settings_file(tmp_path: Path) -> None:
    """A line of a million spaces took its parser seconds, and ten times as many minutes."""
    env_file = tmp_path / ".env"
    env_file.write_text("ARBIT_METRICS_PORT=1" + " " * 1_000_000 + "x")
    with pytest.raises(UserError, match="no more than 65536 characters"):
        load_settings(env_file, environ={})


@pytest.mark.parametrize("url", ["mysql://me:hush@h/x", "hush", "postgresql://"])
def test_a_history_that_is_no_postgresql_is_told_without_its_password(url: str) -> None:
    (said,) = complaints({"ARBIT_HISTORY_URL": url})
    assert said.startswith("ARBIT_HISTORY_URL=")
    assert said.endswith("expected an address such as postgresql://user@host/database")
    assert "hush" not in said
