"""Linear memory, the fast path: a flat table of 2^20 entries, one per linear page, no tag to compare.

    entry = where this process has the page - its linear address | which accesses pass without a second look (bits 0-6)

The host puts guest memory at a page's beginning, so both addresses leave the low 12 bits free, and the difference of
the pages is that of every byte on them: a linear address is a host's after one addition. An entry is a signed number;
it is below zero where guest memory lies below the page's linear address. 0 is an empty one, a filled one has a bit set.
A set bit means: translated, permitted, backed by RAM or ROM, and (for writes) already marked dirty and free of
decoded code.
Anything else is the slow path's business (`access.py`): first write after a collection of dirty pages, code pages,
device
memory, faults, accesses that cross a page. Whoever changes a translation or a permission must drop entries:
CR3/CR0/CR4/EFER writes and INVLPG here, `protect_all` at the start of a migration round.
"""

from node.ia32.state import CR4_PGE, Cpu, Machine
from node.jitted import inlined, jitted, peek32, peek64, poke32, poke64, primitive

READ_KERNEL, WRITE_KERNEL, READ_USER, WRITE_USER, FETCH_KERNEL, FETCH_USER, GLOBAL = 1, 2, 4, 8, 16, 32, 64
FLAGS = 0xFFF  # bits of an entry that are none of the difference
PAGE_NUMBER = 0xF_FFFF
FILLED_CAPACITY = 1 << 16


@primitive(
    arguments=("i64",),
    result="i64",
    llvm="%n = trunc i64 %0 to i32\n%t = call i32 @llvm.fshr.i32(i32 %n, i32 %n, i32 12)\n"
    "%w = zext i32 %t to i64\nret i64 %w",
)
def place_of(linear: int) -> int:
    """A linear address turned by 12 bits, its offset above its page's number: one step to answer both how far up the
    page it is and where the page's entry is."""
    return linear >> 12 | (linear & 0xFFF) << 20


@inlined
def is_on_one_page(place: int, size: int) -> bool:
    """Whether `size` bytes from there have one entry."""
    return place <= ((4096 - size) << 20 | PAGE_NUMBER)


@inlined
def entry_at(m: Machine, place: int) -> int:
    return peek64(m.tlb + ((place & PAGE_NUMBER) << 3))


@inlined
def entry_of(m: Machine, linear: int) -> int:
    return peek64(m.tlb + ((linear >> 12) << 3))


@inlined
def host_of(entry: int, linear: int) -> int:
    """Where this process has the byte at `linear`, an address on the entry's page."""
    return (entry & ~FLAGS) + linear


@inlined
def page_of(m: Machine, entry: int, linear: int) -> int:
    """Backing offset of the page that the entry tells of."""
    return (host_of(entry, linear) - m.ram) & ~FLAGS


@inlined
def entry_to(m: Machine, linear: int, page: int) -> int:
    """An entry that permits nothing yet, from the page of `linear` to that at a backing offset."""
    return m.ram + page - (linear & ~FLAGS)


@jitted
def install(m: Machine, linear: int, entry: int) -> None:
    slot = m.tlb + ((linear >> 12) << 3)
    if peek64(slot) == 0:
        if m.tlb_count >= FILLED_CAPACITY:
            flush_all(m)
        poke32(m.tlb_filled + (m.tlb_count << 2), linear >> 12)
        m.tlb_count += 1
    poke64(slot, entry)


@jitted
def flush_all(m: Machine) -> None:
    for i in range(m.tlb_count):
        poke64(m.tlb + (peek32(m.tlb_filled + (i << 2)) << 3), 0)
    m.tlb_count = 0


@jitted
def flush_non_global(c: Cpu, m: Machine) -> None:
    """A CR3 write (SDM 3A 4.10.4.1): global pages stay when CR4.PGE is set."""
    if c.cr4 & CR4_PGE == 0:
        flush_all(m)
        return
    kept = 0
    for i in range(m.tlb_count):
        page = peek32(m.tlb_filled + (i << 2))
        slot = m.tlb + (page << 3)
        if peek64(slot) & GLOBAL:
            poke32(m.tlb_filled + (kept << 2), page)
            kept += 1
        else:
            poke64(slot, 0)
    m.tlb_count = kept


@jitted
def flush_page(m: Machine, linear: int) -> None:
    """INVLPG. The page stays in the list of filled ones, where an empty entry and one listed twice are harmless."""
    poke64(m.tlb + ((linear >> 12) << 3), 0)


@jitted
def protect_all(m: Machine) -> None:
    """Send the next write to every page through the slow path, which marks it dirty."""
    for i in range(m.tlb_count):
        slot = m.tlb + (peek32(m.tlb_filled + (i << 2)) << 3)
        poke64(slot, peek64(slot) & ~(WRITE_KERNEL | WRITE_USER))


@jitted
def protect_backing(m: Machine, backing: int) -> None:
    """The same for one backing page: it has just got decoded code."""
    for i in range(m.tlb_count):
        number = peek32(m.tlb_filled + (i << 2))
        slot = m.tlb + (number << 3)
        if page_of(m, peek64(slot), number << 12) == backing & ~FLAGS:
            poke64(slot, peek64(slot) & ~(WRITE_KERNEL | WRITE_USER))
