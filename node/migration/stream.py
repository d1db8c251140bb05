"""Records to octets and back, without I/O; STREAM.md is normative.

A direction of a stream is an *opening* of 16 octets and then records, each a head of 24 octets and a body:

    head   type u16 | layout u16 | sequence u32 | body length u32 | head checksum u32 | body checksum u64

`Writer` yields buffers to send, in order and without joining them. `Reader` is asked for a record and answers with
*steps*: a generator that hands out buffers to be filled exactly and returns the record at its end, so pages are
received straight into guest memory by whoever drives it. Invariants of the reader, for input by an enemy:

* nothing is allocated before its length was compared with the record's limits, nor waited for before the head's own
  checksum was found right;
* no page outside the machine is touched (`Landing.runs` is asked only for numbers in range, strictly ascending);
* records come in the order of order.py and numbered without a gap;
* every violation is a StreamCorrupt with a sentence; the opening of another version is a TargetRefused.
"""

import struct
from collections.abc import Generator, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

import xxhash

from node.migration.answers import Accept, Differs, Failed, Loaded, Mismatch, Ready, Received, Refuse, Taken
from node.migration.errors import StreamCorrupt, TargetRefused
from node.migration.order import FIRST, LAST, LAST_ROUND_END, SOURCE, TARGET, Event, following
from node.migration.records import Abort, DigestRecord, End, Header, PageDigests, Pages, RoundEnd, State, Zeros
from node.migration.wire import LAYOUT, PAGE_BYTES, READABLE_VERSIONS, STREAM_VERSION, Record, Type

MAGIC = b"\x89LIMOSA\n"  # no text, and broken by whoever translates line ends
ROLES = {"source": 1, "target": 2}
TABLES = {"source": SOURCE, "target": TARGET}

OPENING = struct.Struct("<8sHBB")
OPENING_BYTES = OPENING.size + 4
HEAD = struct.Struct("<HHIIIQ")
CHECKSUM_AT = 12  # of the head checksum, in the head

RECORDS: dict[Type, type[Record]] = {
    record.TYPE: record
    for record in (
        *(Header, Pages, Zeros, RoundEnd, State, DigestRecord, End, PageDigests, Abort),
        *(Accept, Refuse, Taken, Received, Loaded, Ready, Differs, Mismatch, Failed),
    )
}

T = TypeVar("T")
Buffer = bytes | bytearray | memoryview
Steps = Generator[Sequence[memoryview], None, T]


class Landing(Protocol):
    """Where a stream's pages go."""

    pages: int

    def runs(self, numbers: Sequence[int]) -> Sequence[memoryview]:
        """Writable views that together are these pages, in this order."""


def _short(*parts: Buffer) -> int:
    """The 32-bit checksum of openings and heads."""
    return xxhash.xxh3_64_intdigest(b"".join(parts)) & 0xFFFF_FFFF


def _long(parts: Sequence[Buffer]) -> int:
    """The 64-bit checksum of bodies."""
    if len(parts) == 1:
        return xxhash.xxh3_64_intdigest(parts[0])
    state = xxhash.xxh3_64()
    for part in parts:
        state.update(part)
    return state.intdigest()


def _event(record: Record) -> Event:
    return LAST_ROUND_END if isinstance(record, RoundEnd) and record.last else record.TYPE


class Writer:
    """One direction, going out; `role` is who writes."""

    def __init__(self, role: str, version: int = STREAM_VERSION) -> None:
        self._role = role
        self._version = version
        self._state = FIRST
        self.octets = 0
        self.records = 0

    @property
    def closed(self) -> bool:
        return self._state == LAST

    def opening(self) -> list[bytes | memoryview]:
        fixed = OPENING.pack(MAGIC, self._version, ROLES[self._role], 0)
        self.octets += OPENING_BYTES
        return [fixed + struct.pack("<I", _short(fixed))]

    def record(self, record: Record) -> list[bytes | memoryview]:
        """The record's buffers. Its pages' octets must not change until they are sent: the checksum is made here."""
        self._state = following(TABLES[self._role], self._state, _event(record))
        body: list[bytes | memoryview] = [record.pack()]
        if isinstance(record, Pages):
            body += record.payload
        length = sum(len(part) for part in body)
        assert record.LIMITS[0] <= length <= record.LIMITS[1], f"{record.TYPE.name} of {length} octets"
        head = self._head(record.TYPE, length, _long(body))
        self.octets += len(head) + length
        self.records += 1
        return [head, *body]

    def _head(self, kind: Type, length: int, checksum: int) -> bytes:
        head = HEAD.pack(kind, LAYOUT, self.records, length, 0, checksum)
        return head[:CHECKSUM_AT] + struct.pack("<I", _short(head)) + head[CHECKSUM_AT + 4 :]


