"""Alpaca of our own, seen from outside."""
