"""Segment registers: loading them with all their checks, and what the machine record derives from them.

The visible selector and the hidden base, limit and attributes are `c.selector/base/limit/attr`. Derived, and
recomputed here by whoever changes them: `m.seg_ok` (which accesses need no check at all), `m.stack_mask` (SS.B), and
the TLB bits that grant an access at the present CPL. Selectors loaded in real and virtual-8086 mode are a base and
nothing else (SDM 3A 20.1.1, 20.2.1): in real mode the limit stays as it was, which programs use to reach all of
memory; in virtual-8086 mode it is 64 KiB.
"""

from node.ia32.debug import watches_code, watches_data
from node.ia32.descriptors import (
    OUTSIDE,
    attr_of,
    base_of,
    dpl_of,
    find_descriptor,
    high_dword,
    is_conforming,
    is_null,
    is_readable,
    is_writable,
    limit_of,
    low_dword,
    mark_accessed,
    refuse,
)
from node.ia32.faults import raise_fault
from node.ia32.operands import in_v86
from node.ia32.state import (
    ATTR_ACCESSED,
    ATTR_CODE,
    ATTR_D,
    ATTR_DC,
    ATTR_DPL_SHIFT,
    ATTR_G,
    ATTR_P,
    ATTR_RW,
    ATTR_S,
    CR0_PE,
    CS,
    DS,
    ES,
    FS,
    GP,
    GS,
    M16,
    M32,
    MODE_CODE,
    MODE_FLAT,
    MODE_USER,
    MODE_WATCHED,
    NP,
    SS,
    SS_,
    UNUSABLE,
    Cpu,
    Machine,
)
from node.ia32.tlb import FETCH_KERNEL, FETCH_USER, READ_KERNEL, READ_USER, WRITE_KERNEL, WRITE_USER
from node.jitted import inlined, jitted

DATA_SEGMENTS = 6  # ES CS SS DS FS GS: those that accesses go through
REAL_ATTR = ATTR_P | ATTR_S | ATTR_RW | ATTR_ACCESSED
V86_ATTR = REAL_ATTR | 3 << ATTR_DPL_SHIFT
DPL = 3 << ATTR_DPL_SHIFT  # the part of the attributes from which nothing is derived


@jitted
def load_segment(c: Cpu, m: Machine, seg: int, selector: int) -> None:
    """MOV, POP, LDS… to ES, SS, DS, FS or GS in whatever mode the processor is in."""
    if in_v86(c):
        install_v86(c, m, seg, selector)
    elif c.cr0 & CR0_PE == 0:
        install_real(c, m, seg, selector)
    elif seg == SS:
        load_stack_segment(c, m, selector, GP, 0)
    else:
        load_data_segment(c, m, seg, selector, GP, 0)


@jitted
def load_data_segment(c: Cpu, m: Machine, seg: int, selector: int, vector: int, ext: int) -> None:
    """ES, DS, FS, GS in protected mode; `vector` is #GP, or #TS during a task switch."""
    if is_null(selector):
        install_null(c, m, seg, selector)
        return
    at = find_descriptor(c, m, selector, vector, ext)
    if at == OUTSIDE:
        return
    low, high = low_dword(c, m, at), high_dword(c, m, at)
    if m.fault:
        return
    attr = attr_of(high)
    if not is_readable(attr) or (not is_conforming(attr) and dpl_of(attr) < max(c.cpl, selector & 3)):
        refuse(m, vector, selector, ext)
    elif attr & ATTR_P == 0:
        refuse(m, NP, selector, ext)
    else:
        install_marked(c, m, seg, selector, at, low, high)


@jitted
def load_stack_segment(c: Cpu, m: Machine, selector: int, vector: int, ext: int) -> None:
    """SS in protected mode at the present CPL."""
    at = check_stack_segment(c, m, selector, c.cpl, vector, ext)
    if m.fault == 0:
        install_marked(c, m, SS, selector, at, low_dword(c, m, at), high_dword(c, m, at))


@jitted
def check_stack_segment(c: Cpu, m: Machine, selector: int, level: int, vector: int, ext: int) -> int:
    """Address of a descriptor that may become SS at privilege `level`: writable data with DPL = RPL = level."""
    at = find_descriptor(c, m, selector, vector, ext)
    if at == OUTSIDE:
        return OUTSIDE
    attr = attr_of(high_dword(c, m, at))
    if m.fault:
        return OUTSIDE
    if not is_writable(attr) or selector & 3 != level or dpl_of(attr) != level:
        refuse(m, vector, selector, ext)
    elif attr & ATTR_P == 0:
        refuse(m, SS_, selector, ext)
    return at


@inlined
def install_marked(c: Cpu, m: Machine, seg: int, selector: int, at: int, low: int, high: int) -> None:
    """Set the descriptor's accessed bit, then load it; a fault leaves the register as it was."""
    if m.fault == 0:
        mark_accessed(c, m, at, high)
    if m.fault == 0:
        install(c, m, seg, selector, low, high)


