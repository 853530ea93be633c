"""`arbit plan`: what a gap must bring here, how near one came, and what lower fees would cost."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from arbit.cli.venue_option import (
    FeeBps,
    Json,
    Symbols,
    Venue,
    draw,
    number_of,
    one_fee,
    settings_for,
)

if TYPE_CHECKING:
    from arbit.app.plan.plan import PlanTold

SHOWN = 20
DataDir = Annotated[
    str | None, typer.Option("--data-dir", help="Whose history of gaps is compared with.")
]


def plan(
    venue: Venue = None,
    symbols: Symbols = None,
    fee_bps: FeeBps = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Break-even of each triangle at your own fees, the widest gap seen, and the next step of fees.

    With a key the account's own fees and its volume are asked for, and nothing else; without one
    the published ladder is used. Gaps are those that `fitness --persist` and `live` recorded.

    Examples:
    arbit plan --venue kraken

    arbit plan --venue sandbox --json
    """
    from arbit.app.plan.plan import run_plan

    said = {
        ("--symbols", "symbols"): symbols,
        ("--data-dir", "ARBIT_DATA_DIR"): data_dir,
        **one_fee(fee_bps),
    }
    settings, name = settings_for(venue, said)
    told = run_plan(settings, name)
    if as_json:
        sys.stdout.write(json.dumps(asdict(told), indent=2) + "\n")
    else:
        _show(told)


def _show(told: PlanTold) -> None:
    shown = told.triangles[:SHOWN]
    of_all = f"{len(shown)} of {len(told.triangles)}, " if len(shown) < len(told.triangles) else ""
    volume = f", {_money(told.volume)} {told.currency} in thirty days" if told.volume else ""
    draw(
        f"{told.venue} ({told.market}{volume}): {of_all}nearest their hurdle first; bps",
        ("triangle", "hurdle", "at next step", "widest gap", "of", "short by", "not traded, for"),
        [
            (
                *(one.path, number_of(one.hurdle_bps), number_of(one.next_hurdle_bps)),
                *(number_of(one.best_bps, 2), str(one.gaps), number_of(one.short_bps)),
                one.why_not,
            )
            for one in shown
        ],
    )
    if told.steps:
        print()
        draw("the steps of fees above", *_steps(told))
    print()
    for note in told.notes:
        print(f"reckoned with: {note}")
    for line in told.verdict:
        print(f"{told.venue}: {line}")


def _steps(told: PlanTold) -> tuple[Sequence[str], list[Sequence[str]]]:
    head = ("from volume", "taker bps", "hurdle", "missing", "fees on the way", "widest gap passes")
    words = {None: "none seen", True: "yes", False: "no"}
    return head, [
        (
            *(_money(one.volume), one.taker_bps, number_of(one.hurdle_bps), _money(one.missing)),
            *(_money(one.cost), words[one.within]),
        )
        for one in told.steps
    ]


def _money(amount: str) -> str:
    return f"{Decimal(amount):,.0f}"
