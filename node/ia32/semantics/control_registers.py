"""MOV to and from control and debug registers, LMSW, SMSW, CLTS (SDM 3A 2.5, 3B 17.2).

The paging rules of CR0, CR3 and CR4 are in paging_control.py. DR4 and DR5 are DR6 and DR7 (CR4.DE is not offered).
While DR7.GD is set, every access to a debug register raises #DB first.
"""

from node.ia32.debug import tell
from node.ia32.exceptions import DR7_GD
from node.ia32.faults import NO_ERROR, raise_fault, undefined
from node.ia32.operands import MEM, read_rm, set_reg, store_op
from node.ia32.paging_control import write_cr0, write_cr3, write_cr4
from node.ia32.privilege import fall_through, require_level0
from node.ia32.rows import FORM, SIZE, Row
from node.ia32.segments import refresh_level
from node.ia32.state import CR0_EM, CR0_MP, CR0_PE, CR0_TS, CR4_DE, DB, M32, Cpu, Machine, Op
from node.jitted import jitted

MSW = CR0_PE | CR0_MP | CR0_EM | CR0_TS
DR6_FIXED, DR6_WRITABLE = 0xFFFF_0FF0, 0xE00F
DR7_FIXED, DR7_ZERO = 0x400, 0xD800
DR6_BD = 0x2000


@jitted
def mov_from_cr(c: Cpu, m: Machine, e: Op) -> None:
    number = int(e.a)
    if number == 1 or number > 4:
        undefined(m)
        return
    require_level0(c, m)
    if m.fault == 0:
        c.gpr[int(e.b)] = c.cr0 if number == 0 else c.cr2 if number == 2 else c.cr3 if number == 3 else c.cr4


@jitted
def mov_to_cr(c: Cpu, m: Machine, e: Op) -> None:
    number = int(e.a)
    if number == 1 or number > 4:
        undefined(m)
        return
    require_level0(c, m)
    if m.fault:
        return
    value = c.gpr[int(e.b)]
    if number == 0:
        write_cr0(c, m, value)
    elif number == 2:
        c.cr2 = value
    elif number == 3:
        write_cr3(c, m, value)
    else:
        write_cr4(c, m, value)
    if m.fault == 0:
        fall_through(c, e)


@jitted
def smsw(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    """Allowed at every level."""
    if form == MEM:
        store_op(c, m, e, 2, c.cr0 & 0xFFFF)
    else:
        set_reg(c, int(e.b), size, c.cr0)


@jitted
def lmsw(c: Cpu, m: Machine, e: Op, form: int) -> None:
    """Sets PE MP EM TS; it cannot clear PE."""
    require_level0(c, m)
    word = read_rm(c, m, e, 2, form) if m.fault == 0 else 0
    if m.fault:
        return
    write_cr0(c, m, (c.cr0 & ~(MSW & ~CR0_PE)) | (word & MSW))
    if m.fault == 0:
        fall_through(c, e)


@jitted
def clts(c: Cpu, m: Machine, e: Op) -> None:
    require_level0(c, m)
    if m.fault == 0:
        c.cr0 &= ~CR0_TS
        fall_through(c, e)


@jitted
def _check_debug_access(c: Cpu, m: Machine, number: int) -> None:
    """DR4 and DR5 are aliases of DR6 and DR7 unless CR4.DE is set."""
    if number & 6 == 4 and c.cr4 & CR4_DE:
        undefined(m)
    require_level0(c, m)
    if m.fault == 0 and c.dr[7] & DR7_GD:
        tell(c, DR6_BD)
        raise_fault(m, DB, NO_ERROR)


@jitted
def mov_from_dr(c: Cpu, m: Machine, e: Op) -> None:
    number = int(e.a)
    _check_debug_access(c, m, number)
    if m.fault == 0:
        c.gpr[int(e.b)] = c.dr[number | 2 if number >= 4 else number]


@jitted
def mov_to_dr(c: Cpu, m: Machine, e: Op) -> None:
    number = int(e.a)
    _check_debug_access(c, m, number)
    if m.fault:
        return
    value = c.gpr[int(e.b)]
    if number < 4:
        c.dr[number] = value
    elif number & 1:
        c.dr[7] = (value & M32 & ~DR7_ZERO) | DR7_FIXED
        refresh_level(c, m)
    else:
        c.dr[6] = (value & DR6_WRITABLE) | DR6_FIXED
    fall_through(c, e)  # the outer loop must see new breakpoints


ROWS = [
    Row("0F 20", "Rd,Cd", mov_from_cr, faults="always", privileged=True, oracle=False),
    Row("0F 22", "Cd,Rd", mov_to_cr, faults="always", ends="always", privileged=True, oracle=False),
    Row("0F 21", "Rd,Dd", mov_from_dr, faults="always", privileged=True, oracle=False),
    Row("0F 23", "Dd,Rd", mov_to_dr, faults="always", ends="always", privileged=True, oracle=False),
    Row("0F 01 /4", "Ev", smsw, (SIZE, FORM), oracle=False),
    Row("0F 01 /6", "Ew", lmsw, (FORM,), faults="always", ends="always", privileged=True, oracle=False),
    Row("0F 06", "", clts, faults="always", ends="always", privileged=True, oracle=False),
]
