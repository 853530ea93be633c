"""One account that trades: what is put together for it, what looks after it, what it tells."""
