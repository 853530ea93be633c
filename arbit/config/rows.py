"""Every setting as a row of a table: what docs and `.env.example` are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from arbit.config.alerts import AlertSettings
from arbit.config.fields import expected, inner_model, is_setting
from arbit.config.inventory import InventorySettings
from arbit.config.log import LogSettings
from arbit.config.risk import RiskSettings
from arbit.config.rotation import RotationSettings
from arbit.config.settings import ScanSettings, Settings
from arbit.config.text import key_of
from arbit.config.venue import ALPACA_ALONE, VenueSettings
from arbit.config.wallet import WalletSettings

KEY = frozenset({"api_key", "api_secret"})  # needed there by every command


@dataclass(frozen=True, slots=True)
class Row:
    """One setting, ready to print. An empty default means unset."""

    key: str
    default: str
    accepts: str
    what: str
    why: str


def general_rows() -> Iterator[Row]:
    """The settings that belong to no group."""
    return _rows(Settings, ())


def scan_rows() -> Iterator[Row]:
    """The settings of `ScanSettings`."""
    return _rows(ScanSettings, ("scan",))


def risk_rows() -> Iterator[Row]:
    """The settings of `RiskSettings`."""
    return _rows(RiskSettings, ("risk",))


def inventory_rows() -> Iterator[Row]:
    """The settings of `InventorySettings`."""
    return _rows(InventorySettings, ("inventory",))


def rotation_rows() -> Iterator[Row]:
    """The settings of `RotationSettings`."""
    return _rows(RotationSettings, ("rotation",))


def alert_rows() -> Iterator[Row]:
    """The settings of `AlertSettings`."""
    return _rows(AlertSettings, ("alerts",))


def log_rows() -> Iterator[Row]:
    """The settings of `LogSettings`."""
    return _rows(LogSettings, ("log",))


def wallet_rows() -> Iterator[Row]:
    """The settings of `WalletSettings`."""
    return _rows(WalletSettings, ("wallet",))


def venue_rows() -> Iterator[Row]:
    """The settings of a venue, with the defaults that Kraken starts from."""
    settings = Settings().venues["kraken"]
    for info, name in _names(VenueSettings):
        if name not in ALPACA_ALONE:
            yield _row(("venues", "kraken", name), info, getattr(settings, name))


def alpaca_rows() -> Iterator[Row]:
    """What Alpaca alone has, needs, or starts from at another value."""
    ours, others = Settings().venues["alpaca"], Settings().venues["kraken"]
    for info, name in _names(VenueSettings):
        value = getattr(ours, name)
        if name in ALPACA_ALONE | KEY or value != getattr(others, name):
            yield _row(("venues", "alpaca", name), info, value)


def _rows(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[Row]:
    for info, name in _names(model):
        yield _row((*above, name), info, info.get_default())


def _names(model: type[BaseModel]) -> Iterator[tuple[FieldInfo, str]]:
    for name, info in model.model_fields.items():
        if is_setting(info) and inner_model(info)[0] is None:
            yield info, name


def _row(path: tuple[str, ...], info: FieldInfo, default: object) -> Row:
    what = info.description or ""
    return Row(key_of(path), value_text(path[-1], default), expected(info), what, _why(info))


def _why(info: FieldInfo) -> str:
    extra = info.json_schema_extra
    return str(extra["why"]) if isinstance(extra, dict) else ""


def value_text(name: str, value: object) -> str:
    """The value of a setting of this name as it may be said again. Empty means unset."""
    if name == "triangles" and not value:
        return "auto"
    return "" if value is None else _text(value)


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Mapping():
            return ",".join(f"{name}={_text(inner)}" for name, inner in value.items())
        case tuple():  # of names
            return ",".join(map(_text, value))
        case Decimal():
            return format(value, "f")
        case Enum():
            return str(value.value)
        case _:
            return f"{value:g}" if isinstance(value, float) else str(value)
