"""Alpaca crypto, spoken natively: its market data, its orders and its account."""
