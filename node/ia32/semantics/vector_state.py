"""The vocabulary of MMX and SSE semantics: may the instruction proceed, its memory operand, MXCSR and its exceptions.

An instruction asks `sse_ready` or `mmx_ready` first (#UD, #NM, #MF), brings its operands into the latches, computes
(host_sse.py), asks `m.fault`, and takes the result out. Memory operands of 16 bytes must lie at a multiple of 16 or
raise #GP(0), unless the instruction says otherwise (SDM 1, 4.1.1).

A floating-point operation runs with all exceptions masked. Only when the guest has unmasked one does `compute_checked`
look at what was raised (SDM 1, 11.5.3): an unmasked exception leaves the destination alone and raises #XM, or #UD
while CR4.OSXMMEXCPT is clear.
"""

from node.ia32.access import load, probe, store
from node.ia32.debug import check_alignment
from node.ia32.faults import NO_ERROR, general_protection, raise_fault, undefined
from node.ia32.host_sse import ALL_MASKED, FLAGS, compare, compute, float_control, set_float_control
from node.ia32.latches import (
    first_from_mmx,
    first_from_xmm,
    operand_from_8,
    operand_from_16,
    operand_from_mmx,
    operand_from_value,
    operand_from_xmm,
    operand_to_8,
    operand_to_16,
    operand_to_mmx,
    operand_to_xmm,
)
from node.ia32.operands import REG, check_segment, load_op, offset_of
from node.ia32.rows import Row
from node.ia32.state import (
    CR0_EM,
    CR0_NE,
    CR0_TS,
    CR4_OSFXSR,
    CR4_OSXMMEXCPT,
    M16,
    M32,
    MF,
    NM,
    UD,
    XM,
    Cpu,
    Machine,
    Op,
)
from node.ia32.tlb import entry_at, host_of, is_on_one_page, place_of
from node.jitted import inlined, jitted

MMX, XMM = 0, 1  # banks of registers
ANYWHERE, ALIGNED = 0, 15  # what the low bits of an operand's linear address must not have

# MXCSR
IE, DENORMAL, ZE, OE, UE, PE, DAZ, FTZ, ROUNDING = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x8000, 0x6000
BEFORE = IE | DENORMAL | ZE  # found before the operation is made: unmasked, they stop it
MASKS_SHIFT = 7
X87_ES, X87_TOP = 0x80, 0x3800


@inlined
def sse_ready(c: Cpu, m: Machine) -> int:
    """1 if an instruction on XMM registers may proceed."""
    if c.cr0 & (CR0_EM | CR0_TS) or c.cr4 & CR4_OSFXSR == 0:
        refuse_sse(c, m)
        return 0
    return 1


@jitted
def refuse_sse(c: Cpu, m: Machine) -> None:
    if c.cr0 & CR0_EM or c.cr4 & CR4_OSFXSR == 0:
        undefined(m)
    else:
        raise_fault(m, NM, NO_ERROR)


@inlined
def mmx_ready(c: Cpu, m: Machine) -> int:
    """1 if an instruction on MMX registers may proceed."""
    if c.cr0 & (CR0_EM | CR0_TS) or c.fsw & X87_ES:
        return refuse_mmx(c, m)
    return 1


@jitted
def refuse_mmx(c: Cpu, m: Machine) -> int:
    if c.cr0 & CR0_EM:
        undefined(m)
    elif c.cr0 & CR0_TS:
        raise_fault(m, NM, NO_ERROR)
    elif c.cr0 & CR0_NE:
        raise_fault(m, MF, NO_ERROR)
    return 1 if m.fault == 0 else 0


@inlined
def use_mmx(c: Cpu) -> None:
    """Every MMX instruction but EMMS makes all x87 registers filled and TOP 0 (SDM 3A 12.2)."""
    c.fsw = c.fsw & ~X87_TOP
    c.ftw = 0xFF


@inlined
def ready(c: Cpu, m: Machine, bank: int) -> int:
    return sse_ready(c, m) if bank == XMM else mmx_ready(c, m)


@inlined
def first_from(c: Cpu, m: Machine, bank: int, number: int) -> None:
    if bank == XMM:
        first_from_xmm(c, m, number)
    else:
        first_from_mmx(c, m, number)


@inlined
def operand_from(c: Cpu, m: Machine, bank: int, number: int) -> None:
    if bank == XMM:
        operand_from_xmm(c, m, number)
    else:
        operand_from_mmx(c, m, number)


@inlined
def operand_to(c: Cpu, m: Machine, bank: int, number: int) -> None:
    """The result to its register; the instruction is complete."""
    if bank == XMM:
        operand_to_xmm(c, m, number)
    else:
        operand_to_mmx(c, m, number)
        use_mmx(c)


@inlined
def source(c: Cpu, m: Machine, e: Op, bank: int, size: int, alignment: int, form: int) -> None:
    """The `rm` operand into m.operand: a register of the bank, or `size` bytes of memory."""
    if form == REG:
        operand_from(c, m, bank, int(e.b))
    else:
        fetch_operand(c, m, e, size, alignment)


@inlined
def fetch_operand(c: Cpu, m: Machine, e: Op, size: int, alignment: int) -> None:
    """`size` (2, 4, 8, 16) bytes of memory into m.operand, zero-extended; m.fault says whether that failed."""
    if size < 8:
        operand_from_value(m, load_op(c, m, e, size))
    else:
        _fetch_wide(c, m, e, size, alignment)


