"""Segment and gate descriptors as they lie in memory: where a selector points, and what the eight bytes say.

    high  31..24 base  23 G  22 D/B  21 L  20 AVL  19..16 limit  15 P  14..13 DPL  12 S  11..8 type  7..0 base
    low   31..16 base  15..0 limit
    gate  high 31..16 offset  15 P  14..13 DPL  12 0  11..8 type  4..0 parameters;  low 31..16 selector  15..0 offset

A descriptor is handled as its two dwords; `attr_of` gives the form that segment registers keep (state.py). Every read
is the processor's own (supervisor rights) and may raise a page fault. Error codes are the selector without RPL, |
`ext` (SDM 3A 6.13): bit 0 says that the cause was outside the program, bit 1 that the index is into the IDT.
"""

from node.ia32.access import load_system, store_system
from node.ia32.faults import raise_fault
from node.ia32.state import (
    ATTR_CODE,
    ATTR_DC,
    ATTR_DPL_SHIFT,
    ATTR_RW,
    ATTR_S,
    LDTR,
    M16,
    M32,
    UNUSABLE,
    Cpu,
    Machine,
)
from node.jitted import inlined, jitted

# Types of system descriptors: attr & KIND, S being 0 (SDM 3A table 3-2)
KIND = 0x1F
TSS16, LDT, BUSY_TSS16, CALL_GATE16, TASK_GATE, INTERRUPT_GATE16, TRAP_GATE16 = 1, 2, 3, 4, 5, 6, 7
TSS32, BUSY_TSS32, CALL_GATE32, INTERRUPT_GATE32, TRAP_GATE32 = 9, 11, 12, 14, 15
BUSY = 2
WIDE = 8  # set in the kind of every 32-bit TSS and gate

INDEX = 0xFFFC  # a selector without its RPL
OUTSIDE = -1


@inlined
def is_null(selector: int) -> bool:
    return selector & INDEX == 0


@inlined
def base_of(low: int, high: int) -> int:
    return (low >> 16) | ((high & 0xFF) << 16) | (high & 0xFF00_0000)


@inlined
def limit_of(low: int, high: int) -> int:
    """Last valid offset in bytes."""
    limit = (low & M16) | (high & 0xF_0000)
    return (limit << 12) | 0xFFF if high & 0x80_0000 else limit


@inlined
def attr_of(high: int) -> int:
    return ((high >> 8) & 0xFF) | ((high >> 12) & 0xF00)


@inlined
def dpl_of(attr: int) -> int:
    return (attr >> ATTR_DPL_SHIFT) & 3


@inlined
def is_code(attr: int) -> bool:
    return attr & (ATTR_S | ATTR_CODE) == ATTR_S | ATTR_CODE


@inlined
def is_conforming(attr: int) -> bool:
    return attr & (ATTR_S | ATTR_CODE | ATTR_DC) == ATTR_S | ATTR_CODE | ATTR_DC


@inlined
def is_readable(attr: int) -> bool:
    """Data, or code that may be read."""
    return (
        attr & (ATTR_S | ATTR_CODE) == ATTR_S or attr & (ATTR_S | ATTR_CODE | ATTR_RW) == ATTR_S | ATTR_CODE | ATTR_RW
    )


@inlined
def is_writable(attr: int) -> bool:
    return attr & (ATTR_S | ATTR_CODE | ATTR_RW) == ATTR_S | ATTR_RW


@inlined
def gate_offset(low: int, high: int) -> int:
    """Entry point of a call, interrupt or trap gate: 16 bits wide in the 80286 forms."""
    return (low & M16) | (high & 0xFFFF_0000) if high & (WIDE << 8) else low & M16


@inlined
def gate_selector(low: int) -> int:
    return low >> 16


@inlined
def address_of(c: Cpu, selector: int) -> int:
    """Linear address of the descriptor, or OUTSIDE its table's limit."""
    offset = selector & 0xFFF8
    if selector & 4:
        if c.attr[LDTR] & UNUSABLE or offset + 7 > c.limit[LDTR]:
            return OUTSIDE
        return (c.base[LDTR] + offset) & M32
    if offset + 7 > c.gdt_limit:
        return OUTSIDE
    return (c.gdt_base + offset) & M32


@inlined
def find_descriptor(c: Cpu, m: Machine, selector: int, vector: int, ext: int) -> int:
    """The same for a selector that must be good: null raises vector(ext), out of bounds vector(selector | ext)."""
    if is_null(selector):
        raise_fault(m, vector, ext)
        return OUTSIDE
    at = address_of(c, selector)
    if at == OUTSIDE:
        refuse(m, vector, selector, ext)
    return at


@jitted
def refuse(m: Machine, vector: int, selector: int, ext: int) -> None:
    raise_fault(m, vector, (selector & INDEX) | ext)


@inlined
def low_dword(c: Cpu, m: Machine, at: int) -> int:
    return load_system(c, m, at, 4)


@inlined
def high_dword(c: Cpu, m: Machine, at: int) -> int:
    return load_system(c, m, at + 4, 4)


@inlined
def mark_accessed(c: Cpu, m: Machine, at: int, high: int) -> None:
    """Set the accessed bit of a code or data descriptor that is being loaded (SDM 3A 3.4.5.1)."""
    if high & 0x100 == 0:
        store_system(c, m, at + 5, 1, (high >> 8) & 0xFF | 1)


@jitted
def set_busy(c: Cpu, m: Machine, at: int, busy: int) -> None:
    """Set or clear the busy bit of the TSS descriptor at `at` (SDM 3A 7.2.2)."""
    kind = load_system(c, m, at + 5, 1)
    if m.fault == 0:
        store_system(c, m, at + 5, 1, kind | BUSY if busy else kind & ~BUSY)
