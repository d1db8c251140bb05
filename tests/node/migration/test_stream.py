"""The codec by itself: transcripts of both directions, and what an enemy may try."""

import random
import struct
from collections.abc import Sequence
from typing import TypeVar

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from node.migration import answers as a
from node.migration import records as r
from node.migration import wire
from node.migration.errors import KINDS, Cancelled, MigrationError, StreamCorrupt
from node.migration.order import SOURCE, TARGET
from node.migration.stream import HEAD, OPENING_BYTES, RECORDS, Reader, Steps, Writer

PAGES = 600
T = TypeVar("T")


class Landing:
    """Memory of `PAGES` pages that remembers which were asked for."""

    pages = PAGES

    def __init__(self) -> None:
        self.memory = bytearray(PAGES * wire.PAGE_BYTES)

    def runs(self, numbers: Sequence[int]) -> list[memoryview]:
        view = memoryview(self.memory)
        return [view[n * wire.PAGE_BYTES : (n + 1) * wire.PAGE_BYTES] for n in numbers]


def joined(buffers: Sequence[bytes | memoryview]) -> bytes:
    return b"".join(buffers)


class Ended(Exception):
    """The stream ended where a reader wanted more."""


def feed(steps: Steps[T], data: memoryview) -> tuple[T, memoryview]:
    """Drive one reader's steps from octets."""
    try:
        while True:
            for buffer in next(steps):
                if len(buffer) > len(data):
                    raise Ended
                buffer[:] = data[: len(buffer)]
                data = data[len(buffer) :]
    except StopIteration as end:
        return end.value, data


def read_all(role: str, data: bytes, landing: Landing | None = None) -> list[wire.Record]:
    reader = Reader(role, landing or Landing())
    _, rest = feed(reader.opening(), memoryview(data))
    got = []
    while rest:
        record, rest = feed(reader.record(), rest)
        got.append(record)
    assert reader.octets == len(data) and reader.records == len(got)
    return got


def written(role: str, *records: wire.Record) -> bytes:
    writer = Writer(role)
    data = joined(writer.opening()) + b"".join(joined(writer.record(record)) for record in records)
    assert writer.octets == len(data) and writer.records == len(records)
    return data


def pages(round_number: int, *numbers: int) -> r.Pages:
    payload = b"".join(bytes([number % 251]) * wire.PAGE_BYTES for number in numbers)
    return r.Pages(round_number, list(numbers), [memoryview(payload)])


FORWARD: list[wire.Record] = [
    r.Header("m-1", "pre-copy", 590 * 4096, 10 * 4096),
    pages(1, 0, 1, 2, 599),
    r.Zeros(1, [(3, 500), (505, 1)]),
    r.RoundEnd(1, False, 4, 501, 12345),
    pages(2, 7),
    r.RoundEnd(2, True, 1, 0, 99999),
    r.State(b"state"),
    r.DigestRecord(b"T" * 16, b"S" * 16, b"C" * 48),
    r.End(8, 5, 501, 1 << 40),
    r.PageDigests(2, b"p" * 160),
    r.Abort(Cancelled("enough")),
]
BACKWARDS: list[list[wire.Record]] = [
    [a.Accept(), a.Taken(1), a.Taken(2), a.Received(5, 501, 777), a.Loaded(31), a.Ready(b"D" * 16, 5)],
    [a.Accept(), a.Received(5, 501, 777), a.Loaded(31), a.Differs(2), a.Mismatch(513, "page 0x201")],
    [a.Accept(), a.Received(5, 501, 777), a.Loaded(31), a.Mismatch(a.Mismatch.NO_PAGE, "timer.count")],
    [a.Refuse(KINDS[2]("no room"))],
    [a.Accept(), a.Failed(KINDS[6]("out of memory"))],
]