@jitted
def install(c: Cpu, m: Machine, seg: int, selector: int, low: int, high: int) -> None:
    """Fill a segment register from a descriptor that has passed its checks."""
    base, limit, attr = base_of(low, high), limit_of(low, high), attr_of(high)
    if attr & ATTR_S:
        attr |= ATTR_ACCESSED
    same = base == c.base[seg] and limit == c.limit[seg] and (attr ^ c.attr[seg]) & ~DPL == 0
    c.selector[seg] = selector & M16
    c.base[seg] = base
    c.limit[seg] = limit
    c.attr[seg] = attr
    if not same:  # as between the flat segments of two privilege levels
        refresh_segment(c, m, seg)


@jitted
def install_null(c: Cpu, m: Machine, seg: int, selector: int) -> None:
    c.selector[seg] = selector & M16
    c.base[seg] = 0
    c.limit[seg] = 0
    c.attr[seg] = UNUSABLE
    refresh_segment(c, m, seg)


@jitted
def install_real(c: Cpu, m: Machine, seg: int, selector: int) -> None:
    c.selector[seg] = selector & M16
    c.base[seg] = (selector & M16) << 4
    c.attr[seg] = c.attr[seg] & (ATTR_D | ATTR_G) | REAL_ATTR
    refresh_segment(c, m, seg)


@jitted
def install_v86(c: Cpu, m: Machine, seg: int, selector: int) -> None:
    c.selector[seg] = selector & M16
    c.base[seg] = (selector & M16) << 4
    c.limit[seg] = M16
    c.attr[seg] = V86_ATTR
    refresh_segment(c, m, seg)


@jitted
def install_flat(c: Cpu, m: Machine, seg: int, selector: int, attr: int) -> None:
    """A 4 GiB segment from 0 that no descriptor describes (SYSENTER, loaders)."""
    c.selector[seg] = selector & M16
    c.base[seg] = 0
    c.limit[seg] = M32
    c.attr[seg] = attr
    refresh_segment(c, m, seg)


@jitted
def drop_inner_segments(c: Cpu, m: Machine) -> None:
    """After a return to an outer level: data segments that the new CPL may not use become null (SDM 3A 5.8.6)."""
    for i in range(4):
        seg = ES if i == 0 else DS if i == 1 else FS if i == 2 else GS
        attr = c.attr[seg]
        if attr & UNUSABLE == 0 and not is_conforming(attr) and dpl_of(attr) < c.cpl:
            install_null(c, m, seg, 0)


@inlined
def passes(c: Cpu, seg: int) -> int:
    """m.seg_ok of one segment: 1 if every read passes its checks, | 2 if every write does."""
    attr = c.attr[seg]
    if attr & (UNUSABLE | ATTR_P) != ATTR_P or c.limit[seg] != M32:
        return 0
    if attr & ATTR_CODE:
        return 1 if attr & ATTR_RW else 0
    if attr & ATTR_DC:
        return 0
    return 3 if attr & ATTR_RW else 1


@jitted
def refresh_segment(c: Cpu, m: Machine, seg: int) -> None:
    if seg < DATA_SEGMENTS:
        m.seg_ok[seg] = passes(c, seg)
    if seg == SS:
        m.stack_mask = M32 if c.attr[SS] & ATTR_D else M16
    refresh_mode(c, m)


@jitted
def refresh_mode(c: Cpu, m: Machine) -> None:
    bases = c.base[CS] | c.base[SS] | c.base[DS] | c.base[ES]
    writable = m.seg_ok[SS] & m.seg_ok[DS] & m.seg_ok[ES]
    code = c.limit[CS] == M32 and c.attr[CS] & ATTR_D
    flat = bases == 0 and writable == 3 and m.seg_ok[CS] & 1 and c.limit[CS] == M32 and m.stack_mask == M32
    user, watched = c.cpl == 3, m.need_read == 0
    m.mode = (
        (MODE_FLAT if flat else 0)
        | (MODE_USER if user else 0)
        | (MODE_CODE if code else 0)
        | (MODE_WATCHED if watched else 0)
    )


@jitted
def refresh_level(c: Cpu, m: Machine) -> None:
    """The TLB bits that grant an access at c.cpl (levels 0-2 are supervisor, SDM 3A 4.6): none while data is watched.
    To be called after changes of CPL, EFLAGS.AC, CR0.AM and DR7."""
    user = c.cpl == 3
    watched = watches_data(c)
    m.need_read = 0 if watched else READ_USER if user else READ_KERNEL
    m.need_write = 0 if watched else WRITE_USER if user else WRITE_KERNEL
    m.need_fetch = FETCH_USER if user else FETCH_KERNEL
    m.watches_code = watches_code(c)
    refresh_mode(c, m)


@jitted
def refresh(c: Cpu, m: Machine) -> None:
    """Everything derived, anew: after the whole record was replaced."""
    for seg in range(DATA_SEGMENTS):
        refresh_segment(c, m, seg)
    refresh_level(c, m)


@inlined
def set_level(c: Cpu, m: Machine, level: int) -> None:
    c.cpl = level
    refresh_level(c, m)


@inlined
def check_entry(c: Cpu, m: Machine, offset: int, limit: int, ext: int) -> None:
    """An instruction pointer about to be loaded lies within its code segment, or #GP(ext)."""
    if offset > limit:
        raise_fault(m, GP, ext)
