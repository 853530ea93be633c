"""Kraken spot: our own verified WebSocket v2 book feed."""
