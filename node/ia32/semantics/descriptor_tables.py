"""Descriptor tables and questions about them: LGDT LIDT SGDT SIDT LLDT SLDT LTR STR LAR LSL VERR VERW ARPL.

The questions (SDM 3A 5.10) answer in ZF and never raise an exception for a bad selector; the loads do. In real and
virtual-8086 mode the instructions about LDT, TSS and descriptors do not exist (#UD).
"""

from node.ia32.descriptors import (
    BUSY_TSS16,
    BUSY_TSS32,
    CALL_GATE16,
    CALL_GATE32,
    KIND,
    LDT,
    OUTSIDE,
    TASK_GATE,
    TSS16,
    TSS32,
    address_of,
    attr_of,
    dpl_of,
    high_dword,
    is_conforming,
    is_null,
    is_readable,
    is_writable,
    limit_of,
    low_dword,
    set_busy,
)
from node.ia32.flags import set_explicit, status
from node.ia32.operands import (
    MEM,
    load_seg,
    offset_of,
    read_rm,
    set_reg,
    store_op,
    store_seg,
    write_rm,
)
from node.ia32.privilege import require_level0, require_protected
from node.ia32.rows import FORM, SIZE, Row
from node.ia32.segments import install
from node.ia32.state import ATTR_S, GP, LDTR, M32, NP, TR, ZF, Cpu, Machine, Op
from node.ia32.task_segments import load_local_table
from node.ia32.tasks import find_tss
from node.jitted import inlined, jitted

GDT, IDT = 0, 1
HAS_LIMIT = 1 << TSS16 | 1 << LDT | 1 << BUSY_TSS16 | 1 << TSS32 | 1 << BUSY_TSS32
HAS_RIGHTS = HAS_LIMIT | 1 << CALL_GATE16 | 1 << TASK_GATE | 1 << CALL_GATE32


@jitted
def load_table(c: Cpu, m: Machine, e: Op, size: int, which: int) -> None:
    """LGDT, LIDT: a 16-bit limit and a base of 32 bits, or of 24 with 16-bit operands."""
    require_level0(c, m)
    if m.fault:
        return
    seg, at = int(e.seg) & 7, offset_of(c, e)
    limit = load_seg(c, m, seg, at, 2)
    if m.fault:
        return
    base = load_seg(c, m, seg, at + 2, 4) & (M32 if size == 4 else 0xFF_FFFF)
    if m.fault:
        return
    if which == GDT:
        c.gdt_base = base
        c.gdt_limit = limit
    else:
        c.idt_base = base
        c.idt_limit = limit


@jitted
def store_table(c: Cpu, m: Machine, e: Op, which: int) -> None:
    """SGDT, SIDT, at every level: the whole base whatever the operand size."""
    seg, at = int(e.seg) & 7, offset_of(c, e)
    store_seg(c, m, seg, at, 2, c.gdt_limit if which == GDT else c.idt_limit)
    if m.fault == 0:
        store_seg(c, m, seg, at + 2, 4, c.gdt_base if which == GDT else c.idt_base)


@jitted
def store_system_selector(c: Cpu, m: Machine, e: Op, size: int, form: int, seg: int) -> None:
    """SLDT, STR: 16 bits to memory, zero-extended to a register."""
    require_protected(c, m)
    if m.fault:
        return
    if form == MEM:
        store_op(c, m, e, 2, c.selector[seg])
    else:
        set_reg(c, int(e.b), size, c.selector[seg])


@jitted
def lldt(c: Cpu, m: Machine, e: Op, form: int) -> None:
    selector = _privileged_operand(c, m, e, form)
    if m.fault == 0:
        load_local_table(c, m, selector, GP, NP, 0)


@jitted
def ltr(c: Cpu, m: Machine, e: Op, form: int) -> None:
    selector = _privileged_operand(c, m, e, form)
    at = OUTSIDE if m.fault else find_tss(c, m, selector, GP, 0, 0)
    if m.fault:
        return
    set_busy(c, m, at, 1)
    if m.fault == 0:
        install(c, m, TR, selector, low_dword(c, m, at), high_dword(c, m, at))


@jitted
def _privileged_operand(c: Cpu, m: Machine, e: Op, form: int) -> int:
    require_protected(c, m)
    if m.fault == 0:
        require_level0(c, m)
    return read_rm(c, m, e, 2, form) if m.fault == 0 else 0


