"""Fair values: one correlated, mean-reverting log price per asset, in USD.

Each asset has its own small moves and a share of the market's; once in a while a tail move or a
shock. Virtual time is passed in; chance comes from the market's one seeded generator.
"""

import math
import random
from collections.abc import Iterable

from arbit.sandbox.instruments import Asset
from arbit.sandbox.profiles import Weather

BPS = 1e-4
NS = 1_000_000_000
PEGGED_SCALE = 0.12  # money moves about an eighth as much as a coin
MAX_DRIFT = 0.6  # log distance from the anchor that no price exceeds


class Prices:
    """Log prices by asset code. ``fair(base, quote)`` is the true price of a pair now."""

    def __init__(self, assets: Iterable[Asset], weather: Weather, rng: random.Random) -> None:
        self._rng = rng
        self._weather = weather
        self._anchor = {known.code: math.log(known.usd) for known in assets}
        self._log = dict(self._anchor)
        self._moved_ns = dict.fromkeys(self._log, 0)
        self._pegged = {known.code: known.pegged for known in assets}
        self._beta = {code: 0.0 if peg else 1.0 for code, peg in self._pegged.items()}
        for code in sorted(self._beta):
            self._beta[code] *= rng.uniform(0.6, 1.4)
        self.coins = tuple(code for code in sorted(self._log) if not self._pegged[code])

    def fair(self, base: str, quote: str) -> float:
        """True price of one unit of ``base`` in ``quote``."""
        return math.exp(self._log[base] - self._log[quote])

    def usd(self, code: str) -> float:
        """True value of one unit in USD."""
        return math.exp(self._log[code])

    def move_asset(self, code: str, now_ns: int) -> None:
        """One small move of one asset, now and then a tail move."""
        bps = self._rng.gauss(0.0, self._weather.asset_bps)
        if self._rng.random() < self._weather.tail_share:
            bps *= self._weather.tail_factor
        self._shift(code, bps * (PEGGED_SCALE if self._pegged[code] else 1.0), now_ns)

    def move_market(self, now_ns: int) -> None:
        """One move shared by every coin in proportion to its beta."""
        bps = self._rng.gauss(0.0, self._weather.market_bps)
        for code in self.coins:
            self._shift(code, bps * self._beta[code], now_ns)

    def shock(self, now_ns: int) -> str:
        """One large jump of one coin; returns which."""
        code = self._rng.choice(self.coins)
        low, high = self._weather.shock_bps
        bps = low * (high / low) ** self._rng.random()
        # Jumps lean back to the anchor, so that a long run stays on the scale it began with.
        away = self._log[code] - self._anchor[code]
        up = self._rng.random() < (0.5 if abs(away) < 0.05 else (0.15 if away > 0 else 0.85))
        self._shift(code, bps if up else -bps, now_ns)
        return code

    def _shift(self, code: str, bps: float, now_ns: int) -> None:
        if code == "USD":  # the unit of account does not move against itself
            return
        elapsed_s = (now_ns - self._moved_ns[code]) / NS
        self._moved_ns[code] = now_ns
        away = (self._log[code] - self._anchor[code]) * math.exp(
            -elapsed_s / self._weather.revert_s
        )
        away = min(MAX_DRIFT, max(-MAX_DRIFT, away + bps * BPS))
        self._log[code] = self._anchor[code] + away
