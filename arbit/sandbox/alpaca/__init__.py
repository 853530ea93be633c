"""Alpaca's wire over the sandbox's core: market data stream and REST, trading REST, updates."""
