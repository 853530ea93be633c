"""`arbit keys:check`: whether a key may be traded with."""
