"""A trader for a run and the side its orders go to: the same for a lane and for one command."""

from __future__ import annotations

from arbit.app.private.sides import Around, Paper, Real
from arbit.app.trade.trader import Trader, TraderSetup
from arbit.app.watch.venue import VenueRun
from arbit.config import Settings
from arbit.domain.account import AccountId


def trader_of(
    settings: Settings,
    account: AccountId,
    run: VenueRun,
    side: Paper | Real,
    around: Around,
    epoch: str,
) -> Trader:
    """Made, and made known to its side."""
    trader = Trader(
        TraderSetup(
            settings=settings,
            account=account,
            desk=run.desk,
            integrity=run.feed.integrity,
            journal=around.journal,
            gateway=side.gateway,
            reader=side.reader,
            clock=around.clock,
            publish=around.publish,
            epoch=epoch,
            data_dir=settings.data_dir,
            venue_clock=side.venue_clock,
            key_again=side.key_again,
        )
    )
    side.joined(trader, run)
    return trader
