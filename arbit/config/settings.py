"""All settings: what counts as an opportunity, where things are kept, who is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from arbit.config.alerts import AlertSettings
from arbit.config.fields import (
    AMOUNTS,
    VENUE_NAME,
    AmountByAsset,
    Asset,
    Bps,
    VenueName,
    setting,
    within,
)
from arbit.config.inventory import InventorySettings
from arbit.config.log import LogSettings
from arbit.config.risk import RiskSettings
from arbit.config.rotation import RotationSettings
from arbit.config.text import SPELT, as_list
from arbit.config.venue import BUILT_IN, VenueSettings, with_defaults
from arbit.config.wallet import WalletSettings
from arbit.domain.errors import UserError

_SERVER = re.compile(r"postgresql(\+asyncpg)?://[^\s/?]+(/\S*)?")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ScanSettings(BaseModel):
    """What counts as an opportunity, and how paper trades it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_edge_bps: Bps = setting(
        Decimal(0),
        "edge that must remain after fees",
        unit="bps",
        why="an instrument shows everything that pays at all; raise it to demand a margin",
    )
    start_assets: Annotated[tuple[Asset, ...], Field(max_length=50), BeforeValidator(as_list)] = (
        setting(
            ("USD", "USDT", "USDC", "EUR", "BTC", "ETH"),
            "assets a cycle may start and end in, the preferred first",
            why="what people hold; the order breaks ties",
            expect="a list of assets such as USD,EUR,BTC",
        )
    )
    reference_currency: Asset = setting(
        "USD",
        "currency in which limits and totals are stated",
        why="most books are quoted in it; an asset that our own books cannot price is refused",
        expect="an asset such as USD",
    )
    max_notional_per_cycle: Annotated[Decimal, within(1, 10_000_000)] = setting(
        Decimal(1000),
        "most that one cycle may start with",
        unit="reference units",
        why="a retail amount; small enough that a top-25 book is the whole market",
    )
    max_slippage_bps: Bps = setting(
        Decimal(50),
        "how far a leg's limit price may be from the top of the book it trades with",
        unit="bps",
        why="deeper than that is another market; three legs of it would eat any edge on record",
    )
    latency_ms: Annotated[int, within(0, 60_000)] = setting(
        60,
        "round trip of an order: from our decision on a leg to the report of its fills",
        unit="ms",
        why="New York to London and back; books reach us one way late, so an order meets the "
        "venue's book that we see one round trip after deciding. Measure your own",
    )
    max_concurrent_cycles: Annotated[int, within(1, 64)] = setting(
        4,
        "cycles under way at once at one venue, on paper too; for all venues together see "
        "`risk.max_total_cycles`",
        unit="cycles",
        why="each holds a part of the balances; more would only queue for the same books",
    )
    paper_balances: AmountByAsset = setting(
        {
            "USD": Decimal(10_000),
            "USDT": Decimal(10_000),
            "USDC": Decimal(10_000),
            "EUR": Decimal(10_000),
            "BTC": Decimal("0.1"),
            "ETH": Decimal(3),
        },
        "what the paper account holds at the start",
        unit="units of each asset",
        why="ten cycles' worth of each start asset",
        expect=AMOUNTS,
    )


