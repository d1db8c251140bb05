"""What all records have in common: limits, types, and the pieces that bodies are made of.

STREAM.md is normative; this file, records.py (the source's) and answers.py (the target's) are the first writer's and
reader's half of the truth; verify.py is the other and shares nothing with it. All integers are little-endian.
"""

import struct
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


def text(said: str) -> bytes:
    """A length and that many octets; what is too long loses its end."""
    data = said.encode(errors="replace")
    while len(data) > TEXT_BYTES:  # cut at a character, not inside one
        data = data[:TEXT_BYTES].decode(errors="ignore").encode()
    return struct.pack("<H", len(data)) + data


def texts_in(body: bytes, at: int, count: int, what: str) -> list[str]:
    """`count` texts that fill the body from `at` to its very end."""
    found = []
    for _ in range(count):
        if at + 2 > len(body):
            raise StreamCorrupt(f"{what} ends inside a text")
        (length,) = struct.unpack_from("<H", body, at)
        data = body[at + 2 : at + 2 + length]
        if length > TEXT_BYTES or len(data) != length:
            raise StreamCorrupt(f"{what} holds a text of {length} octets that does not fit")
        try:
            found.append(data.decode())
        except UnicodeDecodeError:
            raise StreamCorrupt(f"{what} holds a text that is not UTF-8") from None
        at += 2 + length
    if at != len(body):
        raise StreamCorrupt(f"{what} is {len(body) - at} octets too long")
    return found


def must_be_zero(value: int, what: str) -> None:
    if value:
        raise StreamCorrupt(f"{what} has a reserved field of {value:#x} that must be zero")


@dataclass(frozen=True, slots=True)
class Reason:
    """A kind of failure (see errors.KINDS) and its sentence."""

    error: MigrationError
    LIMITS: ClassVar[tuple[int, int]] = (4, 4 + TEXT_BYTES)

    def pack(self) -> bytes:
        return struct.pack("<H", 1 + KINDS.index(type(self.error))) + text(self.error.sentence)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        (number,) = struct.unpack_from("<H", body)
        (sentence,) = texts_in(body, 2, 1, "a reason")
        if not 1 <= number <= len(KINDS):
            raise StreamCorrupt(f"a reason of the unknown kind {number}: {sentence}")
        return cls(KINDS[number - 1](sentence))
