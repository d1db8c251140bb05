"""The records that a source writes, as values: what each holds and how its body lies in octets (STREAM.md §4).

`unpack` trusts nothing: every count is compared with the body's length before anything is taken from it, reserved
fields must be zero, and a violation is a StreamCorrupt with a sentence. Lengths themselves were bounded by `LIMITS`
before the body was read (stream.py).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from node.migration.errors import StreamCorrupt
from node.migration.wire import (
    BATCH_PAGES,
    CHUNK_BYTES,
    CHUNKS,
    DIGEST_BYTES,
    PAGE_BYTES,
    STATE_BYTES,
    TEXT_BYTES,
    ZERO_RUNS,
    Reason,
    Type,
    must_be_zero,
    text,
    texts_in,
)


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
        return fixed + text(self.migration_id) + text(self.algorithm)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        page_bytes, reserved, pages, ram_bytes, rom_bytes = struct.unpack_from("<IIQQQ", body)
        must_be_zero(reserved, "HEADER")
        if page_bytes != PAGE_BYTES:
            raise StreamCorrupt(f"HEADER speaks of pages of {page_bytes} octets; this stream version has {PAGE_BYTES}")
        if ram_bytes % page_bytes or rom_bytes % page_bytes or pages * page_bytes != ram_bytes + rom_bytes:
            raise StreamCorrupt(f"HEADER's {pages} pages are not its {ram_bytes} + {rom_bytes} octets of memory")
        migration_id, algorithm = texts_in(body, 32, 2, "HEADER")
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
        must_be_zero(flags & ~1, "ROUND_END")
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
        must_be_zero(reserved, "DIGEST")
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
        must_be_zero(reserved, "END")
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
class Abort(Reason):
    """The source gives up and runs on; the target must free everything."""

    TYPE: ClassVar[Type] = Type.ABORT
