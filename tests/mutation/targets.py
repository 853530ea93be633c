"""What is mutated, and the tests that must notice: the money first, then what decides about it."""

from __future__ import annotations

from dataclasses import dataclass

_RISK = tuple(
    f"tests/unit/risk/test_gate{name}.py"
    for name in ("", "_counts", "_figures", "_words", "_moments", "_inventory")
)
_STEPS = ("tests/unit/execution/test_steps.py", "tests/unit/execution/test_steps_doubt.py")
_CYCLE = "tests/unit/execution/test_cycle.py"
_TABLES = "tests/unit/domain/test_order_states.py"


@dataclass(frozen=True, slots=True)
class Target:
    """A module, under the name of its part of the score, and its tests, the quickest first."""

    part: str
    path: str
    tests: tuple[str, ...]


TARGETS = (
    Target(
        "ledger",
        "arbit/ledger.py",
        ("tests/unit/test_ledger.py", "tests/property/test_ledger.py"),
    ),
    Target(
        "sizing",
        "arbit/sizing.py",
        (
            "tests/unit/test_sizing.py",
            "tests/unit/test_sizing_words.py",
            "tests/unit/test_sizing_digits.py",
            "tests/unit/test_sizing_edges.py",
            "tests/unit/test_sizing_rates.py",
            "tests/property/test_sizing.py",
        ),
    ),
    Target("sizing", "arbit/execution/cycle.py", (_CYCLE, *_STEPS)),
    Target("gate", "arbit/risk/gate.py", _RISK),
    Target("gate", "arbit/risk/switches.py", _RISK),
    Target("gate", "arbit/risk/room.py", _RISK),
    Target("gate", "arbit/inventory.py", ("tests/unit/test_inventory.py",)),
    Target("gate", "arbit/risk/slots.py", ("tests/unit/risk/test_slots.py",)),
    Target("steps", "arbit/execution/steps.py", _STEPS),
    Target("steps", "arbit/domain/cycle.py", (_TABLES, *_STEPS)),
    Target("steps", "arbit/domain/states.py", (_TABLES,)),
    Target("outcomes", "arbit/domain/order.py", (_TABLES, *_STEPS)),
    Target(
        "outcomes",
        "arbit/venues/kraken/outcomes.py",
        ("tests/unit/venues/kraken/test_outcomes.py",),
    ),
)
