"""What a key may do, who is talked to, and what is never told."""
