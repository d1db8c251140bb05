"""The one file that a build leaves in the cache: the interpreter's object code, its stencils, and the texts of its
semantics."""

import zlib
from collections.abc import Sequence

LENGTH_BYTES = 8


def pack(code: bytes, stencils: bytes, texts: Sequence[str]) -> bytes:
    parts = (code, zlib.compress(stencils), zlib.compress("\0".join(texts).encode()))
    return b"".join(len(part).to_bytes(LENGTH_BYTES, "little") + part for part in parts)


def object_of(packed: bytes) -> bytes:
    return _part(packed, 0)


def stencils_of(packed: bytes) -> bytes:
    return zlib.decompress(_part(packed, 1))


def texts_of(packed: bytes) -> list[str]:
    return zlib.decompress(_part(packed, 2)).decode().split("\0")


def _part(packed: bytes, number: int) -> bytes:
    at = 0
    for _ in range(number):
        at += LENGTH_BYTES + int.from_bytes(packed[at : at + LENGTH_BYTES], "little")
    length = int.from_bytes(packed[at : at + LENGTH_BYTES], "little")
    return packed[at + LENGTH_BYTES : at + LENGTH_BYTES + length]
