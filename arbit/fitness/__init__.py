"""Judges: what was there, for how long, and what of it could have been taken."""
