"""The records of the migration stream, as values: what each holds and how its body lies in octets.

STREAM.md is normative; this file is its writer's and reader's half of the truth (verify.py is the other, and shares
nothing with it). All integers are little-endian. `unpack` trusts nothing: every length is compared with the body's
before a byte is taken, reserved octets must be zero, and a violation is a StreamCorrupt with a sentence.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Protocol, Self

from node.migration.errors import KINDS, MigrationError, StreamCorrupt

STREAM_VERSION = 1
READABLE_VERSIONS = frozenset({1})  # V, and V-1 once there is one
LAYOUT = 1  # every record's own layout version, so far

PAGE_BYTES = 4096
BATCH_PAGES = 256  # at most, in one PAGES record
ZERO_RUNS = 4096  # at most, in one ZEROS record
STATE_BYTES = 16 << 20  # at most, in a STATE record
CHUNK_BYTES = 1 << 20  # of memory under one digest
CHUNKS = 1 << 20  # at most, in a DIGEST record: 1 TiB
TEXT_BYTES = 1024  # at most, of a name or reason
DIGEST_BYTES = 16


class Type(IntEnum):
    """Record types: below 64 the source speaks, from 64 on the target does."""

    HEADER = 1
    PAGES = 2
    ZEROS = 3
    ROUND_END = 4
    STATE = 5
    DIGEST = 6
    END = 7
    PAGE_DIGESTS = 8
    ABORT = 9
    ACCEPT = 65
    REFUSE = 66
    RECEIVED = 67
    LOADED = 68
    READY = 69
    DIFFERS = 70
    MISMATCH = 71
    FAILED = 72
    TAKEN = 73


class Record(Protocol):
    """A record with a body that is read whole (all but PAGES, whose octets go straight into guest memory)."""

    TYPE: ClassVar[Type]
    LIMITS: ClassVar[tuple[int, int]]  # shortest and longest body

    def pack(self) -> bytes: ...
    @classmethod
    def unpack(cls, body: bytes) -> Self: ...


def _text(text: str) -> bytes:
    data = text.encode()
    while len(data) > TEXT_BYTES:  # cut at a character, not inside one
        data = data[:TEXT_BYTES].decode(errors="ignore").encode()
    return struct.pack("<H", len(data)) + data


def _texts(body: bytes, at: int, count: int, what: str) -> list[str]:
    """`count` texts that fill the body from `at` to its very end."""
    texts = []
    for _ in range(count):
        if at + 2 > len(body):
            raise StreamCorrupt(f"{what} ends inside a text")
        (length,) = struct.unpack_from("<H", body, at)
        data = body[at + 2 : at + 2 + length]
        if length > TEXT_BYTES or len(data) != length:
            raise StreamCorrupt(f"{what} holds a text of {length} octets that does not fit")
        try:
            texts.append(data.decode())
        except UnicodeDecodeError:
            raise StreamCorrupt(f"{what} holds a text that is not UTF-8") from None
        at += 2 + length
    if at != len(body):
        raise StreamCorrupt(f"{what} is {len(body) - at} octets too long")
    return texts


def _reserved(value: int, what: str) -> None:
    if value:
        raise StreamCorrupt(f"{what} has a reserved field of {value:#x} that must be zero")


@dataclass(frozen=True, slots=True)
class Header:
    """What is about to come: which migration, and the geometry of the machine."""

    migration_id: str
    algorithm: str
    ram_bytes: int
    rom_bytes: int
    page_bytes: int = PAGE_BYTES
    TYPE: ClassVar[Type] = Type.HEADER
    LIMITS: ClassVar[tuple[int, int]] = (36, 32 + 2 * (2 + TEXT_BYTES))

    @property
    def pages(self) -> int:
        return (self.ram_bytes + self.rom_bytes) // self.page_bytes

    def pack(self) -> bytes:
        fixed = struct.pack("<IIQQQ", self.page_bytes, 0, self.pages, self.ram_bytes, self.rom_bytes)
        return fixed + _text(self.migration_id) + _text(self.algorithm)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        page_bytes, reserved, pages, ram_bytes, rom_bytes = struct.unpack_from("<IIQQQ", body)
        _reserved(reserved, "HEADER")
        if page_bytes != PAGE_BYTES:
            raise StreamCorrupt(f"HEADER speaks of pages of {page_bytes} octets; this stream version has {PAGE_BYTES}")
        if ram_bytes % page_bytes or rom_bytes % page_bytes or pages * page_bytes != ram_bytes + rom_bytes:
            raise StreamCorrupt(f"HEADER's {pages} pages are not its {ram_bytes} + {rom_bytes} octets of memory")
        migration_id, algorithm = _texts(body, 32, 2, "HEADER")
        return cls(migration_id, algorithm, ram_bytes, rom_bytes, page_bytes)


@dataclass(frozen=True, slots=True)
class Pages:
    """Pages with their octets. As read, `payload` is empty: the octets are in guest memory already."""

    round: int
    numbers: Sequence[int]
    payload: Sequence[memoryview] = ()
    TYPE: ClassVar[Type] = Type.PAGES
    LIMITS: ClassVar[tuple[int, int]] = (8 + 4 + PAGE_BYTES, 8 + BATCH_PAGES * (4 + PAGE_BYTES))

    def pack(self) -> bytes:
        """All but the pages' octets, which follow it on the wire."""
        return struct.pack(f"<II{len(self.numbers)}I", self.round, len(self.numbers), *self.numbers)

    @staticmethod
    def count_in(body_bytes: int) -> int:
        """How many pages a body of this length holds."""
        count, rest = divmod(body_bytes - 8, 4 + PAGE_BYTES)
        if rest:
            raise StreamCorrupt(f"PAGES has a body of {body_bytes} octets, which is no whole number of pages")
        return count

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        """From the part that `pack` makes."""
        round_number, count, *numbers = struct.unpack(f"<{len(body) // 4}I", body)
        if count != len(numbers):
            raise StreamCorrupt(f"PAGES announces {count} pages but is long enough for {len(numbers)}")
        return cls(round_number, numbers)


