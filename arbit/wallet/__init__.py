"""The wallet: what is owned on a chain, read and never moved. No key is known here."""
