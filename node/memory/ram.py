"""Guest-physical memory: one mapping, RAM first and ROM behind it, with a dirty byte and a code byte a page.

    offset 0                     ram_bytes            ram_bytes + rom_bytes
    |  RAM, gpa = offset         |  ROM (its gpa is the address map's business)  |

Everything that the guest's memory holds is in this mapping, so a migration moves pages by *backing page number*
(offset >> 12) and needs no second kind for the BIOS. Invariants:

* every writer marks dirty: the CPU's stores, the page walk's accessed and dirty bits, devices and loaders through
`write`;
* a page with decoded instructions on it has `code[page] != 0`, and whoever writes there must drop them
  (`code_written` tells the CPU; the CPU's own stores do it in their slow path).

Knows nothing of CPUs, time or migration.
"""

import contextlib
import mmap
import os

import numpy as np
import numpy.typing as npt

PAGE = 4096
HERE = np.uint64(0b11 << 62)  # in an entry of Linux's pagemap: the page is in memory, or swapped out

Bytes = npt.NDArray[np.uint8]
PageNumbers = npt.NDArray[np.int64]


class OutsideMemory(ValueError):
    """A guest-physical range that is not memory, or a size that cannot be had."""


class GuestMemory:
    """RAM of `ram_bytes` (a multiple of 4096) followed by `rom`, zero-padded to a page."""

    def __init__(self, ram_bytes: int, rom: bytes = b"") -> None:
        if ram_bytes <= 0 or ram_bytes % PAGE:
            raise OutsideMemory(f"memory size {ram_bytes} is not a positive multiple of {PAGE} bytes")
        self.ram_bytes = ram_bytes
        self.rom_bytes = -(-len(rom) // PAGE) * PAGE
        size = self.ram_bytes + self.rom_bytes
        self._map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with contextlib.suppress(OSError):  # a host that has no large pages does with small ones
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self.view = memoryview(self._map)
        self.bytes: Bytes = np.frombuffer(self._map, dtype=np.uint8)
        self.pages = size // PAGE
        self.dirty: Bytes = np.zeros(self.pages, np.uint8)
        self.code: Bytes = np.zeros(self.pages, np.uint8)
        self.tracking = False
        self.code_written = False
        if rom:
            self.view[self.ram_bytes : self.ram_bytes + len(rom)] = rom

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at a backing offset (for RAM: the guest-physical address)."""
        self._check(offset, length)
        return bytes(self.view[offset : offset + length])

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Store by a device or loader: marks the pages dirty and tells the CPU when decoded code was hit."""
        length = len(data)
        self._check(offset, length)
        if not length:
            return
        self.view[offset : offset + length] = data
        first, last = offset // PAGE, (offset + length - 1) // PAGE
        self.dirty[first : last + 1] = 1
        if self.code[first : last + 1].any():
            self.code_written = True

    def page(self, number: int) -> memoryview:
        """One backing page, writable, without a copy."""
        return self.view[number * PAGE : (number + 1) * PAGE]

    def dirty_pages(self) -> PageNumbers:
        """Backing page numbers written since the last `clear_dirty`, ascending."""
        return np.flatnonzero(self.dirty)

    def clear_dirty(self) -> None:
        self.dirty[:] = 0

    def touched(self, first: int, count: int) -> npt.NDArray[np.bool_]:
        """Which of the backing pages [first, first + count) the host may have given memory to. The others read as
        zeros, and looking at them would cost a page fault each. A host that does not tell (proc(5), pagemap) may have
        given all."""
        first_entry = self.bytes.ctypes.data // PAGE + first
        try:
            with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
                entries = np.frombuffer(os.pread(pagemap.fileno(), 8 * count, 8 * first_entry), np.uint64)
        except OSError:
            entries = np.zeros(0, np.uint64)
        return np.asarray(entries & HERE != 0) if len(entries) == count else np.ones(count, np.bool_)

    def close(self) -> None:
        """Release the mapping; every view handed out must be gone."""
        del self.bytes
        self.view.release()
        with contextlib.suppress(BufferError):  # somebody still holds a view: the mapping goes when the last one does
            self._map.close()

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.ram_bytes + self.rom_bytes:
            end = self.ram_bytes + self.rom_bytes
            raise OutsideMemory(f"range {offset:#x}+{length:#x} lies outside the guest's memory of {end:#x} bytes")
