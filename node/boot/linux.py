"""Starts Linux by its 32-bit boot protocol: a bzImage (protocol 2.10 or later) or a plain ELF vmlinux.

The host unpacks the kernel and enters the ELF image directly at `startup_32`, so neither the BIOS setup code nor the
kernel's own decompressor runs. The kernel lies at the addresses it is linked to, needs no relocation, and finds

    ESI -> zero page (`boot_params`): setup header, e820 map, command line pointer, initrd address and size
    flat GDT with CS = 0x10 and DS = ES = SS = 0x18, paging and interrupts off

What speaks the protocol without being Linux, and so has no ELF inside, is entered at its code's first byte.
Zero page, GDT and command line lie at the top of low memory; the initrd as high as the kernel allows.
Kernel documentation: arch/x86/boot.rst, "32-bit Boot Protocol", and arch/x86/zero-page.rst.
"""

import struct

from node.boot.bios_data import put_bios_data
from node.boot.bzimage import HEADER_START, PlainCode, SetupHeader, bare_header, is_bzimage, read_bzimage
from node.boot.command_line import encode_command_line
from node.boot.elf import MAGIC, Executable, Segment, read_elf32
from node.boot.entry import CODE_SELECTOR, DATA_SELECTOR, FLAT_GDT, BootError, Entry
from node.boot.memory_map import LOW_END, memory_map
from node.boot.placement import Placement
from node.memory.ram import PAGE, GuestMemory

_E820_COUNT = 0x1E8
_E820_TABLE = 0x2D0
_E820_ENTRY = struct.Struct("<QQI")
_TYPE_OF_LOADER = 0x210
_RAMDISK = 0x218  # address, then size
_COMMAND_LINE = 0x228
_UNREGISTERED_LOADER = 0xFF


def load_linux(memory: GuestMemory, kernel: bytes, initrd: bytes | None, command_line: str) -> Entry:
    """Load a Linux kernel; the `Entry` is its `startup_32`."""
    header, executable = _read_kernel(kernel, memory.ram_bytes)
    text = encode_command_line(command_line, limit=header.command_line_bytes)
    put_bios_data(memory)
    placement = Placement(memory)
    executable.place(placement, "the kernel")
    zero_page = bytearray(PAGE)
    zero_page[HEADER_START : HEADER_START + len(header.raw)] = header.raw
    zero_page[_TYPE_OF_LOADER] = _UNREGISTERED_LOADER
    _describe_memory(zero_page, memory.ram_bytes)
    struct.pack_into("<I", zero_page, _COMMAND_LINE, placement.put_high("the command line", text, below=LOW_END))
    if initrd:
        address = placement.put_high("the initrd", initrd, below=header.initrd_max + 1)
        struct.pack_into("<II", zero_page, _RAMDISK, address, len(initrd))
    gdt = placement.put_flat_gdt()
    return Entry(
        mode="flat32",
        eip=executable.entry,
        esi=placement.put_high("the zero page", bytes(zero_page), below=LOW_END),
        cs=CODE_SELECTOR,
        data_selector=DATA_SELECTOR,
        gdt_base=gdt,
        gdt_limit=len(FLAT_GDT) - 1,
    )


def unpack_linux(kernel: bytes, *, largest: int = 1 << 30) -> bytes:
    """The ELF kernel inside a bzImage, which `load_linux` takes too: unpacking once saves each start its time. Without
    one there is nothing to save."""
    if kernel[:4] == MAGIC:
        return kernel
    _, inside = _read_bzimage(kernel, largest)
    return kernel if isinstance(inside, PlainCode) else inside


def _read_kernel(kernel: bytes, ram_bytes: int) -> tuple[SetupHeader, Executable]:
    if kernel[:4] == MAGIC:
        return bare_header(), read_elf32(kernel)
    header, inside = _read_bzimage(kernel, ram_bytes)
    if isinstance(inside, PlainCode):
        segment = Segment(inside.start, inside.start, memoryview(inside.code), inside.memory_size)
        return header, Executable(inside.start, (segment,))
    return header, read_elf32(inside, "the kernel inside the bzImage")


def _read_bzimage(kernel: bytes, largest: int) -> tuple[SetupHeader, bytes | PlainCode]:
    if not is_bzimage(kernel):
        raise BootError("the kernel is neither a bzImage nor an ELF file")
    return read_bzimage(kernel, largest=largest)


def _describe_memory(zero_page: bytearray, ram_bytes: int) -> None:
    regions = memory_map(ram_bytes)
    zero_page[_E820_COUNT] = len(regions)
    for i, region in enumerate(regions):
        _E820_ENTRY.pack_into(zero_page, _E820_TABLE + i * _E820_ENTRY.size, region.start, region.size, region.kind)
