"""The bzImage file of Linux/x86: the setup header, checked, and what is to be loaded.

    | boot sector and setup code, (setup_sects + 1) * 512 bytes | protected-mode code: decompressor, payload, ... |
      0x1f1: setup header ..................................... payload_offset counts from here ^

A kernel's payload is an ELF file, packed. What names no payload is no Linux but speaks its protocol (memory testers and
other small systems do): then the protected-mode code itself is loaded, at the address that its header prefers.
Kernel documentation: arch/x86/boot.rst, "The Linux/x86 Boot Protocol".
"""

import struct
from dataclasses import dataclass

from node.boot.entry import BootError
from node.boot.payload import unpack

HEADER_START = 0x1F1  # in the file, and in the zero page that the kernel is given

_SECTOR = 512
_SMALLEST = 0x264  # up to and including init_size, which protocol 2.10 brought
_OLDEST_PROTOCOL = 0x20A
_DEFAULT_SETUP_SECTORS = 4  # what 0 stands for, for ancient kernels
_LOADED_HIGH = 0x01
_PARAGRAPH = 16  # what the header counts code in, so that its last one may be cut short by the file's end

# What a bare vmlinux has no header to say: the values that 32-bit kernels have carried since protocol 2.10.
_BARE_INITRD_MAX = 0x7FFF_FFFF
_BARE_COMMAND_LINE_BYTES = 2047
_BARE_PROTOCOL = 0x20F


@dataclass(frozen=True, slots=True)
class SetupHeader:
    """`raw` is copied into the zero page at 0x1f1; the limits are what the kernel says of itself."""

    raw: bytes
    initrd_max: int  # the highest address that the last byte of the initrd may have
    command_line_bytes: int


def is_bzimage(file: bytes) -> bool:
    """Does the file carry a Linux/x86 setup header?"""
    return file[0x1FE:0x200] == b"\x55\xaa" and file[0x202:0x206] == b"HdrS"


@dataclass(frozen=True, slots=True)
class PlainCode:
    """Protected-mode code to be run where it is loaded, from its first byte on; `memory_size` is what it asks for."""

    start: int
    code: bytes
    memory_size: int


def read_bzimage(file: bytes, *, largest: int) -> tuple[SetupHeader, bytes | PlainCode]:
    """The setup header, and the unpacked ELF kernel of at most `largest` bytes or the code of what has none."""
    if len(file) < _SMALLEST:
        raise BootError(f"the kernel is truncated: {len(file)} bytes end inside the setup header")
    protocol = _u16(file, 0x206)
    if protocol < _OLDEST_PROTOCOL:
        raise BootError(
            f"the kernel speaks boot protocol {protocol >> 8}.{protocol & 0xFF:02}, and 2.10 is the oldest supported"
        )
    if not file[0x211] & _LOADED_HIGH:
        raise BootError("the kernel is a zImage, which loads below 1 MiB; a bzImage is needed")
    code = ((file[0x1F1] or _DEFAULT_SETUP_SECTORS) + 1) * _SECTOR
    declared = code + _u32(file, 0x1F4) * _PARAGRAPH
    if len(file) <= declared - _PARAGRAPH:
        raise BootError(f"the kernel is truncated: {len(file)} bytes of {declared}")
    header = SetupHeader(file[HEADER_START : 0x202 + file[0x201]], _u32(file, 0x22C), _u32(file, 0x238))
    start, length = code + _u32(file, 0x248), _u32(file, 0x24C)
    if not length:
        return header, _plain_code(file[code:declared], int.from_bytes(file[0x258:0x260], "little"), _u32(file, 0x260))
    if start + length > min(declared, len(file)):
        raise BootError("the kernel has no payload inside the file: its setup header is damaged")
    return header, unpack(file[start : start + length], largest=largest)


def _plain_code(code: bytes, start: int, memory_size: int) -> PlainCode:
    if not code:
        raise BootError("the kernel has neither a payload nor protected-mode code: its setup header is damaged")
    return PlainCode(start, code, max(memory_size, len(code)))


def bare_header() -> SetupHeader:
    """The setup header for a kernel that comes without one, as an ELF vmlinux does."""
    page = bytearray(_SMALLEST)
    struct.pack_into("<HH4sH", page, 0x1FE, 0xAA55, 0x62EB, b"HdrS", _BARE_PROTOCOL)  # the jump tells the length
    page[0x211] = _LOADED_HIGH
    struct.pack_into("<I", page, 0x22C, _BARE_INITRD_MAX)
    struct.pack_into("<I", page, 0x238, _BARE_COMMAND_LINE_BYTES)
    return SetupHeader(bytes(page[HEADER_START:]), _BARE_INITRD_MAX, _BARE_COMMAND_LINE_BYTES)


def _u16(file: bytes, offset: int) -> int:
    return int.from_bytes(file[offset : offset + 2], "little")


def _u32(file: bytes, offset: int) -> int:
    return int.from_bytes(file[offset : offset + 4], "little")
