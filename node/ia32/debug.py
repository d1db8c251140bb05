"""What watches accesses and instructions: breakpoints in DR0-DR3, and alignment checks (SDM 3B 17.2, 17.3; 3A 6.15).

DR7 enables breakpoint i by bits 2i and 2i + 1, and says in bits 16 + 4i and up what it is about and how long it is.
Data and I/O breakpoints are traps: the hits of an instruction gather in `c.debug_hits`, and #DB follows when it is
complete. Instruction breakpoints are faults before it, unless RF is set.

Nobody pays for this while nothing is watched: `segments.refresh_level` takes the TLB's fast path away from a processor
that watches data (m.need_read and m.need_write are 0), and makes one that watches code stop at every instruction.
"""

from node.ia32.faults import NO_ERROR, leave_after, raise_fault
from node.ia32.state import AC, AC_, CR0_AM, CR4_DE, CS, DB, M32, RF, Cpu, Machine
from node.jitted import inlined, jitted

EXECUTED, WRITTEN, PORT, ACCESSED = range(4)
DR6_HITS = 0xF  # B0-B3
DR6_BS = 0x4000
ALL_ENABLED = 0xFF


@inlined
def is_enabled(c: Cpu, i: int) -> int:
    return (c.dr[7] >> (2 * i)) & 3


@inlined
def kind_of(c: Cpu, i: int) -> int:
    return (c.dr[7] >> (16 + 4 * i)) & 3


@inlined
def touches(c: Cpu, i: int, start: int, size: int) -> bool:
    """Breakpoints lie at multiples of their length: 1, 2 or 4 bytes."""
    length = ((c.dr[7] >> (18 + 4 * i)) & 3) + 1
    first = c.dr[i] & ~(length - 1)
    return start < first + length and first < start + size


@jitted
def watches_code(c: Cpu) -> int:
    if c.dr[7] & ALL_ENABLED == 0:
        return 0
    for i in range(4):
        if is_enabled(c, i) and kind_of(c, i) == EXECUTED:
            return 1
    return 0


@jitted
def watches_data(c: Cpu) -> int:
    if alignment_matters(c):
        return 1
    if c.dr[7] & ALL_ENABLED == 0:
        return 0
    for i in range(4):
        if is_enabled(c, i) and kind_of(c, i) & WRITTEN:
            return 1
    return 0


@inlined
def alignment_matters(c: Cpu) -> bool:
    """Level 3 with CR0.AM and EFLAGS.AC."""
    return c.cpl == 3 and c.flags & AC != 0 and c.cr0 & CR0_AM != 0


@jitted
def check_alignment(c: Cpu, m: Machine, linear: int, size: int) -> None:
    """#AC for a program's own access, before any page fault, if it must be aligned and is not."""
    if linear & (size - 1) and alignment_matters(c):
        raise_fault(m, AC_, 0)


@jitted
def observe(c: Cpu, m: Machine, linear: int, size: int, write: int) -> None:
    """Look for breakpoints on an access that is allowed, before it is made."""
    for i in range(4):
        kind = kind_of(c, i)
        if is_enabled(c, i) and (kind == ACCESSED or (write and kind == WRITTEN)) and touches(c, i, linear, size):
            c.debug_hits |= 1 << i
            leave_after(m)


@jitted
def observe_port(c: Cpu, m: Machine, port: int, size: int) -> None:
    """An IN or OUT that has been made; only CR4.DE gives breakpoints on ports a meaning."""
    for i in range(4):
        if c.cr4 & CR4_DE and is_enabled(c, i) and kind_of(c, i) == PORT and touches(c, i, port, size):
            c.debug_hits |= 1 << i
            leave_after(m)


@jitted
def tell(c: Cpu, conditions: int) -> None:
    """Why #DB is raised, into DR6: B0-B3 are this exception's, the others stay until software clears them."""
    c.dr[6] = c.dr[6] & ~DR6_HITS | conditions


@jitted
def stop_before_instruction(c: Cpu, m: Machine) -> int:
    """1, with #DB raised, if there is a breakpoint at CS:EIP and RF does not say to pass it."""
    hits = 0
    for i in range(4):
        if is_enabled(c, i) and kind_of(c, i) == EXECUTED and c.dr[i] == (c.base[CS] + c.eip) & M32:
            hits |= 1 << i
    if hits == 0 or c.flags & RF:
        return 0
    tell(c, hits)
    raise_fault(m, DB, NO_ERROR)
    return 1


@jitted
def raise_trap(c: Cpu, m: Machine, stepping: int) -> None:
    """#DB behind an instruction that hit data breakpoints, or began with TF set."""
    tell(c, c.debug_hits | (DR6_BS if stepping else 0))
    c.debug_hits = 0
    raise_fault(m, DB, NO_ERROR)
