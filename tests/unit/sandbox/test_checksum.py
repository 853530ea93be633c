"""The sandbox's own checksum against the venue's published vectors."""

from arbit.sandbox.checksum import book_checksum
from arbit.sandbox.instruments import pad

ASKS = (
    "45285.2/0.00100000 45286.4/1.54571953 45286.6/1.54571109 45289.6/1.54560911 "
    "45290.2/0.15890660 45291.8/1.54553491 45294.7/0.04454749 45296.1/0.35380000 "
    "45297.5/0.09945542 45299.5/0.18772827"
)
BIDS = (
    "45283.5/0.10000000 45283.4/1.54582015 45282.1/0.10000000 45281.0/0.10000000 "
    "45280.3/1.54592586 45279.0/0.07990000 45277.6/0.03310103 45277.5/0.30000000 "
    "45277.3/1.54602737 45276.6/0.15445238"
)


def levels(text: str) -> list[tuple[int, int]]:
    pairs = [level.split("/") for level in text.split()]
    return [(int(p.replace(".", "")), int(q.replace(".", ""))) for p, q in pairs]


def test_the_published_vector_of_ten_levels_comes_out() -> None:
    assert book_checksum(levels(ASKS), levels(BIDS)) == 3310070434


def test_a_book_of_one_level_a_side_comes_out() -> None:
    assert book_checksum(levels("50100.00/1.5"), levels("50000.00/1.0")) == 1561210927


def test_one_digit_off_is_another_checksum() -> None:
    assert book_checksum(levels(ASKS.replace("953 ", "954 ")), levels(BIDS)) != 3310070434


def test_integers_are_written_with_every_digit_of_the_precision() -> None:
    assert [pad(452852, 1), pad(100, 8), pad(0, 8), pad(7, 0), pad(5, 1)] == [
        "45285.2",
        "0.00000100",
        "0.00000000",
        "7",
        "0.5",
    ]
