"""What a sandbox can be told when it is made, the same for every face."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Limits of the faces. Times in seconds unless named otherwise."""

    tick_ms: float = 5.0
    pace: int = 1  # how many seconds of market are played in one
    connects_per_window: int = 150  # per address; Kraken's figure, and only its face has it
    connect_window_s: float = 600.0
    idle_close_s: float = 60.0  # Kraken's sockets without a subscription; 0 means never
    outbox_bytes: int = 8 << 20
    control: bool = True
    frozen: bool = False
    state: Path | None = None  # folder of the event log, which is the accounts' memory
    taker_fee_bps: Decimal | None = None  # one fee for every pair, instead of the ladders
    tier: str = "starter"  # Kraken's
    balances: Mapping[str, Decimal] | None = None
    fees_post_after_s: float = 20.0  # Alpaca's "end of day": so long after its fill a fee is posted
    requests_per_minute: int = 200  # Alpaca's, per account and for market data; 0 means no limit
    plan: str = "free"  # Alpaca's market data plan: free or paid
    binary_updates: bool = True  # Alpaca's trade updates as paper sends them