def same(one: wire.Record, other: wire.Record) -> bool:
    if isinstance(one, r.Pages):
        return isinstance(other, r.Pages) and (one.round, list(one.numbers)) == (other.round, list(other.numbers))
    if isinstance(one, r.Abort | a.Refuse | a.Failed):
        assert isinstance(other, r.Abort | a.Refuse | a.Failed)
        return type(one.error) is type(other.error) and one.error.sentence == other.error.sentence
    return one == other


def test_a_forward_stream_reads_as_it_was_written_and_pages_land_in_place() -> None:
    landing = Landing()
    got = read_all("source", written("source", *FORWARD), landing)
    assert all(map(same, FORWARD, got)) and len(got) == len(FORWARD)
    for number in (0, 1, 2, 7, 599):
        assert landing.memory[number * 4096 : (number + 1) * 4096] == bytes([number % 251]) * 4096
    assert not any(landing.memory[8 * 4096 : 599 * 4096])


@pytest.mark.parametrize("transcript", BACKWARDS)
def test_a_back_stream_reads_as_it_was_written(transcript: list[wire.Record]) -> None:
    got = read_all("target", written("target", *transcript))
    assert all(map(same, transcript, got)) and len(got) == len(transcript)


def test_every_record_type_is_in_a_transcript_and_in_exactly_one_table() -> None:
    shown = {record.TYPE for transcript in [FORWARD, *BACKWARDS] for record in transcript}
    assert shown == set(wire.Type) == set(RECORDS)
    forward = {event for row in SOURCE.values() for event in row if isinstance(event, wire.Type)}
    back = {event for row in TARGET.values() for event in row if isinstance(event, wire.Type)}
    assert not forward & back and forward | back == set(wire.Type)


def test_a_stream_cut_anywhere_never_yields_another_record() -> None:
    data = written("source", *FORWARD)
    for end in [*range(400), *range(len(data) - 900, len(data))]:
        with pytest.raises(Ended):
            feed_to_end(data[:end])


def feed_to_end(data: bytes) -> None:
    """Read until the octets end; a cut at a record's end shows when the next one is wanted."""
    reader = Reader("source", Landing())
    _, rest = feed(reader.opening(), memoryview(data))
    for _ in range(len(FORWARD)):
        _, rest = feed(reader.record(), rest)


@given(st.integers(0, 1 << 62), st.integers(0, 7))
def test_any_flipped_bit_is_found(place: int, bit: int) -> None:
    data = bytearray(written("source", *FORWARD))
    data[place % len(data)] ^= 1 << bit
    with pytest.raises(StreamCorrupt):
        feed_to_end(bytes(data))


@given(st.binary(max_size=300))
def test_noise_is_a_corrupt_stream_or_too_short(noise: bytes) -> None:
    with pytest.raises((MigrationError, Ended)):
        feed_to_end(noise)
    opened = joined(Writer("source").opening())
    with pytest.raises((MigrationError, Ended)):
        feed_to_end(opened + noise)


def forged(kind: int, body: bytes, *, layout: int = 1, sequence: int = 0, length: int | None = None) -> bytes:
    """A record with right checksums and whatever else one likes."""
    size = len(body) if length is None else length
    head = bytearray(HEAD.pack(kind, layout, sequence, size, 0, xxhash.xxh3_64_intdigest(body)))
    struct.pack_into("<I", head, 12, xxhash.xxh3_64_intdigest(bytes(head)) & 0xFFFF_FFFF)
    return bytes(head) + body


