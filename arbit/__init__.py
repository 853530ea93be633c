"""arbit: an honest instrument and a safe executor for triangular arbitrage on one exchange."""

__version__ = "0.1.0"
