"""What a loader hands to the machine: the CPU's state at the first instruction, or a sentence why there is none.

A loader is a pure function over guest memory: it checks the file, writes what the boot protocol asks for into
`GuestMemory`, and returns an `Entry`. Everything that an `Entry` does not name is the CPU's reset state, so EBP, EDI
and the flags are zero and interrupts are off, as Linux and Multiboot both demand.
"""

from dataclasses import dataclass
from typing import Literal


class BootError(ValueError):
    """A kernel, initrd, command line or ROM that cannot be booted; the text is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Entry:
    """CPU state at the first instruction.

    `flat32`: protected mode without paging, flat 4 GiB segments, A20 open. `reset`: as after RESET, F000:FFF0 with
    CS base FFFF0000; no other field has a meaning then.
    """

    mode: Literal["flat32", "reset"]
    eip: int = 0
    esp: int = 0
    eax: int = 0
    ebx: int = 0
    esi: int = 0
    cs: int = 0x10
    data_selector: int = 0x18
    gdt_base: int = 0
    gdt_limit: int = 0


CODE_SELECTOR = 0x10
DATA_SELECTOR = 0x18

_FLAT_CODE = 0x00CF_9B00_0000_FFFF  # base 0, limit 4 GiB, 32-bit, ring 0, execute/read, accessed
_FLAT_DATA = 0x00CF_9300_0000_FFFF  # the same, read/write

# The GDT behind the selectors above, for the loader to put into guest memory.
FLAT_GDT = b"".join(descriptor.to_bytes(8, "little") for descriptor in (0, 0, _FLAT_CODE, _FLAT_DATA))
