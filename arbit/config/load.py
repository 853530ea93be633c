"""The one reader of the environment: everything the user said, or everything wrong with it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from arbit.config import inventory, wallet
from arbit.config.fields import expected, inner_model, is_setting
from arbit.config.kinds import (
    SANDBOXES,
    SPEAKS_ALPACA,
    SPEAKS_KRAKEN,
    AlpacaHost,
    AlpacaPlan,
    OrderTransport,
)
from arbit.config.secrets import FILE, from_files, is_secret, readable_by_others
from arbit.config.settings import Settings
from arbit.config.text import (
    ANY_NAME,
    Gathered,
    Known,
    Override,
    Said,
    environment_triples,
    gather,
    key_of,
    read_env_file,
    venue_key,
)
from arbit.config.venue import ALPACA_ALONE, FREE_BOOKS, KRAKEN_ALONE, VenueSettings
from arbit.domain.cycle import Policy
from arbit.domain.errors import UserError

_ADDRESSES = ("rest_url", "data_url", "ws_url", "private_ws_url")
_VENUES_OWN = ("alpaca.markets", "kraken.com")  # what is reached there may be real money
_ALPACA_HOSTS = {
    "paper-api.alpaca.markets": AlpacaHost.PAPER,
    "api.alpaca.markets": AlpacaHost.LIVE,
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What the user said by its path, and what came of it: settings, or all that is wrong."""

    settings: Settings | None
    problems: Sequence[str]
    said: Mapping[tuple[str, ...], Said]


def load_settings(
    env_file: str | Path | None = ".env",
    environ: Mapping[str, str] | None = None,
    overrides: Sequence[Override] = (),
) -> Settings:
    """Read `.env`, then the environment over it, then the command line over both.

    Raises UserError with one line for each problem: unknown keys at every level, values out of
    their bounds, lines of `.env` that are none. A missing `.env` is an empty one; a missing file of
    another name is an error. Nothing is contacted.
    """
    heard = hear_settings(env_file, environ, overrides)
    if heard.settings is None:
        raise UserError("\n".join(heard.problems))
    return heard.settings


def hear_settings(
    env_file: str | Path | None = ".env",
    environ: Mapping[str, str] | None = None,
    overrides: Sequence[Override] = (),
) -> Heard:
    """The same, for whoever wants to know who said what; what is wrong is told, not raised."""
    lines: list[tuple[str, str, str]] = []
    problems: list[str] = []
    if env_file is not None:
        lines, problems = read_env_file(Path(env_file), required=str(env_file) != ".env")
        problems += _in_the_open(Path(env_file), lines)
    lines += environment_triples(os.environ if environ is None else environ)
    lines += [(override.label, override.key, override.text) for override in overrides]
    gathered = gather(_known(Settings), lines)
    problems += [*gathered.problems, *from_files(gathered, _in_files(gathered))]
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(_unset(gathered))
    except ValidationError as error:
        problems += _complaints(error, gathered)
    else:
        problems += [*_conflicts(settings, gathered), *_misplaced(settings, gathered)]
    each = list(dict.fromkeys(problems))
    return Heard(None if each else settings, each, gathered.said)


def _known(model: type[BaseModel]) -> Known:
    known = Known()
    for name, info in model.model_fields.items():
        if is_setting(info):
            inner, named = inner_model(info)
            level = _known(inner) if inner else None
            known[name] = Known({ANY_NAME: level}) if named else level
            if is_secret(info):
                known[name + FILE] = None
    return known


def _in_the_open(path: Path, lines: Sequence[tuple[str, str, str]]) -> list[str]:
    """What is wrong with a file of settings that holds secrets and that others may read."""
    why = readable_by_others(path)
    said = gather(_known(Settings), lines).said if why else {}
    secret = [one for place, one in said.items() if is_secret(_field_at(place)) and one.value]
    return [f"{secret[0].name}: a secret, in a file that others may read: {why}"] if secret else []


def _in_files(gathered: Gathered) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The settings that name a file with a secret in it, each with the secret's own place."""
    places = [path for path in gathered.said if path[-1].endswith(FILE)]
    targets = [(*path[:-1], path[-1].removesuffix(FILE)) for path in places]
    both = zip(places, targets, strict=True)
    return {path: target for path, target in both if is_secret(_field_at(target))}


def _field_at(path: Sequence[str]) -> FieldInfo | None:
    model: type[BaseModel] | None = Settings
    info: FieldInfo | None = None
    names = list(path)
    while model is not None and names:
        info = model.model_fields.get(names.pop(0))
        if info is None:
            return None
        model, named = inner_model(info)
        if named and names:
            names.pop(0)
    return info


