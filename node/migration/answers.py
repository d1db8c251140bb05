"""The records that a target writes, as values: its answers on the back stream (STREAM.md §4).

`unpack` trusts nothing, as in records.py.
"""

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

from node.migration.wire import DIGEST_BYTES, TEXT_BYTES, Reason, Type, text, texts_in


@dataclass(frozen=True, slots=True)
class Refuse(Reason):
    """The target does not take this machine."""

    TYPE: ClassVar[Type] = Type.REFUSE


@dataclass(frozen=True, slots=True)
class Failed(Reason):
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
        return struct.pack("<Q", self.page) + text(self.what)

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        (what,) = texts_in(body, 8, 1, "MISMATCH")
        (page,) = struct.unpack_from("<Q", body)
        return cls(page, what)
