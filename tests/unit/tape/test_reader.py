from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from arbit.domain.errors import RecordingError, UserError
from arbit.tape import reader
from arbit.tape.reader import Format, RecordedFrame, format_of, frames, nanoseconds

STATUS = '{"channel":"status","type":"update","data":[{"system":"online"}]}'
ACK = (
    '{"method":"subscribe","result":{"channel":"book","symbol":"BTC/USD"},"success":true,'
    '"time_in":"2026-07-07T23:00:03.5Z","time_out":"2026-07-07T23:00:03.600Z"}'
)
BINANCE = '{"frame":{"stream":"ethbtc@depth5@100ms","data":{"bids":[],"asks":[]}},"received_ns":7}'


def book_line(second: str, price: str = "100.0") -> str:
    return (
        '{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[],"asks":'
        f'[{{"price":{price},"qty":1.50000000}}],"checksum":1,"timestamp":"{second}"}}]}}'
    )


def recording(folder: Path, *lines: str | bytes) -> Path:
    path = folder / "tape.ndjson"
    raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
    path.write_bytes(b"\n".join(raw) + b"\n")
    return path


def error_of(path: Path) -> tuple[list[RecordedFrame], RecordingError]:
    read: list[RecordedFrame] = []
    with pytest.raises(RecordingError) as caught:
        read.extend(frames(path))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return read, caught.value


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (STATUS, Format.KRAKEN),
        (ACK, Format.KRAKEN),
        ('{"frame":' + STATUS + ',"received_ns":1}', Format.KRAKEN),
        (BINANCE, Format.BINANCE),
        ('{"stream":"ethbtc@depth5","data":{}}', Format.BINANCE),
    ],
)
def test_the_first_line_tells_the_format(tmp_path: Path, line: str, kind: Format) -> None:
    assert format_of(recording(tmp_path, "", "  ", line)) is kind


@pytest.mark.parametrize("line", ["{}", '{"frame":1}', '{"frame":{"x":1}}', '{"event":"x"}'])
def test_an_unknown_shape_is_refused_by_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(RecordingError, match=r"line 1: expected a Kraken v2 frame or a Binance"):
        format_of(recording(tmp_path, line))


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty"
    path.write_bytes(content)
    with pytest.raises(UserError, match="the file is empty"):
        format_of(path)


