"""What commands look like, as text: `python -m tests.documents.captures` writes docs/captures.md.

Every command is run for real, on our own exchange, in a folder that is thrown away. Numbers are
another run's every time; a test looks only whether each command is still one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile

from tests.documents.commands import REPO

PAGE = REPO / "docs" / "captures.md"
WIDTH = 118
GUARD_S = 120
FORGET = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
KERNEL = re.compile(r"Linux \S+, ")  # of whatever machine it was
SHOWN = (
    ("Is there anything in it? Watching our own exchange:", "fitness --simulate --secs 20"),
    ("What a venue's fees demand:", "plan --venue sandbox --symbols BTC/USD,ETH/BTC,ETH/USD"),
    (
        "Trading with made-up money:",
        "live --venue sandbox --profile volatile --fee-bps 2 --cycles 3",
    ),
    ("What was earned, and why less came:", "report --days 1"),
    ("Whether everything here is in order:", "doctor"),
    (
        "May this key be traded with?",
        "keys:check --venue sandbox --symbols BTC/USD,ETH/BTC,ETH/USD",
    ),
)


def main() -> None:
    """Run them all, and write the page."""
    parts = ["# What it looks like\n\nWritten by `python -m tests.documents.captures`.\n"]
    with tempfile.TemporaryDirectory() as folder:
        parts += [
            f"{title}\n\n```text\n$ arbit {words}\n{said(words, folder)}\n```\n"
            for title, words in SHOWN
        ]
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def said(words: str, folder: str) -> str:
    """What a command says on both its outputs, without its log and without colours."""
    of_us = ("ARBIT", "XDG")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(of_us)}
    done = subprocess.run(
        [sys.executable, "-m", "arbit", *words.split()],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(REPO), "COLUMNS": str(WIDTH), "HOME": folder},
        capture_output=True,
        text=True,
        timeout=GUARD_S,
        check=False,
    )
    plain = KERNEL.sub("Linux, ", FORGET.sub("", done.stdout)).replace(folder, "~")
    lines = plain.splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n")


if __name__ == "__main__":
    main()
