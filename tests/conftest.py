"""Every property test draws the same examples in every run: deterministic or not merged."""

from hypothesis import settings

settings.register_profile("arbit", derandomize=True, deadline=None, database=None)
settings.load_profile("arbit")
