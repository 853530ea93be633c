"""The composition root: the only room that constructs the others and wires them together."""