@dataclass(frozen=True, slots=True)
class Zeros:
    """Runs (first page, how many) of pages that hold nothing but zeros."""

    round: int
    runs: Sequence[tuple[int, int]]
    TYPE: ClassVar[Type] = Type.ZEROS
    LIMITS: ClassVar[tuple[int, int]] = (16, 8 + 8 * ZERO_RUNS)

    def pack(self) -> bytes:
        flat = [value for run in self.runs for value in run]
        return struct.pack(f"<II{len(flat)}I", self.round, len(self.runs), *flat)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        round_number, count = struct.unpack_from("<II", body)
        if len(body) != 8 + 8 * count:
            raise StreamCorrupt(f"ZEROS announces {count} runs in a body of {len(body)} octets")
        return cls(round_number, list(struct.iter_unpack("<II", body[8:])))


@dataclass(frozen=True, slots=True)
class RoundEnd:
    """The round is complete; the reader's own counts must agree. `last`: the guest stands still, state follows."""

    round: int
    last: bool
    pages_normal: int
    pages_zero: int
    octets: int  # of the whole stream, before this record
    TYPE: ClassVar[Type] = Type.ROUND_END
    LIMITS: ClassVar[tuple[int, int]] = (32, 32)

    def pack(self) -> bytes:
        return struct.pack("<IIQQQ", self.round, int(self.last), self.pages_normal, self.pages_zero, self.octets)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        round_number, flags, normal, zero, octets = struct.unpack("<IIQQQ", body)
        _reserved(flags & ~1, "ROUND_END")
        return cls(round_number, bool(flags), normal, zero, octets)


