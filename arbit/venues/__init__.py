"""The left bank: the only rooms that know a wire."""
