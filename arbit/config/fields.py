"""The kinds of value a setting may have, and how a field is described and asked about."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, Field
from pydantic.fields import FieldInfo

from arbit.config.text import as_list, as_mapping, as_triangles

VENUE_NAME = r"^(?:sandbox-alpaca|[a-z][a-z0-9_]{1,31})$"
AMOUNTS = "a list such as USD=5,BTC=0.0001 (or a JSON object), each from 0 to 1e12"

Symbol = Annotated[str, Field(pattern=r"^[^\s/,;:=]{1,16}/[^\s/,;:=]{1,16}$")]
Asset = Annotated[str, Field(pattern=r"^[^\s/,;:=]{1,16}$")]
VenueName = Annotated[str, Field(pattern=VENUE_NAME)]
Bps = Annotated[Decimal, Field(ge=0, le=1000)]
Amount = Annotated[Decimal, Field(ge=0, le=10**12)]
AmountByAsset = Annotated[Mapping[Asset, Amount], BeforeValidator(as_mapping)]
BpsBySymbol = Annotated[Mapping[Symbol, Bps], BeforeValidator(as_mapping)]
Symbols = Annotated[tuple[Symbol, ...], Field(max_length=5000), BeforeValidator(as_list)]
Triangles = Annotated[
    tuple[tuple[Symbol, Symbol, Symbol], ...],
    Field(max_length=10_000),
    BeforeValidator(as_triangles),
]


def within(low: float, high: float) -> FieldInfo:
    """Both ends of what a number may be, themselves included."""
    bounds: FieldInfo = Field(ge=low, le=high)
    return bounds


def setting(default: object, what: str, *, why: str, unit: str = "", expect: str = "") -> Any:
    """A field: what it means and why this default. `expect` words a bound that has no numbers.

    Any, because the default stands where the annotation promises the field's own type.
    """
    extra: dict[str, Any] = {"why": why, "unit": unit, "expect": expect}
    return Field(default, description=what, json_schema_extra=extra)


def inner_model(info: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """The slice a field holds, if any, and whether it holds one for each name."""
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
        return info.annotation, False
    for arg in get_args(info.annotation):
        if isinstance(arg, type) and issubclass(arg, BaseModel):
            return arg, True
    return None, False


def is_setting(info: FieldInfo) -> bool:
    """True for a field that a user may set, false for one that only names its slice."""
    return not info.is_required()


def expected(info: FieldInfo) -> str:
    """What a field accepts, in words: its bound and unit."""
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    if extra.get("expect"):
        return str(extra["expect"])
    if isinstance(info.annotation, type) and issubclass(info.annotation, enum.Enum):
        return " or ".join(str(one.value) for one in info.annotation)
    choices = get_args(info.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return " or ".join(choices)
    if info.annotation is bool:
        return "true or false"
    low, high = _bounds(info)
    kinds = (info.annotation, *choices, *(arg for kind in choices for arg in get_args(kind)))
    whole = "a whole number" if int in kinds else "a number"
    return f"{whole} from {low} to {high} {extra.get('unit', '')}".strip()


def _bounds(info: FieldInfo) -> tuple[object, object]:
    low = high = None
    inner = [meta for arg in get_args(info.annotation) for meta in getattr(arg, "__metadata__", ())]
    for meta in [*info.metadata, *inner]:
        for part in meta.metadata if isinstance(meta, FieldInfo) else (meta,):
            low = getattr(part, "ge", low)
            high = getattr(part, "le", high)
    return low, high
