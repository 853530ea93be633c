"""What dry runs have shown of each venue: read from the data folder, nothing is contacted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from arbit.app.golive.gate import ShadowTold, evidence_lines, exempt, told_of
from arbit.app.golive.shadow import paper_of, terms_of
from arbit.app.store import DATABASE, account_of
from arbit.clock import SystemClock
from arbit.config import Settings, VenueSettings
from arbit.persistence import shadow
from arbit.ports import Clock
from arbit.risk.golive import judge


def shadows(
    settings: Settings, names: Sequence[str], clock: Clock | None = None
) -> list[ShadowTold]:
    """Of these venues, or of all that have evidence. UserError for a bad database or name."""
    clock = clock or SystemClock()
    found = names or [
        account.partition(":")[0] for account in shadow.accounts(settings.data_dir / DATABASE)
    ]
    return [_told(settings, settings.venue(name), clock) for name in dict.fromkeys(found)]


def _told(settings: Settings, venue: VenueSettings, clock: Clock) -> ShadowTold:
    path, beside = settings.data_dir / DATABASE, tuple[str, ...]()
    account = paper_of(venue)
    if venue.api_key is not None and venue.api_secret is not None:
        account = str(account_of(venue, real=True))
        beside = (account,)
    evidence = shadow.read(path, paper_of(venue), beside)
    verdict = judge(evidence, terms_of(settings, venue), clock.wall_ns())
    reference = settings.scan.reference_currency
    told = told_of(venue.name, account, verdict, reference, fees_compared=False)
    return replace(told, exempt=exempt(venue))


def shadows_lines(found: Sequence[ShadowTold]) -> list[str]:
    """The same for a person."""
    if not found:
        return ["no dry run has left evidence in this data folder: arbit live --dry-run gathers it"]
    return [line for told in found for line in _lines(told)]


def _lines(told: ShadowTold) -> list[str]:
    word = "real orders would be refused"
    if told.exempt:
        word = f"no shadow run is asked for: {told.exempt}"
    elif told.allowed:
        word = "real orders would be let through, if the account pays no more than the dry run did"
    return [f"{told.venue}: {word}", *evidence_lines(told)]
