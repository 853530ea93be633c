"""`python -m arbit.cli.config_docs`: writes docs/configuration.md and .env.example.

Both are made from the settings' own fields, and a test compares them, so they cannot drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap

from arbit.config.rows import (
    Row,
    alert_rows,
    alpaca_rows,
    general_rows,
    inventory_rows,
    log_rows,
    risk_rows,
    rotation_rows,
    scan_rows,
    venue_rows,
    wallet_rows,
)

CONFIGURATION = Path("docs/configuration.md")
ENV_EXAMPLE = Path(".env.example")

_INTRO = """\
# Settings

Generated from `arbit/config/` by `python -m arbit.cli.config_docs`; a test fails when it is stale.

A setting is said in the environment, in a file `.env` in the working folder (a line `KEY=value`
each), or by the option of a command. An option wins over the environment, which wins over `.env`.
A key that starts with `ARBIT_` and is not listed here is an error, at every level, and so are a
value out of its bounds and a line of `.env` that is none: all of them are listed at once, before
anything is contacted, and the exit code is 2. What stands under a key that is not known, or that
may hold a secret, is never repeated. `arbit config check` does no more than that, `arbit config
show` tells what is in force and who said so, `arbit config init` writes a first `.env`.
An empty value means "unset" where the default is
unset. Lists are separated by commas or written as JSON; a whole group may be one JSON object
(`ARBIT_SCAN={"latency_ms": 80}`).

A secret may stand in a file, which a second key that ends in `_FILE` names
(`ARBIT_VENUES__KRAKEN__API_SECRET_FILE=/run/secrets/kraken_api_secret`): one line, at most 4096
bytes. Such a file must be its owner's alone (mode 0600 or 0400), and so must a `.env` that holds a
secret; what lies under `/run/secrets` or `/run/credentials` is a container's or a service's own,
and only others' writing is refused there ([docs/security.md](security.md)). Secrets are `API_KEY`
and `API_SECRET` of every venue, `ARBIT_HISTORY_URL`, `ARBIT_WALLET__RPC_URL` and the addresses of
alerts.
"""

_INVENTORY = """\
Amounts of targets and caps are units of the asset (`BTC=0.05`) or an amount of the reference
currency (`ETH=2500 USD`), which follows the price of our own books; while none prices the asset,
nothing may add to what has such a cap. Caps count what is owned, deposits included, at the worst of
everything that is open; `risk.max_exposure` and `risk.asset_caps` count what trading has moved.
Both hold. Neither a new cycle nor a way home nor a conversion spends a reserve.
"""

_ALERTS = """\
The addresses are secrets. `arbit alerts:test` sends one alert to each and says what came of it.
[docs/alerts.md](alerts.md) says what is told, in which words, and what a receiver gets.
"""

_LOG = """\
Lines go to stderr in any case (`ARBIT_LOG_LEVEL`, `ARBIT_LOG_JSON`); `live` keeps them in
`DATA_DIR/logs/arbit.log` as well, older ones in `arbit.1.log` and so on. A second process on the
same folder has a set of its own (`arbit-2.log`). A disk that is full or a folder that cannot be
written stops no order: what is not kept is counted, and said on stderr.
"""

_WALLET = """\
Read by `arbit live`, on EVM chains, with `pip install arbit[wallet]`. It only looks: what is owned
there goes to history (`wallet_snapshots`) and into `arbit report`, and neither trades nor counts as
inventory. A node that does not answer is told once, asked again at the next look, and hinders
nothing. Explorers show addresses as EIP-55 spells them: a slip in one is refused.
"""

_VENUES = """\
`kraken` and `alpaca` are built in, and so is an exchange of our own for each: `sandbox` and
`sandbox-alpaca` (`ARBIT_VENUES__SANDBOX_ALPACA__...`: in a key its hyphen is an underscore). Any
other name is an exchange id of ccxt (`ARBIT_VENUES__MEXC__...`), measured over ccxt.pro; nothing
needs to be set for it. Kraken stands for the venue's name below.
`ARBIT_VENUES__KRAKEN__FEED=ccxt` is the one setting that takes Kraken off our own feed
([decision 0001](decisions/0001-kraken-feed-is-our-own.md)).
"""

_ALPACA = """\
What Alpaca alone has, and what starts there from another default; all other settings of a venue are
as above. The same holds for `sandbox-alpaca`, which brings a made-up key of its own.
Alpaca shows its books to holders of a key alone: `API_KEY` (the key id) and `API_SECRET` are needed
to measure, too. Addresses are set all four (`REST_URL`, `DATA_URL`, `WS_URL`, `PRIVATE_WS_URL`) or
not at all. [docs/alpaca.md](alpaca.md) has the rest.
"""


def configuration_md() -> str:
    """The text of docs/configuration.md."""
    parts = [
        _INTRO,
        _section("General", "", general_rows()),
        _section("What counts as an opportunity", "", scan_rows()),
        _section("What may be risked", "", risk_rows()),
        _section("Which triangle is tried", "", rotation_rows()),
        _section("What is to be owned", _INVENTORY, inventory_rows()),
        _section("What is owned on a chain", _WALLET, wallet_rows()),
        _section("Who is told", _ALERTS, alert_rows()),
        _section("The log file", _LOG, log_rows()),
        _section("A venue", _VENUES, venue_rows()),
        _section("Alpaca", _ALPACA, alpaca_rows()),
    ]
    return "\n".join(parts)


def env_example() -> str:
    """The text of .env.example: every setting at its default, commented out."""
    return _commented(
        "# Copy to .env and uncomment what you change; docs/configuration.md has the reasons.",
        "# Generated by `python -m arbit.cli.config_docs`.",
    )


def env_first() -> str:
    """The text of the `.env` that `arbit config init` writes."""
    return _commented(
        "# Settings of arbit in this folder: uncomment what you change. `arbit config check` says",
        "# what is wrong, `arbit config show` what is in force. Keys stand here: show them nobody.",
    )


def _commented(*lines_before: str) -> str:
    lines = [*lines_before]
    for row in _rows():
        lines += ["", *(f"# {line}" for line in wrap(f"{row.what} [{row.accepts}]", 96))]
        lines.append(f"#{row.key}={row.default}")
    return "\n".join(lines) + "\n"


def _rows() -> Iterator[Row]:
    """Every setting, in the order of the tables."""
    general = (general_rows, scan_rows, risk_rows, rotation_rows, inventory_rows, wallet_rows)
    for rows in (*general, alert_rows, log_rows, venue_rows, alpaca_rows):
        yield from rows()


def main() -> None:
    """Write both files into the working folder."""
    for path, text in ((CONFIGURATION, configuration_md()), (ENV_EXAMPLE, env_example())):
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")


def _section(title: str, intro: str, rows: Iterator[Row]) -> str:
    lines = [f"## {title}", ""]
    if intro:
        lines += [intro]
    lines += [
        "| setting | default | accepts | meaning | why this default |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        default = f"`{row.default}`" if row.default else "unset"
        cells = [f"`{row.key}`", default, row.accepts, row.what, row.why]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
