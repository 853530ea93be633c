"""Looks at addresses of whoever is told or asked beside the venues. None of them is contacted."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from urllib.parse import urlsplit

from arbit.app.alerts.alerting import Ways
from arbit.app.doctor.report import Ask, Found, fails, warns, well
from arbit.config import Settings
from arbit.domain.errors import UserError


def check_alerts(ask: Ask) -> Iterator[Found]:
    """Addresses that alerts go to can be ones. Whether somebody is there `alerts:test` finds."""
    if ask.settings is None:
        return
    alerts = ask.settings.alerts
    urls = {
        "discord": alerts.discord_url,
        "webhook": alerts.webhook_url,
        "deadman": alerts.deadman_url,
    }
    named = [name for name, url in urls.items() if url is not None]
    try:
        Ways(alerts)
    except UserError as error:
        yield fails(str(error), "correct that address, or unset it")
        return
    if not named:
        yield well("nobody is told of anything (ARBIT_ALERTS__...)")
        return
    where = urlsplit("" if alerts.discord_url is None else alerts.discord_url.get_secret_value())
    if alerts.discord_url is not None and "discord" not in (where.hostname or ""):
        fix = "set ARBIT_ALERTS__WEBHOOK_URL instead, where it is no Discord webhook"
        yield warns("ARBIT_ALERTS__DISCORD_URL is at no host of Discord's", fix)
        return
    yield well(f"{', '.join(named)}: well-formed, not contacted (arbit alerts:test does)")


def check_chain(ask: Ask) -> Iterator[Found]:
    """The node's address can be one, and what reads a chain is installed. It is not contacted."""
    if ask.settings is None:
        return
    if ask.settings.wallet.rpc_url is None:
        yield well("no node is set")
    elif importlib.util.find_spec("web3") is None:
        yield fails(
            "ARBIT_WALLET__RPC_URL is set, and web3 is not installed",
            "python -m pip install 'arbit[wallet]'",
        )
    else:
        yield well(f"{_host(ask.settings)}: well-formed, not contacted")


def _host(settings: Settings) -> str:
    url = settings.wallet.rpc_url
    return "" if url is None else urlsplit(url.get_secret_value()).hostname or ""
