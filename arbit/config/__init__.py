"""Everything a user may set, with its default, unit, bound and reason.

`load_settings` is the way in: it reads the environment, a `.env` file and the command line's own
overrides, and either returns frozen `Settings` or raises one `UserError` that lists every problem
at once. Only the command line calls it; everybody else is handed a slice. The tables in
`docs/configuration.md` and `.env.example` are generated from the fields.
"""

from arbit.config.alerts import AlertSettings
from arbit.config.inventory import InventorySettings
from arbit.config.kinds import (
    KEY_TO_READ,
    SANDBOXES,
    SPEAKS_ALPACA,
    SPEAKS_KRAKEN,
    AlpacaHost,
    AlpacaLocation,
    AlpacaPlan,
    Feed,
    OrderTransport,
    RateTier,
)
from arbit.config.load import load_settings
from arbit.config.log import LogSettings
from arbit.config.risk import RiskSettings
from arbit.config.rotation import RotationSettings
from arbit.config.settings import ScanSettings, Settings
from arbit.config.text import Override, venue_key
from arbit.config.venue import VenueSettings
from arbit.config.wallet import WalletSettings

__all__ = [
    "KEY_TO_READ",
    "SANDBOXES",
    "SPEAKS_ALPACA",
    "SPEAKS_KRAKEN",
    "AlertSettings",
    "AlpacaHost",
    "AlpacaLocation",
    "AlpacaPlan",
    "Feed",
    "InventorySettings",
    "LogSettings",
    "OrderTransport",
    "Override",
    "RateTier",
    "RiskSettings",
    "RotationSettings",
    "ScanSettings",
    "Settings",
    "VenueSettings",
    "WalletSettings",
    "load_settings",
    "venue_key",
]
