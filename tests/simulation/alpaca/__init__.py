"""Alpaca's rules in the simulation: its faces in memory, the account's side that talks to them."""
