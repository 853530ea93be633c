"""What is remembered of a triangle between runs: how often gaps lasted, and cycles filled."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from arbit.domain.money import EXACT, ZERO

_HALF = Decimal("0.5")
_DIGITS = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Learned:
    """Counts of one directed triangle, by its path. Old ones were halved, so they are no integers.

    `survived` and `gone` are gaps that were still there after our latency, and that were not;
    `filled` and `failed` are cycles of gaps that were there: all legs filled, or something fell
    short. `lost` adds up what the failed ones lost, each as a share of what it started with.
    """

    path: str
    survived: Decimal = ZERO
    gone: Decimal = ZERO
    filled: Decimal = ZERO
    failed: Decimal = ZERO
    lost: Decimal = ZERO

    def looked(self, *, survived: bool) -> Learned:
        """With one gap more."""
        return self._with(
            survived=EXACT.add(self.survived, Decimal(survived)),
            gone=EXACT.add(self.gone, Decimal(not survived)),
        )

    def ended(self, lost: Decimal | None) -> Learned:
        """With one cycle more: None when it filled, else the share of its start that it lost."""
        if lost is None:
            return self._with(filled=EXACT.add(self.filled, Decimal(1)))
        failed, all_lost = EXACT.add(self.failed, Decimal(1)), EXACT.add(self.lost, lost)
        return self._with(failed=failed, lost=all_lost)

    def looks_halved(self) -> Learned:
        """What is known of gaps counts for half."""
        return self._with(survived=_half(self.survived), gone=_half(self.gone))

    def cycles_halved(self) -> Learned:
        """What is known of cycles counts for half."""
        filled, failed = _half(self.filled), _half(self.failed)
        return self._with(filled=filled, failed=failed, lost=_half(self.lost))

    @property
    def looks(self) -> Decimal:
        """How many gaps were looked at again."""
        return EXACT.add(self.survived, self.gone)

    @property
    def cycles(self) -> Decimal:
        """How many cycles traded."""
        return EXACT.add(self.filled, self.failed)

    def _with(self, **changed: Decimal) -> Learned:
        known = {
            "survived": self.survived,
            "gone": self.gone,
            "filled": self.filled,
            "failed": self.failed,
            "lost": self.lost,
        }
        return Learned(self.path, **(known | changed))


def _half(amount: Decimal) -> Decimal:
    """Half of it, to a millionth: halved for ever it would get another digit each time."""
    return EXACT.quantize(EXACT.multiply(amount, _HALF), _DIGITS)
