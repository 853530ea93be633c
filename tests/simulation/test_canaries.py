"""What is a secret in what was told, and what is a number by chance."""

from __future__ import annotations

from tests.simulation.canaries import HEX_BLOCK, by_chance, spellings

SECRET = b"0123456789abcdef0123456789"  # in hexadecimal digits, all of its start are decimal ones
HEX = SECRET.hex().encode()


def test_a_number_that_stands_alone_is_no_secret_and_twelve_characters_of_one_are() -> None:
    number = HEX[:HEX_BLOCK]
    assert number in set(spellings(SECRET))
    assert number.isdigit()
    assert by_chance(number, SECRET, b"at_ns=" + number + b"000, filled")
    for start in range(0, len(HEX) - 24 + 1, 2):
        told = b"x" + HEX[start : start + 24] + b"y"
        parts = [part for part in spellings(SECRET) if part in told]
        assert any(not (p.isdigit() and by_chance(p, SECRET, told)) for p in parts), start