@jitted
def _set_zero(c: Cpu, zero: int) -> None:
    set_explicit(c, status(c) | ZF if zero else status(c) & ~ZF)


@jitted
def _visible(c: Cpu, m: Machine, selector: int, kinds: int) -> int:
    """Address of a descriptor that this program may ask about, or OUTSIDE; `kinds`: the system types that count."""
    at = OUTSIDE if is_null(selector) else address_of(c, selector)
    if at == OUTSIDE:
        return OUTSIDE
    attr = attr_of(high_dword(c, m, at))
    if m.fault or (attr & ATTR_S == 0 and kinds >> (attr & KIND) & 1 == 0):
        return OUTSIDE
    if not is_conforming(attr) and dpl_of(attr) < max(c.cpl, selector & 3):
        return OUTSIDE
    return at


@inlined
def _question(c: Cpu, m: Machine, e: Op, form: int) -> int:
    """The selector asked about."""
    require_protected(c, m)
    return read_rm(c, m, e, 2, form) if m.fault == 0 else 0


@jitted
def lar(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    selector = _question(c, m, e, form)
    at = OUTSIDE if m.fault else _visible(c, m, selector, HAS_RIGHTS)
    rights = 0 if at == OUTSIDE else high_dword(c, m, at) & 0x00F0_FF00
    _answer(c, m, e, size, at, rights)


@jitted
def lsl(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    selector = _question(c, m, e, form)
    at = OUTSIDE if m.fault else _visible(c, m, selector, HAS_LIMIT)
    limit = 0 if at == OUTSIDE else limit_of(low_dword(c, m, at), high_dword(c, m, at))
    _answer(c, m, e, size, at, limit)


@jitted
def _answer(c: Cpu, m: Machine, e: Op, size: int, at: int, value: int) -> None:
    if m.fault:
        return
    if at != OUTSIDE:
        set_reg(c, int(e.a), size, value)
    _set_zero(c, 1 if at != OUTSIDE else 0)


@jitted
def verify(c: Cpu, m: Machine, e: Op, form: int, write: int) -> None:
    """VERR, VERW: could this program read or write through that selector?"""
    selector = _question(c, m, e, form)
    at = OUTSIDE if m.fault else _visible(c, m, selector, 0)
    attr = 0 if at == OUTSIDE else attr_of(high_dword(c, m, at))
    if m.fault == 0:
        _set_zero(c, 1 if (is_writable(attr) if write else is_readable(attr)) else 0)


@jitted
def arpl(c: Cpu, m: Machine, e: Op, form: int) -> None:
    """Raise the destination's RPL to the source's if it is lower."""
    require_protected(c, m)
    target = read_rm(c, m, e, 2, form) if m.fault == 0 else 0
    if m.fault:
        return
    level = c.gpr[int(e.a)] & 3
    lower = target & 3 < level
    if lower:
        write_rm(c, m, e, 2, form, (target & 0xFFFC) | level)
    if m.fault == 0:
        _set_zero(c, 1 if lower else 0)


ROWS = [
    Row("0F 01 /0", "Ms", store_table, (GDT,), faults="always", oracle=False),
    Row("0F 01 /1", "Ms", store_table, (IDT,), faults="always", oracle=False),
    Row("0F 01 /2", "Mp", load_table, (SIZE, GDT), faults="always", privileged=True, oracle=False),
    Row("0F 01 /3", "Mp", load_table, (SIZE, IDT), faults="always", privileged=True, oracle=False),
    Row("0F 00 /0", "Ev", store_system_selector, (SIZE, FORM, LDTR), faults="always", oracle=False),
    Row("0F 00 /1", "Ev", store_system_selector, (SIZE, FORM, TR), faults="always", oracle=False),
    Row("0F 00 /2", "Ew", lldt, (FORM,), faults="always", privileged=True, oracle=False),
    Row("0F 00 /3", "Ew", ltr, (FORM,), faults="always", privileged=True, oracle=False),
    Row("0F 00 /4", "Ew", verify, (FORM, 0), faults="always", oracle=False),
    Row("0F 00 /5", "Ew", verify, (FORM, 1), faults="always", oracle=False),
    Row("0F 02", "Gv,Ew", lar, (SIZE, FORM), faults="always", oracle=False),
    Row("0F 03", "Gv,Ew", lsl, (SIZE, FORM), faults="always", oracle=False),
    Row("63", "Ew,Gw", arpl, (FORM,), faults="always", oracle=False),
]
