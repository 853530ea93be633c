"""What went wrong with a file, in a reader's words."""

from __future__ import annotations

DAMAGED = "see docs/persistence.md, 'When the file is damaged'"


def in_words(error: Exception) -> str:
    """What went wrong, in a reader's words where SQLite's are terse, on one line."""
    text = " ".join(str(error).split())
    hints = {
        "locked": "another program holds the database",
        "full": "the disk is full",
        "readonly": "the file is read-only",
        "disk I/O": "the disk failed or is full",
        "malformed": f"the file is damaged; {DAMAGED}",
        "not a database": f"the file is no database; {DAMAGED}",
        "no such": f"the file is not what it was; {DAMAGED}",
    }
    return next((f"{hint} ({text})" for sign, hint in hints.items() if sign in text), text)
