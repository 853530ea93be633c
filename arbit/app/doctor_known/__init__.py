"""The known-answer self-test: a planted market whose one cycle is known to the last decimal."""