def _unset(gathered: Gathered) -> dict[str, object]:
    """The tree, without the keys that an empty text turns off (`ARBIT_METRICS_PORT=`)."""
    for path, said in list(gathered.said.items()):
        info = _field_at(path)
        if said.value == "" and info is not None and info.default is None:
            del gathered.said[path]
    return gathered.tree()


def _complaints(error: ValidationError, gathered: Gathered) -> list[str]:
    found = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        near = gathered.near(detail["loc"])
        path, said = near or (tuple(map(str, detail["loc"])), None)
        info = _field_at(path)
        wanted = expected(info) if info is not None else str(detail["msg"])
        found.append(f"{said or key_of(path)}: expected {wanted}")
    return found


def _conflicts(settings: Settings, gathered: Gathered) -> list[str]:
    """What is good by itself and not together."""
    said = _said(gathered, "risk", "policy")
    found = [
        f"{said}: expected sequential with {key_of(('venues', name, 'order_transport'))}=rest, "
        "where a key's orders leave one after another: of three at once some would miss their "
        "deadline"
        for name, venue in settings.venues.items()
        if settings.risk.policy is Policy.PARALLEL
        and name not in SPEAKS_ALPACA
        and venue.order_transport is OrderTransport.REST
    ]
    for name, venue in settings.venues.items():
        of_alpaca = name in SPEAKS_ALPACA
        found += _at_alpaca(venue, gathered) if of_alpaca else []
        found += _elsewhere(venue, gathered)
    for group, wanted in (
        ("inventory", inventory.conflicts(settings.inventory, settings.scan.reference_currency)),
        ("wallet", wallet.conflicts(settings.wallet)),
    ):
        found += [f"{_said(gathered, group, field)}: expected {what}" for field, what in wanted]
    return found


def _elsewhere(venue: VenueSettings, gathered: Gathered) -> list[str]:
    """What is said of this venue and exists at others alone."""
    return [
        f"{_said(gathered, 'venues', venue.name, field)}: expected for "
        f"{' and '.join(sorted(names))} alone"
        for fields, names in ((ALPACA_ALONE, SPEAKS_ALPACA), (KRAKEN_ALONE, SPEAKS_KRAKEN))
        for field in sorted(fields & venue.model_fields_set)
        if venue.name not in names
    ]


def _at_alpaca(venue: VenueSettings, gathered: Gathered) -> list[str]:
    name, found = venue.name, []
    if venue.alpaca_plan is AlpacaPlan.FREE and venue.max_symbols > FREE_BOOKS:
        found.append(
            f"{_said(gathered, 'venues', name, 'max_symbols')}: expected at most {FREE_BOOKS}, the "
            f"order books of Alpaca's free plan; with another plan set "
            f"{venue_key(name, 'alpaca_plan')}=paid"
        )
    if venue.order_transport is OrderTransport.WS:
        found.append(
            f"{_said(gathered, 'venues', name, 'order_transport')}: expected rest: Alpaca takes "
            "no orders over a WebSocket"
        )
    for field in ("rest_url", "private_ws_url"):
        host = _ALPACA_HOSTS.get(_reached(getattr(venue, field) or "")[1])
        if name not in SANDBOXES and host not in {None, venue.alpaca_host}:
            found.append(
                f"{_said(gathered, 'venues', name, field)}: expected an address of the "
                f"{venue.alpaca_host} account, or {venue_key(name, 'alpaca_host')}={host}"
            )
    return found


def _misplaced(settings: Settings, gathered: Gathered) -> list[str]:
    """Addresses that would take orders without a word to money, or keys in the open."""
    found = []
    for name, venue in settings.venues.items():
        for field in _ADDRESSES:
            scheme, host = _reached(getattr(venue, field) or "")
            if not any(f".{host}".endswith(f".{venues_own}") for venues_own in _VENUES_OWN):
                continue
            said = _said(gathered, "venues", name, field)
            if name in SANDBOXES:
                face = "" if name in SPEAKS_KRAKEN else " --face alpaca"
                found.append(
                    f"{said}: expected the address of an `arbit sandbox{face}`: orders go there "
                    "without --i-accept-real-orders"
                )
            elif scheme in ("http", "ws"):
                found.append(f"{said}: expected {scheme}s://, or others read the key with us")
    return found


def _said(gathered: Gathered, *path: str) -> str:
    """A setting as the user said it or, where nobody did, its key."""
    near = gathered.near(path)
    return str(near[1]) if near is not None else key_of(path)


def _reached(url: str) -> tuple[str, str]:
    """The scheme and the host of an address, a dot at its end left out."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no address at all
        return "", ""
    return parts.scheme, (parts.hostname or "").rstrip(".")
