from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from arbit.domain.errors import UserError
from arbit.venues.ccxt import loader
from arbit.venues.ccxt.client import make_exchange
from arbit.venues.ccxt.settings import CcxtSettings


def in_a_process_of_its_own(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_any_room_imports_no_ccxt() -> None:
    rooms = (
        "arbit.venues.ccxt.kraken_feed, arbit.venues.ccxt.rest_feed, arbit.venues.ccxt.reader, "
        "arbit.venues.confirm, arbit.venues.fallback, arbit.venues.stream"
    )
    assert in_a_process_of_its_own(f"import sys, {rooms}; print('ccxt' in sys.modules)") == "False"


def test_one_exchange_costs_less_than_two_thirds_of_all_of_them() -> None:
    measure = "import psutil; print(psutil.Process().memory_info().rss)"
    one = "from arbit.venues.ccxt import loader; loader.exchange_class('kraken', streams=True);"
    alone = int(in_a_process_of_its_own(one + measure))
    whole = int(in_a_process_of_its_own("import ccxt.pro;" + measure))
    assert alone * 3 < whole * 2


def test_no_other_exchange_is_imported() -> None:
    code = (
        "import sys; from arbit.venues.ccxt import loader;"
        "loader.exchange_class('kraken', streams=True);"
        "print(sorted(m for m in sys.modules if m.startswith('ccxt.') and m.count('.') == 2"
        " and '.base' not in m))"
    )
    expected = "['ccxt.abstract.kraken', 'ccxt.async_support.kraken', 'ccxt.pro.kraken']"
    assert in_a_process_of_its_own(code) == expected


def test_a_later_import_of_a_ccxt_module_by_its_name_still_works() -> None:
    code = (
        "from arbit.venues.ccxt import loader; loader.exchange_class('kraken', streams=False);"
        "import ccxt.pro.kraken, ccxt.async_support;"
        "from ccxt.pro import binance; from ccxt import NetworkError, Precise;"
        "print(issubclass(ccxt.pro.kraken, ccxt.async_support.kraken), binance.__name__)"
    )
    assert in_a_process_of_its_own(code) == "True binance"


def test_where_all_of_ccxt_is_imported_already_it_is_used_as_it_is() -> None:
    code = (
        "import ccxt.pro; from arbit.venues.ccxt import loader;"
        "print(loader.exchange_class('kraken', streams=True) is ccxt.pro.kraken)"
    )
    assert in_a_process_of_its_own(code) == "True"


@pytest.mark.parametrize("streams", [True, False])
def test_an_unknown_exchange_is_a_mistake_of_the_user_with_a_hint(streams: bool) -> None:
    with pytest.raises(UserError, match=r"'krakn'.*kraken"):
        loader.exchange_class("krakn", streams=streams)


def test_a_module_that_is_no_exchange_is_none() -> None:
    with pytest.raises(UserError):
        loader.exchange_class("__init__", streams=False)
    with pytest.raises(UserError):
        loader.exchange_class("base", streams=False)


def test_ccxt_cannot_log_requests_even_when_everything_else_logs_at_debug() -> None:
    exchange = make_exchange(CcxtSettings("v"), streams=False)
    before = logging.getLogger().level
    try:
        logging.getLogger().setLevel(logging.DEBUG)
        assert not exchange.logger.isEnabledFor(logging.INFO)
    finally:
        logging.getLogger().setLevel(before)
    assert exchange.verbose is False


def test_our_rules_hold_for_the_exchange_that_is_made() -> None:
    exchange = make_exchange(
        CcxtSettings("v", rest_url="http://127.0.0.1:1", ws_url="ws://127.0.0.1:1/v2"), streams=True
    )
    assert exchange.enableRateLimit is False
    assert exchange.options.get("maxRetriesOnFailure", 0) == 0
    assert exchange.urls["api"]["public"] == "http://127.0.0.1:1"
    assert exchange.urls["api"]["private"] == "http://127.0.0.1:1"
    assert set(exchange.urls["api"]["ws"].values()) == {"ws://127.0.0.1:1/v2"}


def test_a_stream_url_alone_leaves_the_questions_where_they_were() -> None:
    exchange = make_exchange(CcxtSettings("v", ws_url="ws://127.0.0.1:1/v2"), streams=True)
    assert exchange.urls["api"]["public"].startswith("https://api.kraken.com")
    assert set(exchange.urls["api"]["ws"].values()) == {"ws://127.0.0.1:1/v2"}
