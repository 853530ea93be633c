"""Kraken's private WebSocket: the account's own events, and orders."""