class Settings(BaseSettings):
    """All settings. Constructed bare it holds the defaults and reads nothing at all."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix="ARBIT_")

    default_venues: Annotated[
        tuple[VenueName, ...], Field(min_length=1, max_length=20), BeforeValidator(as_list)
    ] = setting(
        ("sandbox",),
        "venues of a command that names none",
        why="our own exchange needs no network, no keys and no trust",
        expect="a list of one or more venues such as kraken,binance",
    )
    venues: Mapping[VenueName, VenueSettings] = Field(default={}, validate_default=True)
    scan: ScanSettings = ScanSettings()
    risk: RiskSettings = RiskSettings()
    inventory: InventorySettings = InventorySettings()
    rotation: RotationSettings = RotationSettings()
    alerts: AlertSettings = AlertSettings()
    log: LogSettings = LogSettings()
    wallet: WalletSettings = WalletSettings()
    dry_run: bool = setting(
        False,
        "never send an order, whatever else is said",
        why="the one word that always wins",
    )
    metrics_allow_remote: bool = setting(
        False,
        "let `metrics_host` be an address that others can reach",
        why="metrics tell what you trade; opening them must be said twice",
    )
    metrics_host: str = setting(
        "127.0.0.1",
        "address that /metrics is served on",
        why="only programs on this machine may look",
        expect="127.0.0.1, ::1 or localhost, unless ARBIT_METRICS_ALLOW_REMOTE=true",
    )
    metrics_port: Annotated[int, within(0, 65_535)] | None = setting(
        None, "port of /metrics; unset is off, 0 takes a free one", why="nothing listens unasked"
    )
    log_json: bool = setting(
        False, "log lines as JSON instead of for a reader", why="a person is the first reader"
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "least severe line that is logged", why="info tells each change of state once"
    )
    linger_us: Annotated[int, within(0, 100_000)] = setting(
        0,
        "how long to stay awake for more after news, instead of sleeping at once",
        unit="us",
        why="0 spares the processor; 500 halves the time from wire to decision where a core can be "
        "given away for it (measured by `python -m tests.bench.feed`)",
    )
    history_url: SecretStr | None = setting(
        None,
        "PostgreSQL server for history: episodes, snapshots, statuses of several daemons",
        why="unset: a SQLite file in the data folder; what trading needs is never anywhere else",
        expect="an address such as postgresql://user@host/database",
    )
    data_dir: Path = setting(
        Path("var"),
        "folder for everything that is kept",
        why="beside you, so that nothing is written outside the working folder",
        expect="the path of a folder",
    )
    lock_dir: Path = setting(
        Path("~/.local/state/arbit"),
        "folder of the locks that keep two daemons off one account, whatever their data folders",
        why="your home is the same for a terminal, cron and a service manager; /run and /tmp need "
        "not be",
        expect="the path of a folder",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is given: the library's own sources skip unknown keys without a word."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @field_validator("venues", mode="before")
    @classmethod
    def _add_built_in(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        names = [*BUILT_IN, *(name for name in given if name not in BUILT_IN)]
        return {name: with_defaults(name, given.get(name, {})) for name in names}

    @field_validator("history_url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _SERVER.fullmatch(url.get_secret_value()):
            raise ValueError("url")
        return url

    @field_validator("data_dir", "lock_dir", mode="before")
    @classmethod
    def _is_named(cls, folder: object) -> object:
        if isinstance(folder, str) and not folder.strip():  # it would be the working folder
            raise ValueError("folder")
        return folder

    @field_validator("metrics_host")
    @classmethod
    def _host_is_ours(cls, host: str, info: ValidationInfo) -> str:
        if host not in _LOOPBACK and not info.data.get("metrics_allow_remote"):
            raise ValueError("host")
        return host

    def venue(self, name: str) -> VenueSettings:
        """The venue's settings, its defaults if none were given. UserError for no venue's name."""
        if name in self.venues:
            return self.venues[name]
        if (known := SPELT.get(name)) is not None:
            raise UserError(
                f"venue {name!r}: expected {known}, whose hyphen is an underscore in keys alone"
            )
        if not re.fullmatch(VENUE_NAME, name):
            raise UserError(
                f"venue {name!r}: expected {', '.join(BUILT_IN)} or an exchange id of ccxt in "
                "lower case"
            )
        return VenueSettings.model_validate(with_defaults(name, {}))

    def secrets(self) -> tuple[str, ...]:
        """Every secret among the settings: what must stand in no word that leaves us."""
        return tuple(dict.fromkeys(_secrets_in(self)))


def _secrets_in(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_in(getattr(value, name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _secrets_in(one)