def test_a_missing_file_a_folder_and_a_pipe_are_refused_without_hanging(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        format_of(tmp_path / "nowhere")
    with pytest.raises(UserError, match="expected a file of recorded frames"):
        format_of(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(UserError, match="expected a file of recorded frames"):
            format_of(tmp_path / "pipe")
    with pytest.raises(UserError, match="cannot be read"):
        format_of(Path("nul\0byte"))


@pytest.mark.parametrize(
    "bad",
    [
        b'{"channel":"heartbeat"',
        b"[1,2,3]",
        b'"text"',
        b"42",
        b"null",
        b"\x89PNG\r\x1a\x00\xff\xfe",
        b"\xff\xff\xff",
        b"{" * 200_000,
        b"not json at all",
    ],
)
def test_a_bad_line_is_named_and_what_came_before_it_is_read(tmp_path: Path, bad: bytes) -> None:
    path = recording(tmp_path, ACK, book_line("2026-07-07T23:00:04Z"), bad, STATUS)
    read, error = error_of(path)

    assert error.line_number == 3
    assert "line 3: expected one JSON object" in str(error)
    assert [frame.line_number for frame in read] == [1, 2]
    assert len(str(error)) < 300 + len(str(path))


def test_a_truncated_last_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes((ACK + "\n" + book_line("2026-07-07T23:00:04Z"))[:-20].encode())
    read, error = error_of(path)

    assert (error.line_number, len(read)) == (2, 1)


@pytest.mark.parametrize(
    "stamp", ["0", "-5", "1.5", '"1756639047"', "true", "[]", "1e30", "99999999999999999999999"]
)
def test_a_receive_time_that_is_none_is_named(tmp_path: Path, stamp: str) -> None:
    path = recording(tmp_path, f'{{"frame":{STATUS},"received_ns":{stamp}}}')
    _, error = error_of(path)

    assert "line 1: received_ns is" in str(error)
    assert "expected nanoseconds since 1970" in str(error)


@pytest.mark.parametrize("stamp", ["yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z", ""])
def test_a_venue_time_that_is_none_is_named(tmp_path: Path, stamp: str) -> None:
    _, error = error_of(recording(tmp_path, book_line(stamp)))
    assert "line 1: bad time" in str(error)


def test_a_frame_that_is_no_object_is_named(tmp_path: Path) -> None:
    path = recording(tmp_path, '{"frame":[1],"received_ns":5}')
    _, error = error_of(path)
    assert "line 1: expected an object under 'frame'" in str(error)


def test_an_endless_line_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_LINE_BYTES", 1_000)
    path = recording(tmp_path, ACK, "x" * 5_000)
    _, error = error_of(path)
    assert "line 2: the line is longer than 1000 bytes" in str(error)


def test_a_recording_without_any_time_is_held_back_within_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_UNTIMED_LINES", 3)
    assert len(list(frames(recording(tmp_path, *[STATUS] * 3)))) == 3
    _, error = error_of(recording(tmp_path, *[STATUS] * 4))
    assert "line 4: no time in the first 3 lines" in str(error)


def test_frames_before_the_first_time_get_that_time(tmp_path: Path) -> None:
    read = list(frames(recording(tmp_path, STATUS, STATUS, book_line("2026-07-07T23:00:04.25Z"))))
    at = nanoseconds("2026-07-07T23:00:04.25Z")

    assert [(frame.line_number, frame.at_ns) for frame in read] == [(1, at), (2, at), (3, at)]
    assert not any(frame.received for frame in read)


def test_time_never_goes_backwards(tmp_path: Path) -> None:
    late, old = "2026-07-07T23:00:04Z", "2026-07-07T22:59:44Z"
    read = list(frames(recording(tmp_path, book_line(late), book_line(old), STATUS)))

    assert {frame.at_ns for frame in read} == {nanoseconds(late)}


def test_the_receive_time_comes_before_the_venue_s_own(tmp_path: Path) -> None:
    line = f'{{"frame":{book_line("2026-07-07T23:00:04Z")},"received_ns":123}}'
    (frame,) = frames(recording(tmp_path, line))

    assert (frame.at_ns, frame.received) == (123, True)


def test_a_wrapped_frame_without_receive_time_falls_back_on_the_venue_s(tmp_path: Path) -> None:
    line = f'{{"frame":{book_line("2026-07-07T23:00:04Z")}}}'
    (frame,) = frames(recording(tmp_path, line))

    assert (frame.at_ns, frame.received) == (nanoseconds("2026-07-07T23:00:04Z"), False)


@pytest.mark.parametrize("note", ["frame", '{"frame":{"channel":"x"}}', "}{"])
def test_a_wrapped_frame_keeps_its_very_bytes(tmp_path: Path, note: str) -> None:
    inner = book_line("2026-07-07T23:00:04Z", price="63501.60")
    line = f'{{"note":{json.dumps(note)}, "frame" : {inner} ,"received_ns":5}}'
    (frame,) = frames(recording(tmp_path, line))

    assert frame.payload == inner.encode()  # 63501.60 and 1.50000000: the checksum needs the zeros
    assert frame.fields["channel"] == "book"


def test_a_bare_frame_keeps_its_very_bytes(tmp_path: Path) -> None:
    (frame,) = frames(recording(tmp_path, "  " + book_line("2026-07-07T23:00:04Z") + " "))
    assert frame.payload == book_line("2026-07-07T23:00:04Z").encode()


@pytest.mark.parametrize(
    ("stamp", "nanos"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01", 1_000_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T00:00:01.123456789Z", 1_123_456_789),
        ("1970-01-01T00:00:01.1234567899Z", 1_123_456_789),
        ("1970-01-01T02:00:01.000001+02:00", 1_000_001_000),
        ("2026-07-07T23:00:03.501510Z", 1_783_465_203_501_510_000),
    ],
)
def test_times_are_read_to_the_nanosecond(stamp: str, nanos: int) -> None:
    assert nanoseconds(stamp) == nanos


def test_a_recording_is_the_same_whatever_the_zone_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change its zone")
    found = set()
    try:
        for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            found.add(nanoseconds("2026-07-07T23:00:03"))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert len(found) == 1


def test_every_error_says_file_and_line(tmp_path: Path) -> None:
    path = recording(tmp_path, ACK, "oops")
    _, error = error_of(path)
    assert re.match(rf"{re.escape(str(path))}, line 2: ", str(error))
