"""CMPXCHG XADD CMPXCHG8B (SDM 2). One processor: LOCK asks for nothing more."""

from node.ia32.debug import check_alignment
from node.ia32.features import CX8
from node.ia32.flags import ADD, SUB, set_explicit, set_flags, status
from node.ia32.operands import (
    MEM,
    check_segment,
    get_reg,
    load_seg_to_change,
    mask_of,
    offset_of,
    read_to_change,
    set_reg,
    store_seg,
    write_rm,
)
from node.ia32.rows import FORM, SIZE, Row
from node.ia32.state import EAX, EBX, ECX, EDX, M32, ZF, Cpu, Machine, Op
from node.jitted import inlined, jitted


@inlined
def cmpxchg(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    """rm is written in either case, so a read-only page faults even when the comparison fails."""
    old = read_to_change(c, m, e, size, form)
    if m.fault:
        return
    acc = get_reg(c, EAX, size)
    write_rm(c, m, e, size, form, get_reg(c, int(e.a), size) if acc == old else old)
    if acc != old:
        set_reg(c, EAX, size, old)
    set_flags(c, SUB, size, (acc - old) & mask_of(size), old)


@inlined
def xadd(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    """The sum is written last: with the same register twice it stays."""
    old = read_to_change(c, m, e, size, form)
    if m.fault:
        return
    addend = get_reg(c, int(e.a), size)
    total = (old + addend) & mask_of(size)
    if form == MEM:
        write_rm(c, m, e, size, form, total)
        set_reg(c, int(e.a), size, old)
    else:
        set_reg(c, int(e.a), size, old)
        set_reg(c, int(e.b), size, total)
    set_flags(c, ADD, size, total, addend)


@jitted
def cmpxchg8b(c: Cpu, m: Machine, e: Op) -> None:
    """Both halves are checked for writing before either is written; only ZF changes."""
    seg, offset = int(e.seg) & 7, offset_of(c, e)
    check_segment(c, m, seg, offset, 8, 1)
    if m.fault == 0:
        check_alignment(c, m, (c.base[seg] + offset) & M32, 8)
    low = load_seg_to_change(c, m, seg, offset, 4) if m.fault == 0 else 0
    high = load_seg_to_change(c, m, seg, (offset + 4) & M32, 4) if m.fault == 0 else 0
    if m.fault:
        return
    equal = low == c.gpr[EAX] and high == c.gpr[EDX]
    store_seg(c, m, seg, offset, 4, c.gpr[EBX] if equal else low)
    store_seg(c, m, seg, (offset + 4) & M32, 4, c.gpr[ECX] if equal else high)
    if equal:
        set_explicit(c, status(c) | ZF)
    else:
        c.gpr[EAX] = low
        c.gpr[EDX] = high
        set_explicit(c, status(c) & ~ZF)


ROWS = [
    Row("0F B0", "Eb,Gb", cmpxchg, (SIZE, FORM), lock=True),
    Row("0F B1", "Ev,Gv", cmpxchg, (SIZE, FORM), lock=True),
    Row("0F C0", "Eb,Gb", xadd, (SIZE, FORM), lock=True),
    Row("0F C1", "Ev,Gv", xadd, (SIZE, FORM), lock=True),
    Row("0F C7 /1", "M", cmpxchg8b, (), lock=True, feature=CX8),
]
