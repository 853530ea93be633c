"""Keeps: the journal that trading depends on, and the history that it does not."""
