"""Where a loader has put things in guest memory: nothing overlaps, nothing lies outside usable memory.

Kernels name their own addresses (`put`); what the protocol leaves to the loader goes as high (`put_high`) or as low
(`put_low`) as it fits. All writes go through `GuestMemory.write`, so they count as dirty like any other.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from node.boot.entry import FLAT_GDT, BootError
from node.boot.memory_map import LOW_END, usable
from node.memory.ram import PAGE, GuestMemory

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class _Claim:
    start: int
    end: int
    what: str


class Placement:
    """The claims of one loader on one guest's memory."""

    def __init__(self, memory: GuestMemory) -> None:
        self._memory = memory
        self._usable = usable(memory.ram_bytes)
        self._claims: list[_Claim] = []

    def put(self, what: str, start: int, data: bytes | memoryview, *, size: int | None = None) -> None:
        """Write `data` at `start`, followed by zeros up to `size` bytes."""
        size = len(data) if size is None else size
        self._check(what, start, start + size)
        self._claims.append(_Claim(start, start + size, what))
        self._memory.write(start, data)
        self._memory.write(start + len(data), bytes(size - len(data)))

    def put_high(self, what: str, data: bytes, *, below: int, align: int = PAGE) -> int:
        """Write `data` at the highest free address that ends at or below `below`; return the address."""
        tops = [r.end for r in self._usable] + [claim.start for claim in self._claims] + [below]
        starts = (((top - len(data)) // align) * align for top in sorted(tops, reverse=True) if top <= below)
        return self._put_first(what, data, starts)

    def put_low(self, what: str, data: bytes, *, above: int, align: int = PAGE) -> int:
        """Write `data` at the lowest free address at or above `above`; return the address."""
        bottoms = [r.start for r in self._usable] + [claim.end for claim in self._claims] + [above]
        starts = (-(-bottom // align) * align for bottom in sorted(bottoms) if bottom >= above)
        return self._put_first(what, data, starts)

    def put_flat_gdt(self) -> int:
        """Write the flat GDT into low memory; return its address."""
        return self.put_high("the GDT", FLAT_GDT, below=LOW_END, align=16)

    def _put_first(self, what: str, data: bytes, starts: Iterable[int]) -> int:
        for start in starts:
            if self._is_usable(start, start + len(data)) and self._conflict(start, start + len(data)) is None:
                self.put(what, start, data)
                return start
        raise BootError(f"{what} of {len(data)} bytes does not fit beside the kernel in {self._memory_size} of memory")

    def _check(self, what: str, start: int, end: int) -> None:
        if not self._is_usable(start, end):
            raise BootError(
                f"{what} needs addresses {start:#x} to {end:#x}, which are not memory in a guest of {self._memory_size}"
            )
        conflict = self._conflict(start, end)
        if conflict is not None:
            raise BootError(f"{what} at {start:#x} to {end:#x} would overwrite {conflict.what} at {conflict.start:#x}")

    def _is_usable(self, start: int, end: int) -> bool:
        return any(region.start <= start and end <= region.end for region in self._usable)

    def _conflict(self, start: int, end: int) -> _Claim | None:
        return next((claim for claim in self._claims if start < claim.end and claim.start < end), None)

    @property
    def _memory_size(self) -> str:
        return f"{self._memory.ram_bytes / MIB:g} MiB"