@inlined
def _fetch_wide(c: Cpu, m: Machine, e: Op, size: int, alignment: int) -> None:
    seg = int(e.seg) & 7
    offset = offset_of(c, e)
    linear = (c.base[seg] + offset) & M32
    if m.seg_ok[seg] & 1 == 0:
        check_operand(c, m, seg, offset, size, alignment, 0)
        if m.fault:
            return
    place = place_of(linear)
    if is_on_one_page(place, size) and linear & alignment == 0:
        entry = entry_at(m, place)
        if entry & m.need_read:
            if size == 8:
                operand_from_8(m, host_of(entry, linear))
            else:
                operand_from_16(m, host_of(entry, linear))
            return
    fetch_slow(c, m, linear, size, alignment)


@jitted
def check_operand(c: Cpu, m: Machine, seg: int, offset: int, size: int, alignment: int, write: int) -> None:
    """Alignment goes before the segment's limit, whose violation is #SS on the stack."""
    if c.base[seg] + offset & alignment:
        general_protection(m, 0)
    else:
        check_segment(c, m, seg, offset, size, write)


@jitted
def fetch_slow(c: Cpu, m: Machine, linear: int, size: int, alignment: int) -> None:
    if linear & alignment:
        general_protection(m, 0)
    check_alignment(c, m, linear, size)
    for i in range(4):
        value = 0
        if 4 * i < size and m.fault == 0:
            value = load(c, m, (linear + 4 * i) & M32, 4)
        m.operand[i] = value


@inlined
def store_operand(c: Cpu, m: Machine, e: Op, size: int, alignment: int) -> None:
    """The low 8 or all 16 bytes of m.operand to memory, all or nothing."""
    seg = int(e.seg) & 7
    offset = offset_of(c, e)
    linear = (c.base[seg] + offset) & M32
    if m.seg_ok[seg] & 2 == 0:
        check_operand(c, m, seg, offset, size, alignment, 1)
        if m.fault:
            return
    place = place_of(linear)
    if is_on_one_page(place, size) and linear & alignment == 0:
        entry = entry_at(m, place)
        if entry & m.need_write:
            if size == 8:
                operand_to_8(m, host_of(entry, linear))
            else:
                operand_to_16(m, host_of(entry, linear))
            return
    store_operand_slow(c, m, linear, size, alignment)


@jitted
def store_operand_slow(c: Cpu, m: Machine, linear: int, size: int, alignment: int) -> None:
    if linear & alignment:
        general_protection(m, 0)
        return
    check_alignment(c, m, linear, size)
    if m.fault:
        return
    if not is_on_one_page(place_of(linear), size):
        probe(c, m, linear, size, 1)
    for i in range(size >> 2):
        if m.fault == 0:
            store(c, m, (linear + 4 * i) & M32, 4, int(m.operand[i]))


@inlined
def all_masked(c: Cpu) -> bool:
    return c.mxcsr & ALL_MASKED == ALL_MASKED


@inlined
def compute_float(c: Cpu, m: Machine, operation: int) -> None:
    """A floating-point operation on the latches; m.fault is set if an exception of it is unmasked."""
    if all_masked(c):
        compute(m, operation)
    else:
        compute_checked(c, m, operation)


@jitted
def compare_float(c: Cpu, m: Machine, comparison: int) -> None:
    if all_masked(c):
        compare(m, comparison)
    else:
        compare_checked(c, m, comparison)


@jitted
def compute_checked(c: Cpu, m: Machine, operation: int) -> None:
    """Masked, underflow is told only of results that are tiny and inexact; unmasked, of all that are tiny. Flushing
    them to zero reveals these, and a second trial without that whether they are inexact. (With
    the exponents there are: processors that raise #XM for overflow or underflow leave PE clear if a wider exponent
    would make the result exact.)"""
    watches_tiny = c.mxcsr & (UE << MASKS_SHIFT) == 0
    collect(c, m)
    lane0, lane1, lane2, lane3 = int(m.operand[0]), int(m.operand[1]), int(m.operand[2]), int(m.operand[3])
    begin_trial(c, m, FTZ if watches_tiny else c.mxcsr & FTZ)
    compute(m, operation)
    raised = float_control(m) & FLAGS
    if raised & UE and watches_tiny:
        m.operand[0] = lane0
        m.operand[1] = lane1
        m.operand[2] = lane2
        m.operand[3] = lane3
        begin_trial(c, m, 0)
        compute(m, operation)
        raised = (raised & ~PE) | (float_control(m) & FLAGS)
    end_trial(c, m, raised)


@jitted
def compare_checked(c: Cpu, m: Machine, comparison: int) -> None:
    collect(c, m)
    begin_trial(c, m, 0)
    compare(m, comparison)
    end_trial(c, m, float_control(m) & FLAGS)


@jitted
def begin_trial(c: Cpu, m: Machine, flush: int) -> None:
    """Make the next operation show what it alone raises; `flush`: FTZ or 0."""
    set_float_control(m, (c.mxcsr & (ROUNDING | DAZ)) | ALL_MASKED | flush)


@jitted
def end_trial(c: Cpu, m: Machine, raised: int) -> None:
    unmasked = raised & ~(c.mxcsr >> MASKS_SHIFT)
    if unmasked & BEFORE:
        raised &= BEFORE
    c.mxcsr |= raised
    adopt(c, m)
    if unmasked:
        raise_fault(m, XM if c.cr4 & CR4_OSXMMEXCPT else UD, NO_ERROR)


@jitted
def collect(c: Cpu, m: Machine) -> None:
    """Bring the flags that have gathered in the host's register to c.mxcsr."""
    c.mxcsr |= float_control(m) & FLAGS


@jitted
def adopt(c: Cpu, m: Machine) -> None:
    """Make the host's register what the guest's demands."""
    set_float_control(m, (c.mxcsr & M16) | ALL_MASKED)


ROWS: list[Row] = []
