"""One venue watched: its markets, feed and books, and the clockwork between them."""
