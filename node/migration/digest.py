"""The digest of a paused machine: all backing memory, CPU and devices.

    chunk   = xxh3-128 of each MiB of memory (the last may be shorter)
    state   = xxh3-128 of the snapshot
    total   = xxh3-128 of (RAM bytes u64 | ROM bytes u64 | state | all chunks)

It is always made over *all* memory, never from what was sent or marked dirty: a page whose write was not tracked is
what it is for. xxh3 is a checksum against our own mistakes and the wire's, not against an enemy who chooses pages.
Hashing 1 MiB at a time leaves the interpreter lock most of the time, so it runs beside the sending.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import xxhash

from node.memory.ram import PAGE, GuestMemory
from node.migration.link import Clock, Workers
from node.migration.wire import CHUNK_BYTES, DIGEST_BYTES

SAMPLES = 8


@dataclass(frozen=True, slots=True)
class Digest:
    """Of one machine at one moment."""

    total: bytes
    state: bytes
    chunks: bytes

    def first_differing_chunk(self, other: "Digest") -> int | None:
        """The lowest chunk in which the two memories differ."""
        for number, (mine, theirs) in enumerate(zip(split(self.chunks), split(other.chunks), strict=True)):
            if mine != theirs:
                return number
        return None


def split(digests: bytes) -> Iterator[bytes]:
    for at in range(0, len(digests), DIGEST_BYTES):
        yield digests[at : at + DIGEST_BYTES]


def chunk_digests(memory: GuestMemory) -> bytes:
    """One digest a MiB, joined. A chunk that was never touched is not read: it is zeros."""
    size = memory.ram_bytes + memory.rom_bytes
    parts = []
    for at in range(0, size, CHUNK_BYTES):
        end = min(at + CHUNK_BYTES, size)
        if memory.touched(at // PAGE, (end - at) // PAGE).any():
            parts.append(xxhash.xxh3_128_digest(memory.view[at:end]))
        else:
            parts.append(_digest_of_zeros(end - at))
    return b"".join(parts)


@cache
def _digest_of_zeros(length: int) -> bytes:
    return xxhash.xxh3_128_digest(bytes(length))


def page_digests(memory: GuestMemory, chunk: int) -> bytes:
    """One digest a page of one chunk, joined."""
    first = chunk * CHUNK_BYTES // PAGE
    last = min(first + CHUNK_BYTES // PAGE, memory.pages)
    return b"".join(xxhash.xxh3_128_digest(memory.page(number)) for number in range(first, last))


async def full_digest_ns(memory: GuestMemory, clock: Clock, workers: Workers) -> int:
    """How long `chunk_digests` takes when nobody disturbs it: the fastest of some chunks, times their number.

    The fastest, because a busy host disturbs upwards only, and one disturbed sample times the size of the memory would
    be nonsense. The memory should have been touched before.
    """
    size = memory.ram_bytes + memory.rom_bytes
    chunks = [memory.view[at : at + CHUNK_BYTES] for at in range(0, min(size, SAMPLES * CHUNK_BYTES), CHUNK_BYTES)]

    def fastest() -> int:
        times = []
        for chunk in chunks:
            begun = clock.now_ns()
            xxhash.xxh3_128_digest(chunk)
            times.append((clock.now_ns() - begun) * size // len(chunk))
        return min(times)

    return await workers.begin(fastest)


def combine(memory: GuestMemory, chunks: bytes, snapshot: bytes) -> Digest:
    """The machine's digest, from its memory's and its snapshot."""
    state = xxhash.xxh3_128_digest(snapshot)
    head = struct.pack("<QQ", memory.ram_bytes, memory.rom_bytes)
    return Digest(xxhash.xxh3_128_digest(head + state + chunks), state, chunks)
