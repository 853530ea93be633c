"""Whether real orders may leave: what dry runs have shown, and the gate that reads it."""
