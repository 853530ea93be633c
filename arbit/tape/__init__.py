"""Recordings of real markets, read back line by line at their recorded times."""
