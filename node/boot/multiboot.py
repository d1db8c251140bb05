"""Multiboot 1 (specification 0.6.96): loads ELF and address-field ("a.out kludge") kernels, tells them what they got.

The kernel is recognised by a header in its first 8 KiB: magic, flags, and a checksum that makes the three sum to
zero. It starts in flat 32-bit protected mode with EAX = 0x2BADB002 and EBX -> information structure:

    mem_lower/upper · command line · modules · memory map · boot loader name

Modules go page-aligned behind the kernel, in the order given; everything else to the top of low memory. In front of the
command line stands the kernel's file name, as GRUB Legacy and QEMU put it there and kernels expect it (the
specification leaves that open); what the user wrote follows unchanged. Modules' command lines have no such word.
There is no screen, so a kernel that asks for a video mode gets none and finds the flag for it clear.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from node.boot.bios_data import put_bios_data
from node.boot.command_line import encode_command_line
from node.boot.elf import Executable, Segment, read_elf32
from node.boot.entry import CODE_SELECTOR, DATA_SELECTOR, FLAT_GDT, BootError, Entry
from node.boot.memory_map import HIGH_START, KIB, LOW_END, memory_map, usable
from node.boot.placement import Placement
from node.memory.ram import GuestMemory

HEADER_MAGIC = 0x1BADB002
BOOT_MAGIC = 0x2BADB002
LOADER_NAME = b"Limosa\0"
UNNAMED = "kernel.elf"
"""The file name of a kernel that is known by its content only."""

_SEARCHED_BYTES = 8192
_ALIGN_MODULES, _WANTS_MEMORY, _WANTS_VIDEO, _HAS_ADDRESSES = 1 << 0, 1 << 1, 1 << 2, 1 << 16
_REQUIRED_BITS = 0xFFFF  # a loader must refuse a kernel that requires what it does not know
_KNOWN_BITS = _ALIGN_MODULES | _WANTS_MEMORY | _WANTS_VIDEO
_HEADER = struct.Struct("<III")
_ADDRESSES = struct.Struct("<IIIII")  # behind the header: header, load, load end, bss end, entry

_INFO_MEMORY, _INFO_COMMAND_LINE, _INFO_MODULES, _INFO_MAP, _INFO_LOADER = 1 << 0, 1 << 2, 1 << 3, 1 << 6, 1 << 9
_INFO_BYTES = 120
_MAP_ENTRY = struct.Struct("<IQQI")  # size of the rest, base, length, type
_MODULE = struct.Struct("<IIII")  # start, end, string, reserved
_LONGEST_STRING = 64 * KIB


def load_multiboot(
    memory: GuestMemory,
    kernel: bytes,
    command_line: str,
    modules: Sequence[tuple[bytes, str]] = (),
    *,
    file_name: str = UNNAMED,
) -> Entry:
    """Load a Multiboot kernel with `modules` (content, command line of the module)."""
    executable = _read_kernel(kernel)
    put_bios_data(memory)
    placement = Placement(memory)
    executable.place(placement, "the kernel")
    gdt = placement.put_flat_gdt()
    whole_line = f"{file_name} {command_line}" if command_line else file_name
    info = _put_information(placement, memory.ram_bytes, executable.end, whole_line, modules)
    return Entry(
        mode="flat32",
        eip=executable.entry,
        eax=BOOT_MAGIC,
        ebx=info,
        cs=CODE_SELECTOR,
        data_selector=DATA_SELECTOR,
        gdt_base=gdt,
        gdt_limit=len(FLAT_GDT) - 1,
    )


def is_multiboot(kernel: bytes) -> bool:
    """Does the file carry a Multiboot 1 header?"""
    return _find_header(kernel) is not None


@dataclass(frozen=True, slots=True)
class _Header:
    offset: int
    flags: int


def _find_header(kernel: bytes) -> _Header | None:
    for offset in range(0, min(len(kernel), _SEARCHED_BYTES) - _HEADER.size + 1, 4):
        magic, flags, checksum = _HEADER.unpack_from(kernel, offset)
        if magic == HEADER_MAGIC and (magic + flags + checksum) & 0xFFFF_FFFF == 0:
            return _Header(offset, flags)
    return None


def _read_kernel(kernel: bytes) -> Executable:
    header = _find_header(kernel)
    if header is None:
        raise BootError("the kernel is not a Multiboot kernel: its first 8 KiB hold no Multiboot 1 header")
    unknown = header.flags & _REQUIRED_BITS & ~_KNOWN_BITS
    if unknown:
        raise BootError(f"the kernel requires Multiboot features that are not known here (flags {unknown:#x})")
    return _read_by_addresses(kernel, header.offset) if header.flags & _HAS_ADDRESSES else read_elf32(kernel)


def _read_by_addresses(kernel: bytes, offset: int) -> Executable:
    """A file of any format whose header says which of its bytes go where (specification 3.1.3)."""
    if offset + _HEADER.size + _ADDRESSES.size > len(kernel):
        raise BootError("the kernel is truncated inside its Multiboot header")
    header, load, load_end, bss_end, entry = _ADDRESSES.unpack_from(kernel, offset + _HEADER.size)
    start = offset - (header - load)
    if header < load or start < 0:
        raise BootError(
            f"the kernel's Multiboot header at {header:#x} lies outside what it says to load from {load:#x}"
        )
    length = load_end - load if load_end else len(kernel) - start
    if length <= 0 or start + length > len(kernel):
        raise BootError(f"the kernel is truncated: its Multiboot header asks for {length} bytes from byte {start} on")
    size = max(bss_end - load, length) if bss_end else length
    if not load <= entry < load + size:
        raise BootError(f"the kernel has its entry point {entry:#x} outside what it loads")
    return Executable(entry, (Segment(load, load, memoryview(kernel)[start : start + length], size),))


def _put_information(
    placement: Placement, ram_bytes: int, kernel_end: int, command_line: str, modules: Sequence[tuple[bytes, str]]
) -> int:
    def put(what: str, data: bytes) -> int:
        return placement.put_high(what, data, below=LOW_END, align=4)

    def put_text(what: str, text: str) -> int:
        return put(what, encode_command_line(text, limit=_LONGEST_STRING, what=what))

    above = max(kernel_end, HIGH_START)
    module_entries = b""
    for number, (content, text) in enumerate(modules):
        above = start = placement.put_low(f"module {number}", content, above=above)
        string = put_text(f"the command line of module {number}", text)
        module_entries += _MODULE.pack(start, start + len(content), string, 0)
    map_entries = _memory_map_entries(ram_bytes)
    high = next((region.end for region in usable(ram_bytes) if region.start == HIGH_START), HIGH_START)
    info = bytearray(_INFO_BYTES)
    flags = _INFO_MEMORY | _INFO_COMMAND_LINE | _INFO_MODULES | _INFO_MAP | _INFO_LOADER
    struct.pack_into("<III", info, 0, flags, min(LOW_END, ram_bytes) // KIB, (high - HIGH_START) // KIB)
    struct.pack_into("<I", info, 16, put_text("the kernel command line", command_line))
    struct.pack_into("<II", info, 20, len(modules), put("the module list", module_entries))
    struct.pack_into("<II", info, 44, len(map_entries), put("the memory map", map_entries))
    struct.pack_into("<I", info, 64, put("the loader's name", LOADER_NAME))
    return put("the Multiboot information", bytes(info))


def _memory_map_entries(ram_bytes: int) -> bytes:
    return b"".join(
        _MAP_ENTRY.pack(_MAP_ENTRY.size - 4, region.start, region.size, region.kind) for region in memory_map(ram_bytes)
    )
