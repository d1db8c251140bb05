"""The guest's physical memory map, as firmware would report it: the one home of its numbers.

    0        0x9fc00   0xa0000          0xf0000   0x100000           ram_bytes
    | usable | reserved | (video, ROMs) | reserved | usable ......... |

Linux gets it as e820 entries, Multiboot kernels as their memory map; loaders place things in its usable regions only.
The reserved kilobyte below 640 KiB is where a BIOS keeps its extended data area, and kernels look for it there.
"""

from dataclasses import dataclass
from enum import IntEnum

KIB = 1024
LOW_END = 0x9FC00
HOLE_START = 0xA0000
BIOS_START = 0xF0000
HIGH_START = 0x100000


class Kind(IntEnum):
    """Region types with the numbers that e820 and Multiboot share."""

    USABLE = 1
    RESERVED = 2


@dataclass(frozen=True, slots=True)
class Region:
    """Guest-physical addresses `start` up to, not including, `end`."""

    start: int
    end: int
    kind: Kind

    @property
    def size(self) -> int:
        return self.end - self.start


def memory_map(ram_bytes: int) -> tuple[Region, ...]:
    """The map of a guest with `ram_bytes` of memory, ascending."""
    whole = (
        Region(0, LOW_END, Kind.USABLE),
        Region(LOW_END, HOLE_START, Kind.RESERVED),
        Region(BIOS_START, HIGH_START, Kind.RESERVED),
        Region(HIGH_START, max(ram_bytes, HIGH_START), Kind.USABLE),
    )
    clipped = (Region(r.start, min(r.end, ram_bytes), r.kind) if r.kind is Kind.USABLE else r for r in whole)
    return tuple(region for region in clipped if region.size > 0)


def usable(ram_bytes: int) -> tuple[Region, ...]:
    """The regions that a kernel may use as memory."""
    return tuple(region for region in memory_map(ram_bytes) if region.kind is Kind.USABLE)
