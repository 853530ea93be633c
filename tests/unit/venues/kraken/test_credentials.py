"""A key and its secret, as they are given: what is none is refused, and nothing shows either."""

from __future__ import annotations

import pytest

from arbit.domain.errors import UserError
from arbit.sandbox.keys import TRADE_KEY, TRADE_SECRET
from arbit.venues.kraken.rest import Credentials


def test_a_secret_that_is_none_is_the_users_error_and_nothing_shows_it() -> None:
    with pytest.raises(UserError, match="base64") as error:
        Credentials("key", "not a secret!")
    assert "not a secret" not in str(error.value)
    assert TRADE_SECRET not in repr(Credentials(TRADE_KEY, TRADE_SECRET))
    assert TRADE_KEY not in repr(Credentials(TRADE_KEY, TRADE_SECRET))
