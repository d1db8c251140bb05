"""Unpacks the compressed kernel inside a bzImage on the host: the guest would need billions of instructions for it.

Every payload ends with the unpacked size, four bytes, little-endian (gzip's own trailer, or appended by the kernel's
build for the other formats), so no file can unpack to more than it announces. Kernel: arch/x86/boot/compressed.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

from node.boot.entry import BootError

_SIZE_BYTES = 4
_LZMA_MEMORY_LIMIT = 256 << 20


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


_FORMATS: tuple[tuple[bytes, str, Callable[[], _Decompressor] | None], ...] = (
    (b"\x1f\x8b", "gzip", lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)),
    (b"\xfd7zXZ\0", "xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY_LIMIT)),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\x5d\0\0", "lzma", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY_LIMIT)),
    (b"\x28\xb5\x2f\xfd", "zstd", None),
    (b"\x02\x21\x4c\x18", "lz4", None),
    (b"\x89LZO\0", "lzo", None),
)


def unpack(payload: bytes, *, largest: int) -> bytes:
    """The kernel inside `payload`, if it unpacks to at most `largest` bytes."""
    name, make = _format_of(payload)
    if make is None:
        raise BootError(
            f"the kernel is compressed with {name}, which is not supported: use one compressed with xz, gzip, bzip2 "
            "or lzma, or the uncompressed vmlinux"
        )
    announced = int.from_bytes(payload[-_SIZE_BYTES:], "little")
    if announced > largest:
        raise BootError(f"the kernel unpacks to {announced} bytes, more than the {largest} bytes of the guest's memory")
    decompressor = make()
    try:
        unpacked = decompressor.decompress(payload, announced + 1)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise BootError(f"the kernel's {name} payload is damaged: {error}") from error
    if len(unpacked) != announced:
        raise BootError(
            f"the kernel's {name} payload is damaged: it announces {announced} bytes and unpacks to "
            f"{'more' if len(unpacked) > announced else len(unpacked)}"
        )
    return unpacked


def _format_of(payload: bytes) -> tuple[str, Callable[[], _Decompressor] | None]:
    for magic, name, make in _FORMATS:
        if payload.startswith(magic):
            return name, make
    raise BootError(f"the kernel's payload is in no known compression (it begins with {payload[:4].hex(' ')})")
