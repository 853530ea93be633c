"""Writes the tables of docs/alpaca.md from the code: `python -m arbit.venues.alpaca.tables`.

A test compares them, so that what is told of an answer is what is done about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from arbit.domain.order import Remedy
from arbit.venues.alpaca.codes import CODES
from arbit.venues.alpaca.fees import TIERS
from arbit.venues.alpaca.outcomes import (
    BUSY,
    BUSY_WAIT_S,
    RATE_WAIT_S,
    REFUSED_KEY,
    RULES,
    TOO_MANY,
)

PAGE = Path("docs/alpaca.md")
DONE = {
    Remedy.NONE: "nothing more",
    Remedy.RESYNC: "balances are asked for",
    Remedy.STATUS: "the market's status is looked at",
    Remedy.BACK_OFF: "nothing is sent for a while",
    Remedy.HALT: "trading halts until an operator resumes",
}


def outcomes() -> Iterator[Sequence[str]]:
    """What an answer to an order proves, the rules in the order in which they are tried."""
    yield "answer", "code", "words", "the order", "and"
    yield "200", "", "an order of ours, by its client id", "is there", DONE[Remedy.NONE]
    for rule in RULES:
        codes = ", ".join(
            "none" if code is None else str(code) for code in sorted_codes(rule.codes)
        )
        wait = f" ({rule.wait_s:.0f} s)" if rule.wait_s else ""
        words = f"`{rule.words.pattern}`"
        yield str(rule.status), codes, words, "was not placed", DONE[rule.remedy] + wait
    doubt = "UNKNOWN: asked for by its client id"
    for status, and_then in (
        (str(TOO_MANY), f"{DONE[Remedy.BACK_OFF]} ({RATE_WAIT_S:.0f} s)"),
        (", ".join(map(str, sorted(BUSY))), f"{DONE[Remedy.BACK_OFF]} ({BUSY_WAIT_S:.0f} s)"),
        (", ".join(map(str, sorted(REFUSED_KEY))), DONE[Remedy.HALT]),
        ("none, or any other", DONE[Remedy.NONE]),
    ):
        yield status, "any", "any other, or none", doubt, and_then


def stream_codes() -> Iterator[Sequence[str]]:
    """The errors of the market data stream."""
    yield "error", "means", "is answered by"
    for number, code in CODES.items():
        yield str(number), code.meaning, code.remedy.value


def fees() -> Iterator[Sequence[str]]:
    """The published ladder; `TAKER_FEE_BPS` says which rung is yours."""
    yield "30 days' volume from, USD", "maker, bps", "taker, bps"
    for tier in TIERS:
        yield f"{tier.volume_usd:,}".replace(",", " "), f"{tier.maker_bps}", f"{tier.taker_bps}"


TABLES = {"outcomes": outcomes, "stream": stream_codes, "fees": fees}


def sorted_codes(codes: frozenset[int | None]) -> list[int | None]:
    """Codes in order, the absence of one last."""
    return sorted(codes, key=lambda code: (code is None, code or 0))


def page(text: str) -> str:
    """The page with its tables as the code has them, each between its two marks."""
    for name, rows in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"{PAGE}: expected {begin.strip()} and {end}")
        text = before + begin + _table(rows()) + end + after
    return text


def _table(rows: Iterator[Sequence[str]]) -> str:
    head = next(rows)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )


def main() -> None:
    """Write the page in the working folder anew."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
