"""Any exchange ccxt knows: REST questions for every venue, and a feed to measure anywhere.

The only room that imports ccxt, and only when a client is opened (see `loader`).
"""
