"""Builds small kernel files for loader tests: ELF executables and bzImages, right by default, wrong on request."""

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """One PT_LOAD segment; virtual = physical and memory size = file size unless given."""

    physical: int
    data: bytes
    virtual: int | None = None
    memory_size: int | None = None
    file_size: int | None = None


def elf32(
    loads: Sequence[Load], entry: int, *, machine: int = 3, kind: int = 2, bits: int = 1, byte_order: int = 1
) -> bytes:
    """An ELF file; the parameters behind `entry` are the raw numbers of its header."""
    offset = 52 + 32 * len(loads)
    ident = b"\x7fELF" + bytes([bits, byte_order, 1]) + bytes(9)
    order = "<" if byte_order == 1 else ">"
    header = ident + struct.pack(
        order + "HHIIIIIHHHHHH", kind, machine, 1, entry, 52, 0, 0, 52, 32, len(loads), 40, 0, 0
    )
    table, contents = b"", b""
    for load in loads:
        virtual = load.physical if load.virtual is None else load.virtual
        file_size = len(load.data) if load.file_size is None else load.file_size
        memory_size = len(load.data) if load.memory_size is None else load.memory_size
        at = offset + len(contents)
        table += struct.pack("<IIIIIIII", 1, at, virtual, load.physical, file_size, memory_size, 7, 4096)
        contents += load.data
    return header + table + contents


# Kernels are packed with the x86 branch filter in front of LZMA2.
_BCJ: list[dict[str, int]] = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 6}]

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "xz": lambda data: _with_size(data, lzma.compress(data, lzma.FORMAT_XZ, filters=_BCJ)),
    "bzip2": lambda data: _with_size(data, bz2.compress(data)),
    "lzma": lambda data: _with_size(data, lzma.compress(data, lzma.FORMAT_ALONE)),
}


def _with_size(data: bytes, packed: bytes) -> bytes:
    return packed + len(data).to_bytes(4, "little")


def bzimage(
    payload: bytes,
    *,
    protocol: int = 0x20F,
    loadflags: int = 1,
    setup_sectors: int = 4,
    initrd_max: int = 0x7FFF_FFFF,
    command_line_bytes: int = 2047,
    payload_bytes: int | None = None,
    preferred: int = 0x10_0000,
    memory_bytes: int = 0,
) -> bytes:
    """A bzImage around an already packed `payload`, behind 64 bytes of pretended decompressor. `payload_bytes`: what
    its header says instead; `preferred` and `memory_bytes`: where that code wants to lie, and in how much memory."""
    setup = bytearray((setup_sectors + 1) * 512)
    code = bytes(64) + payload
    code += bytes(-len(code) % 16)
    setup[0x1F1] = setup_sectors
    struct.pack_into("<I", setup, 0x1F4, len(code) // 16)
    struct.pack_into("<HH4sH", setup, 0x1FE, 0xAA55, 0x6AEB, b"HdrS", protocol)
    setup[0x211] = loadflags
    struct.pack_into("<I", setup, 0x22C, initrd_max)
    struct.pack_into("<I", setup, 0x238, command_line_bytes)
    struct.pack_into("<II", setup, 0x248, 64, len(payload) if payload_bytes is None else payload_bytes)
    struct.pack_into("<QI", setup, 0x258, preferred, memory_bytes)
    return bytes(setup) + code