HEADER_BODY = FORWARD[0].pack()
FORGERIES = {
    "unknown type": forged(40, b""),
    "another layout": forged(1, HEADER_BODY, layout=2),
    "a gap in the sequence": forged(1, HEADER_BODY, sequence=1),
    "a header of a terabyte": forged(1, HEADER_BODY, length=1 << 31),
    "a state before the header": forged(5, b"state"),
    "a target's record": forged(65, b""),
    "pages of 2 MiB": forged(1, struct.pack("<IIQQQ", 1 << 21, 0, 1, 1 << 21, 0) + b"\0\0\0\0"),
    "a reserved field": forged(1, struct.pack("<IIQQQ", 4096, 1, 1, 4096, 0) + b"\0\0\0\0"),
    "sizes that contradict": forged(1, struct.pack("<IIQQQ", 4096, 0, 2, 4096, 0) + b"\0\0\0\0"),
    "a text longer than its record": forged(1, struct.pack("<IIQQQ", 4096, 0, 1, 4096, 0) + b"\xff\0\0\0"),
    "a text that is not UTF-8": forged(1, struct.pack("<IIQQQ", 4096, 0, 1, 4096, 0) + b"\1\0\xff\0\0"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_first_record_with_right_checksums_and_a_lie_is_refused(name: str) -> None:
    with pytest.raises(StreamCorrupt):
        feed_to_end(joined(Writer("source").opening()) + FORGERIES[name] + bytes(4096))


def page_body(*numbers: int, count: int | None = None) -> bytes:
    said = len(numbers) if count is None else count
    return struct.pack(f"<II{len(numbers)}I", 1, said, *numbers) + bytes(4096 * len(numbers))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (2, page_body(PAGES)),  # one too far
        (2, page_body(0xFFFF_FFFF)),
        (2, page_body(5, 5)),
        (2, page_body(6, 5)),
        (2, page_body(1, 2, count=3)),
        (2, page_body(1) + b"\0"),
        (3, struct.pack("<IIII", 1, 2, 0, 1)),  # two runs announced, one there
        (4, struct.pack("<IIQQQ", 1, 2, 0, 0, 0)),  # a reserved flag
        (9, struct.pack("<HH", 99, 0)),  # a reason of no kind
        (9, struct.pack("<HH", 0, 0)),
    ],
)
def test_a_lie_inside_a_rounds_record_is_refused_before_it_does_harm(kind: int, body: bytes) -> None:
    landing = Landing()
    data = written("source", FORWARD[0]) + forged(kind, body, sequence=1)
    with pytest.raises(StreamCorrupt):
        read_all("source", data, landing)
    assert not any(landing.memory)


def test_a_reader_asks_for_no_more_than_a_records_limit() -> None:
    opened = joined(Writer("source").opening())
    reader = Reader("source", Landing())
    feed(reader.opening(), memoryview(opened))
    steps = reader.record()
    (head,) = next(steps)
    head[:] = forged(1, HEADER_BODY, length=r.Header.LIMITS[1])[: HEAD.size]
    (body,) = next(steps)
    assert len(body) == r.Header.LIMITS[1]


def test_the_writer_keeps_to_the_order_too() -> None:
    writer = Writer("source")
    with pytest.raises(StreamCorrupt):
        writer.record(r.State(b"x"))


def test_every_order_that_the_tables_do_not_have_is_refused() -> None:
    """All walks of three records over the source's types, by the writer; the reader walks the same tables."""
    rng = random.Random(3)
    samples = {record.TYPE: record for record in FORWARD}
    for _ in range(500):
        writer, state = Writer("source"), "opened"
        for _ in range(6):
            kind = rng.choice(list(samples))
            event = "LAST_ROUND_END" if kind is wire.Type.ROUND_END else kind
            allowed = SOURCE[state].get(event)
            if allowed is None:
                with pytest.raises(StreamCorrupt):
                    writer.record(samples[kind])
                break
            writer.record(samples[kind])
            state = allowed


def test_a_long_sentence_is_cut_at_a_character() -> None:
    data = written("source", FORWARD[0], r.Abort(Cancelled("é" * 2000)))
    record = read_all("source", data)[-1]
    assert isinstance(record, r.Abort) and record.error.sentence == "é" * 512


def test_the_opening_is_sixteen_octets() -> None:
    assert len(joined(Writer("source").opening())) == OPENING_BYTES == 16
