"""A reader who sleeps, or has left, holds nobody up."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import TextIO

import pytest

from arbit.telemetry.pipes import PIECE, Watched, has_room, turn_away, write_if_room

Pipe = tuple[int, TextIO]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        yield reading, stream
        turn_away(stream)  # whatever it still holds must go somewhere
    os.close(reading)


def fill(stream: TextIO) -> int:
    """Until it takes no more; how much it took."""
    os.set_blocking(stream.fileno(), False)
    took = 0
    try:
        while True:
            took += os.write(stream.fileno(), b"." * PIECE)
    except BlockingIOError:
        os.set_blocking(stream.fileno(), True)
        return took


def test_what_there_is_room_for_is_written_at_once(pipe: Pipe) -> None:
    reading, stream = pipe
    assert has_room(stream)
    assert write_if_room(stream, "a line\n")
    assert os.read(reading, 100) == b"a line\n"


def test_a_full_pipe_loses_the_line_and_takes_the_next_when_it_was_read(pipe: Pipe) -> None:
    reading, stream = pipe
    took = fill(stream)
    assert not has_room(stream)
    assert not write_if_room(stream, "lost\n")
    assert os.read(reading, took) == b"." * took
    assert write_if_room(stream, "heard\n")
    assert os.read(reading, 100) == b"heard\n"


def test_a_text_longer_than_the_room_is_cut_and_never_waited_with(pipe: Pipe) -> None:
    reading, stream = pipe
    assert not write_if_room(stream, "x" * (1 << 22))
    assert os.read(reading, 100) == b"x" * 100


def test_a_reader_who_has_left_is_no_error(pipe: Pipe) -> None:
    reading, stream = pipe
    spare = os.dup(reading)
    os.close(reading)
    os.close(spare)
    assert not write_if_room(stream, "a line\n")
    turn_away(stream)
    assert write_if_room(stream, "to nowhere\n")
    os.dup2(os.open(os.devnull, os.O_RDONLY), reading)  # the fixture closes it


def test_a_stream_without_a_descriptor_always_has_room() -> None:
    stream = io.StringIO()
    assert has_room(stream)
    assert write_if_room(stream, "a line\n")
    assert stream.getvalue() == "a line\n"
    turn_away(stream)


def test_a_watched_stream_remembers_what_broke_it_first_and_nothing_that_may_be_lost(
    pipe: Pipe,
) -> None:
    reading, stream = pipe
    os.dup2(os.open(os.devnull, os.O_RDONLY), reading)  # the reader has left
    watched = Watched(stream)
    assert not write_if_room(watched, "progress\n")
    assert watched.error is None
    with pytest.raises(BrokenPipeError) as first:
        watched.flush()
    assert watched.error is first.value
