"""Permits: every rule a small function, one gate that asks them all, and what stops trading."""
