"""Reads what a boot loader needs of a 32-bit ELF executable: the entry point and the PT_LOAD segments.

Every offset and length in the file is foreign input: it is checked against the file before it is used, and what is
wrong is told in one sentence. Segments are placed at their *physical* addresses (`p_paddr`): there is no paging yet.
Layout: System V ABI, Intel386 supplement, chapters 4 and 5.
"""

import struct
from dataclasses import dataclass

from node.boot.entry import BootError
from node.boot.placement import Placement

MAGIC = b"\x7fELF"

_IDENT_BYTES = 16
_CLASS_32 = 1
_LITTLE_ENDIAN = 1
_ET_EXEC = 2
_EM_386 = 3
_PT_LOAD = 1
_HEADER = struct.Struct("<HHIIIIIHHHHHH")  # behind the 16 identification bytes
_PROGRAM_HEADER = struct.Struct("<IIIIIIII")

_MACHINES = {
    2: "SPARC",
    8: "MIPS",
    20: "PowerPC",
    21: "64-bit PowerPC",
    22: "S/390",
    40: "ARM",
    50: "IA-64",
    62: "x86-64",
    183: "AArch64",
    243: "RISC-V",
    258: "LoongArch",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """One PT_LOAD: `data` goes to `physical`, zeros follow up to `memory_size` bytes."""

    physical: int
    virtual: int
    data: memoryview
    memory_size: int

    @property
    def end(self) -> int:
        return self.physical + self.memory_size


@dataclass(frozen=True, slots=True)
class Executable:
    """`entry` is a physical address."""

    entry: int
    segments: tuple[Segment, ...]

    @property
    def end(self) -> int:
        """The first physical address behind all segments."""
        return max(segment.end for segment in self.segments)

    def place(self, placement: Placement, what: str) -> None:
        """Write all segments into guest memory."""
        for segment in self.segments:
            placement.put(what, segment.physical, segment.data, size=segment.memory_size)


def read_elf32(file: bytes, what: str = "the kernel") -> Executable:
    """Parse an i386 ELF executable; `what` names it in the sentence of a `BootError`."""
    if file[:4] != MAGIC:
        raise BootError(f"{what} is not an ELF file")
    entry, table_offset, entry_size, count = _read_header(file, what)
    if count and entry_size < _PROGRAM_HEADER.size:
        raise BootError(f"{what} has program headers of {entry_size} bytes where ELF has {_PROGRAM_HEADER.size}")
    if table_offset + count * entry_size > len(file):
        raise BootError(f"{what} is truncated: its program headers lie behind the end of the file")
    headers = (_PROGRAM_HEADER.unpack_from(file, table_offset + i * entry_size) for i in range(count))
    segments = tuple(_segment(file, header, what) for header in headers if header[0] == _PT_LOAD and header[5])
    if not segments:
        raise BootError(f"{what} has no loadable segment")
    return Executable(_physical_entry(entry, segments, what), segments)


def _read_header(file: bytes, what: str) -> tuple[int, int, int, int]:
    """Entry point, then offset, entry size and count of the program headers."""
    if len(file) < _IDENT_BYTES + _HEADER.size:
        raise BootError(f"{what} is truncated: {len(file)} bytes cannot hold an ELF header")
    kind, machine, _, entry, table_offset, _, _, _, entry_size, count, *_ = _HEADER.unpack_from(file, _IDENT_BYTES)
    if file[4] != _CLASS_32 or file[5] != _LITTLE_ENDIAN or machine != _EM_386:
        raise BootError(f"{what} is an ELF file for {_machine_name(file)}; the guest is a 32-bit x86 (i386)")
    if kind != _ET_EXEC:
        raise BootError(f"{what} is an ELF file but not an executable (type {kind}); link it to fixed addresses")
    return entry, table_offset, entry_size, count


def _machine_name(file: bytes) -> str:
    big_endian = file[5] == 2
    number = int.from_bytes(file[18:20], "big" if big_endian else "little")
    bits = {1: "32-bit", 2: "64-bit"}.get(file[4], "unknown-width")
    return f"{_MACHINES.get(number, f'machine number {number}')} ({bits}{', big-endian' if big_endian else ''})"


def _segment(file: bytes, header: tuple[int, ...], what: str) -> Segment:
    _, offset, virtual, physical, file_size, memory_size, _, _ = header
    if file_size > memory_size:
        raise BootError(f"{what} has a segment at {physical:#x} with more bytes in the file than in memory")
    if offset + file_size > len(file):
        raise BootError(
            f"{what} is truncated: its segment at {physical:#x} ends at byte {offset + file_size} of {len(file)}"
        )
    return Segment(physical, virtual, memoryview(file)[offset : offset + file_size], memory_size)


def _physical_entry(entry: int, segments: tuple[Segment, ...], what: str) -> int:
    """Linux names a physical address, many higher-half kernels a virtual one; both mean the same instruction."""
    if any(segment.physical <= entry < segment.end for segment in segments):
        return entry
    for segment in segments:
        if segment.virtual <= entry < segment.virtual + segment.memory_size:
            return entry - segment.virtual + segment.physical
    raise BootError(f"{what} has its entry point {entry:#x} outside its segments")
