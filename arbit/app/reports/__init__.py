"""What was done: reports, exports, and cycles explained, from what is kept."""
