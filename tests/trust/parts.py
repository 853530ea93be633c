"""The parts of the proof: each a command that ends with one line of JSON, in two sizes.

A command's `{jobs}` is how many processes it may use. `figures` names what the page shows of the
JSON line; `zero` names what must be there and be nothing (a list must be empty), `least` what must
be so much at least in the full tier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Part:
    """One command of the proof. `quick` and `full` are its arguments in either tier."""

    name: str
    module: str
    quick: str
    full: str
    figures: tuple[str, ...]
    zero: tuple[str, ...]
    least: Mapping[str, float] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """What it is called by: its name up to the colon."""
        return self.name.partition(":")[0]


PARTS = (
    Part(
        "Simulation: the whole daemon in virtual time",
        "tests.simulation",
        "--seeds 300 --jobs {jobs}",
        "--seeds 10000 --jobs {jobs}",
        (
            *("seeds", "cycles", "orders", "faults", "kills", "lives", "simulated_hours"),
            *("planted", "attempted_share", "violating_seeds"),
        ),
        ("violating_seeds",),
        {"cycles": 250_000, "faults": 100_000, "kills": 5_000, "attempted_share": 0.99},
    ),
    Part(
        "Saboteurs: planted bugs that the simulation must catch",
        "tests.simulation.sabotage",
        "--seeds 150 --most 10",
        "--seeds 1000",
        ("saboteurs", "caught", "survivors", "by_invariant", "invariants_without"),
        ("survivors", "invariants_without"),
        {"saboteurs": 40},
    ),
    Part(
        "Alpaca: the whole daemon in virtual time, by that venue's rules",
        "tests.simulation",
        "--house alpaca --seeds 100 --jobs {jobs}",
        "--house alpaca --seeds 2000 --jobs {jobs}",
        (
            *("seeds", "cycles", "orders", "faults", "kills", "lives", "simulated_hours"),
            *("planted", "attempted_share", "violating_seeds"),
        ),
        ("violating_seeds",),
        {"cycles": 25_000, "faults": 25_000, "kills": 1_500, "attempted_share": 0.99},
    ),
    Part(
        "Alpaca saboteurs: planted bugs of its rules that its simulation must catch",
        "tests.simulation.sabotage",
        "--house alpaca --seeds 60 --most 8",
        "--house alpaca --seeds 500",
        ("saboteurs", "caught", "survivors", "by_invariant"),
        ("survivors",),
        {"saboteurs": 20},
    ),
    Part(
        "Exhaustive: killed at every seam and pair of them, every call failed once",
        "tests.simulation.exhaustive",
        "--seams --most 2 --jobs {jobs}",
        "--seams --pairs --fail --jobs {jobs}",
        ("scenarios", "runs", "points", "kills", "pairs", "failures", "findings"),
        ("findings",),
        {"scenarios": 20, "pairs": 1, "failures": 1},
    ),
    Part(
        "Resumes: killed wherever it goes on",
        "tests.simulation.exhaustive",
        "--resumes --most 1 --every 10 --jobs {jobs}",
        "--resumes --jobs {jobs}",
        ("scenarios", "runs", "points", "kills", "findings"),
        ("findings",),
        {"scenarios": 20, "points": 20_000},
    ),
    Part(
        "Determinism: two processes, two dates, two folders, one trace",
        "tests.simulation.determinism",
        "--seeds 20",
        "--seeds 200",
        ("seeds", "differ"),
        ("differ",),
        {"seeds": 200},
    ),
    Part(
        "Wire simulation: real feed, gateway and ccxt over sockets in memory",
        "tests.wiresim",
        "--seeds 30 --jobs {jobs}",
        "--seeds 1000 --jobs {jobs}",
        (
            *("seeds", "cycles", "orders", "faults", "lives", "sockets", "requests"),
            *("books_checked", "slowest_live_again_s", "violating_seeds"),
        ),
        ("violating_seeds",),
        {"seeds": 1_000},
    ),
    Part(
        "Wire saboteurs: planted bugs that the wire simulation must catch",
        "tests.wiresim.saboteurs",
        "--seeds 60 --only exponents --only truncated_is_refusal",
        "--seeds 300",
        ("saboteurs", "caught", "survivors"),
        ("survivors",),
        {"saboteurs": 10},
    ),
    Part(
        "Fuzz: harmed frames and bodies into every parser and live connections",
        "tests.fuzz",
        "--frames 10000 --jobs {jobs}",
        "--frames 200000 --jobs {jobs}",
        ("frames", "live_frames", "frames_per_cpu_second", "slowest_ms", "peak_mib", "findings"),
        ("findings",),
        {"frames": 199_000},
    ),
    Part(
        "Mutants: small changes of the money's code that the tests must notice",
        "tests.mutation",
        "--part ledger",
        "",
        ("mutants", "scores", "unexplained"),
        ("unexplained",),
        {"mutants": 4_000},
    ),
)
