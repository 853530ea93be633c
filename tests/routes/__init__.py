"""Routing against a search of everything, on markets drawn at random."""