class Reader:
    """One direction, coming in; `role` is who wrote it."""

    def __init__(self, role: str, landing: Landing | None = None) -> None:
        self._role = role
        self._landing = landing
        self._state = FIRST
        self.octets = 0
        self.records = 0

    def opening(self) -> Steps[int]:
        """Read the opening; returns the writer's version."""
        data = bytearray(OPENING_BYTES)
        yield [memoryview(data)]
        magic, version, role, reserved = OPENING.unpack_from(data)
        if magic != MAGIC:
            raise StreamCorrupt(f"the {self._role} does not speak the migration stream: it began with {magic!r}")
        if struct.unpack_from("<I", data, OPENING.size) != (_short(data[: OPENING.size]),):
            raise StreamCorrupt("the opening's checksum is wrong")
        if role != ROLES[self._role] or reserved:
            raise StreamCorrupt(f"the opening is not a {self._role}'s")
        if version not in READABLE_VERSIONS:
            known = " and ".join(map(str, sorted(READABLE_VERSIONS)))
            raise TargetRefused(f"the {self._role} speaks stream version {version}, this side reads version {known}")
        self.octets += OPENING_BYTES
        return int(version)

    def record(self) -> Steps[Record]:
        """Read the next record."""
        head = bytearray(HEAD.size)
        yield [memoryview(head)]
        kind, length, checksum = self._check_head(head)
        if kind is Type.PAGES:
            record = yield from self._pages(length, checksum)
        else:
            body = bytearray(length)
            yield [memoryview(body)]
            self._check_body(kind, checksum, [memoryview(body)])
            record = RECORDS[kind].unpack(bytes(body))
        self._state = following(TABLES[self._role], self._state, _event(record))
        self.octets += HEAD.size + length
        self.records += 1
        return record

    def _check_head(self, head: bytearray) -> tuple[Type, int, int]:
        number, layout, sequence, length, head_checksum, checksum = HEAD.unpack(head)
        struct.pack_into("<I", head, CHECKSUM_AT, 0)
        if head_checksum != _short(head):
            raise StreamCorrupt(f"record {self.records} has a damaged head")
        if number not in RECORDS:
            raise StreamCorrupt(f"record {self.records} is of the unknown type {number}")
        kind = Type(number)
        if layout != LAYOUT:
            raise StreamCorrupt(f"{kind.name} has layout {layout}, this side reads {LAYOUT}")
        if sequence != self.records:
            raise StreamCorrupt(f"{kind.name} is numbered {sequence}, {self.records} was due")
        least, most = RECORDS[kind].LIMITS
        if not least <= length <= most:
            raise StreamCorrupt(f"{kind.name} has a body of {length} octets, allowed are {least} to {most}")
        following(TABLES[self._role], self._state, kind)
        return kind, length, checksum

    def _check_body(self, kind: Type, checksum: int, parts: Sequence[Buffer]) -> None:
        if checksum != _long(parts):
            raise StreamCorrupt(f"record {self.records}, {kind.name}, has a damaged body")

    def _pages(self, length: int, checksum: int) -> Steps[Record]:
        """The numbers into a buffer of their own, then the octets to where the numbers say."""
        assert self._landing is not None, "PAGES can only come from a source, whose reader has a landing"
        numbers = bytearray(length - Pages.count_in(length) * PAGE_BYTES)
        yield [memoryview(numbers)]
        record = Pages.unpack(bytes(numbers))
        check_ascending(record.numbers, self._landing.pages)
        views = self._landing.runs(record.numbers)
        yield views
        self._check_body(Type.PAGES, checksum, [memoryview(numbers), *views])
        return record


def check_ascending(numbers: Sequence[int], pages: int) -> None:
    """Strictly ascending page numbers, all of the machine's."""
    if numbers[-1] >= pages:
        raise StreamCorrupt(f"page {numbers[-1]:#x} is not one of the machine's {pages:#x}")
    for before, after in pairwise(numbers):
        if before >= after:
            raise StreamCorrupt(f"page {after:#x} comes after page {before:#x} in one record")
