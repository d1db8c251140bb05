"""The one file that a build leaves in the cache: the interpreter's object code, and the texts of its semantics."""

import zlib
from collections.abc import Sequence

LENGTH_BYTES = 8


def pack(code: bytes, texts: Sequence[str]) -> bytes:
    return len(code).to_bytes(LENGTH_BYTES, "little") + code + zlib.compress("\0".join(texts).encode())


def object_of(packed: bytes) -> bytes:
    length = int.from_bytes(packed[:LENGTH_BYTES], "little")
    return packed[LENGTH_BYTES : LENGTH_BYTES + length]


def texts_of(packed: bytes) -> list[str]:
    length = int.from_bytes(packed[:LENGTH_BYTES], "little")
    return zlib.decompress(packed[LENGTH_BYTES + length :]).decode().split("\0")
