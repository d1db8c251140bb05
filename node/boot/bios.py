"""A raw BIOS ROM image: is it one, and where the machine maps it.

The ROM ends at 4 GiB, so that the reset vector FFFFFFF0 is 16 bytes before its end, and its last 128 KiB appear
again below 1 MiB, where real-mode code reaches them:

    0xe0000 .. 0xfffff        last 128 KiB (less for a smaller ROM, which then ends at 0xfffff)
    4 GiB - size .. 4 GiB     the whole ROM
"""

from dataclasses import dataclass

from node.boot.entry import BootError, Entry
from node.memory.ram import PAGE

LARGEST_ROM = 16 << 20  # above it lie the local APIC and I/O APIC
LOW_WINDOW = 128 << 10
_FOUR_GIB = 1 << 32
_ONE_MIB = 1 << 20
_RESET_VECTOR_BYTES = 16


@dataclass(frozen=True, slots=True)
class RomWindow:
    """`length` bytes of the ROM from `rom_offset` on appear at guest-physical address `gpa`."""

    gpa: int
    rom_offset: int
    length: int


def load_bios(rom: bytes) -> Entry:
    """Check a ROM image and start it at the reset vector."""
    if not rom or len(rom) % PAGE:
        raise BootError(f"a BIOS ROM is a multiple of {PAGE} bytes long, not {len(rom)}")
    if len(rom) > LARGEST_ROM:
        raise BootError(f"a BIOS ROM is at most {LARGEST_ROM >> 20} MiB long, not {len(rom)} bytes")
    vector = rom[-_RESET_VECTOR_BYTES:]
    if vector in (bytes(_RESET_VECTOR_BYTES), b"\xff" * _RESET_VECTOR_BYTES):
        raise BootError("the BIOS ROM has no reset vector: its last 16 bytes are blank")
    return Entry(mode="reset")


def rom_windows(rom_bytes: int) -> tuple[RomWindow, ...]:
    """Where a ROM of `rom_bytes` appears in the guest's physical address space."""
    low = min(rom_bytes, LOW_WINDOW)
    return (
        RomWindow(_ONE_MIB - low, rom_bytes - low, low),
        RomWindow(_FOUR_GIB - rom_bytes, 0, rom_bytes),
    )
