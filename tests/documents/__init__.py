"""What the documents say is run: every command that a reader may copy."""