@dataclass(frozen=True, slots=True)
class State:
    """CPU and devices: a snapshot, see snapshot.py."""

    snapshot: bytes
    TYPE: ClassVar[Type] = Type.STATE
    LIMITS: ClassVar[tuple[int, int]] = (1, STATE_BYTES)

    def pack(self) -> bytes:
        return self.snapshot

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        return cls(body)


@dataclass(frozen=True, slots=True)
class DigestRecord:
    """What the source held at the pause: all in one digest, the state's, and one a chunk of memory."""

    total: bytes
    state: bytes
    chunks: bytes  # DIGEST_BYTES for each CHUNK_BYTES of memory, the last chunk may be shorter
    TYPE: ClassVar[Type] = Type.DIGEST
    LIMITS: ClassVar[tuple[int, int]] = (16 + 3 * DIGEST_BYTES, 16 + (2 + CHUNKS) * DIGEST_BYTES)

    def pack(self) -> bytes:
        head = struct.pack("<IIII", 1, CHUNK_BYTES, len(self.chunks) // DIGEST_BYTES, 0)
        return head + self.total + self.state + self.chunks

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        algorithm, chunk_bytes, count, reserved = struct.unpack_from("<IIII", body)
        _reserved(reserved, "DIGEST")
        if (algorithm, chunk_bytes) != (1, CHUNK_BYTES):
            raise StreamCorrupt(f"DIGEST is of algorithm {algorithm} over chunks of {chunk_bytes} octets")
        if len(body) != 16 + (2 + count) * DIGEST_BYTES:
            raise StreamCorrupt(f"DIGEST announces {count} chunks in a body of {len(body)} octets")
        return cls(body[16:32], body[32:48], body[48:])


@dataclass(frozen=True, slots=True)
class End:
    """Everything was sent; the reader's own counts must agree."""

    records: int  # before this one
    pages_normal: int
    pages_zero: int
    octets: int  # before this record
    TYPE: ClassVar[Type] = Type.END
    LIMITS: ClassVar[tuple[int, int]] = (32, 32)

    def pack(self) -> bytes:
        return struct.pack("<IIQQQ", self.records, 0, self.pages_normal, self.pages_zero, self.octets)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        records, reserved, normal, zero, octets = struct.unpack("<IIQQQ", body)
        _reserved(reserved, "END")
        return cls(records, normal, zero, octets)


@dataclass(frozen=True, slots=True)
class PageDigests:
    """The source's digests of the pages of one chunk, after DIFFERS."""

    chunk: int
    digests: bytes
    TYPE: ClassVar[Type] = Type.PAGE_DIGESTS
    LIMITS: ClassVar[tuple[int, int]] = (8 + DIGEST_BYTES, 8 + CHUNK_BYTES // PAGE_BYTES * DIGEST_BYTES)

    def pack(self) -> bytes:
        return struct.pack("<II", self.chunk, len(self.digests) // DIGEST_BYTES) + self.digests

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        chunk, count = struct.unpack_from("<II", body)
        if len(body) != 8 + count * DIGEST_BYTES:
            raise StreamCorrupt(f"PAGE_DIGESTS announces {count} pages in a body of {len(body)} octets")
        return cls(chunk, body[8:])


@dataclass(frozen=True, slots=True)
class _Reason:
    """A kind of failure (see errors.KINDS) and its sentence."""

    error: MigrationError
    LIMITS: ClassVar[tuple[int, int]] = (4, 4 + TEXT_BYTES)

    def pack(self) -> bytes:
        return struct.pack("<H", 1 + KINDS.index(type(self.error))) + _text(self.error.sentence)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        (number,) = struct.unpack_from("<H", body)
        (sentence,) = _texts(body, 2, 1, "a reason")
        if not 1 <= number <= len(KINDS):
            raise StreamCorrupt(f"a reason of the unknown kind {number}: {sentence}")
        return cls(KINDS[number - 1](sentence))


@dataclass(frozen=True, slots=True)
class Abort(_Reason):
    """The source gives up and runs on; the target must free everything."""

    TYPE: ClassVar[Type] = Type.ABORT


@dataclass(frozen=True, slots=True)
class Refuse(_Reason):
    """The target does not take this machine."""

    TYPE: ClassVar[Type] = Type.REFUSE


@dataclass(frozen=True, slots=True)
class Failed(_Reason):
    """The target gave up and frees everything."""

    TYPE: ClassVar[Type] = Type.FAILED


@dataclass(frozen=True, slots=True)
class Accept:
    """The target has reserved what the header asks for."""

    TYPE: ClassVar[Type] = Type.ACCEPT
    LIMITS: ClassVar[tuple[int, int]] = (0, 0)

    def pack(self) -> bytes:
        return b""

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        return cls()


@dataclass(frozen=True, slots=True)
class Taken:
    """All pages of this round are in the target's memory (not said of the last round: RECEIVED says more)."""

    round: int
    TYPE: ClassVar[Type] = Type.TAKEN
    LIMITS: ClassVar[tuple[int, int]] = (4, 4)

    def pack(self) -> bytes:
        return struct.pack("<I", self.round)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        return cls(*struct.unpack("<I", body))


@dataclass(frozen=True, slots=True)
class Received:
    """Memory and state are in; what the target counted."""

    pages_normal: int
    pages_zero: int
    octets: int  # of the source's stream, STATE included
    TYPE: ClassVar[Type] = Type.RECEIVED
    LIMITS: ClassVar[tuple[int, int]] = (24, 24)

    def pack(self) -> bytes:
        return struct.pack("<QQQ", self.pages_normal, self.pages_zero, self.octets)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        return cls(*struct.unpack("<QQQ", body))


@dataclass(frozen=True, slots=True)
class Loaded:
    """CPU and devices hold the snapshot; how long that took the target, for the record only."""

    duration_ns: int
    TYPE: ClassVar[Type] = Type.LOADED
    LIMITS: ClassVar[tuple[int, int]] = (8, 8)

    def pack(self) -> bytes:
        return struct.pack("<Q", self.duration_ns)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        return cls(*struct.unpack("<Q", body))


@dataclass(frozen=True, slots=True)
class Ready:
    """Verified: the target's own digest is the source's. It holds the machine until its authority says run or free."""

    digest: bytes
    duration_ns: int
    TYPE: ClassVar[Type] = Type.READY
    LIMITS: ClassVar[tuple[int, int]] = (24, 24)

    def pack(self) -> bytes:
        return self.digest + struct.pack("<Q", self.duration_ns)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        return cls(body[:DIGEST_BYTES], *struct.unpack("<Q", body[DIGEST_BYTES:]))


@dataclass(frozen=True, slots=True)
class Differs:
    """This chunk of memory is not the source's: send the digests of its pages."""

    chunk: int
    TYPE: ClassVar[Type] = Type.DIFFERS
    LIMITS: ClassVar[tuple[int, int]] = (4, 4)

    def pack(self) -> bytes:
        return struct.pack("<I", self.chunk)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        return cls(*struct.unpack("<I", body))


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first thing that differs, in words; `page` is its number, or NO_PAGE when it is no memory."""

    page: int
    what: str
    NO_PAGE: ClassVar[int] = (1 << 64) - 1
    TYPE: ClassVar[Type] = Type.MISMATCH
    LIMITS: ClassVar[tuple[int, int]] = (10, 10 + TEXT_BYTES)

    def pack(self) -> bytes:
        return struct.pack("<Q", self.page) + _text(self.what)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        (what,) = _texts(body, 8, 1, "MISMATCH")
        (page,) = struct.unpack_from("<Q", body)
        return cls(page, what)


RECORDS: dict[Type, type[Record]] = {
    record.TYPE: record
    for record in (
        *(Header, Pages, Zeros, RoundEnd, State, DigestRecord, End, PageDigests, Abort),
        *(Accept, Refuse, Taken, Received, Loaded, Ready, Differs, Mismatch, Failed),
    )
}
