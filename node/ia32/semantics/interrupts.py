"""Instructions that cause exceptions and interrupts: INT n, INT3, INTO, INT1, BOUND (SDM 2A).

In virtual-8086 mode INT n needs IOPL 3, or goes where the bitmap of VME says; INT3, INTO and INT1 do not (SDM 3A 20.3).
"""

from node.ia32.debug import tell
from node.ia32.eflags import iopl
from node.ia32.exceptions import EXTERNAL, SOFTWARE, enter_handler, settle_new_task
from node.ia32.faults import NO_ERROR, general_protection, raise_fault, undefined
from node.ia32.flags import overflow
from node.ia32.holding import HOLD_ALL, hold
from node.ia32.operands import get_reg, in_v86, load_seg, next_eip, offset_of, sign_extend
from node.ia32.privilege import fall_through
from node.ia32.rows import SIZE, Row
from node.ia32.state import BP, BR, CR4_VME, DB, OVERFLOW, TF, Cpu, Machine, Op
from node.ia32.virtual_interrupts import enter_8086_handler, is_redirected
from node.jitted import jitted


@jitted
def _interrupt(c: Cpu, m: Machine, e: Op, vector: int, source: int) -> None:
    """Enter the handler, to return behind this instruction. TF is cleared by that, so no single-step trap follows."""
    stepping = c.flags & TF
    committed = enter_handler(c, m, vector, NO_ERROR, source, next_eip(c, e))
    if stepping and m.fault == 0:
        hold(c, m, HOLD_ALL)
    settle_new_task(c, m, committed)


@jitted
def int_n(c: Cpu, m: Machine, e: Op) -> None:
    vector = int(e.imm)
    if in_v86(c) and c.cr4 & CR4_VME and is_redirected(c, m, vector):
        stepping = c.flags & TF
        enter_8086_handler(c, m, vector, next_eip(c, e))
        if stepping and m.fault == 0:
            hold(c, m, HOLD_ALL)
    elif m.fault == 0 and in_v86(c) and iopl(c) != 3:
        general_protection(m, 0)
    elif m.fault == 0:
        _interrupt(c, m, e, vector, SOFTWARE)


@jitted
def int_3(c: Cpu, m: Machine, e: Op) -> None:
    _interrupt(c, m, e, BP, SOFTWARE)


@jitted
def int_1(c: Cpu, m: Machine, e: Op) -> None:
    """Not subject to the gate's DPL: as if a debugger outside had asked. Breakpoints that a load of SS hit, and that
    have waited for this instruction, are told by the same #DB."""
    _interrupt(c, m, e, DB, EXTERNAL)
    if c.debug_hits and m.fault == 0:
        tell(c, c.debug_hits)
        c.debug_hits = 0


@jitted
def into(c: Cpu, m: Machine, e: Op) -> None:
    if overflow(c):
        _interrupt(c, m, e, OVERFLOW, SOFTWARE)
    else:
        fall_through(c, e)


@jitted
def bound(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """#BR unless lower <= register <= upper, signed."""
    seg, at = int(e.seg) & 7, offset_of(c, e)
    lower = load_seg(c, m, seg, at, size)
    if m.fault:
        return
    upper = load_seg(c, m, seg, at + size, size)
    if m.fault:
        return
    index = sign_extend(get_reg(c, int(e.a), size), size)
    if index < sign_extend(lower, size) or index > sign_extend(upper, size):
        raise_fault(m, BR, NO_ERROR)


@jitted
def ud2(c: Cpu, m: Machine, e: Op) -> None:
    undefined(m)


ROWS = [
    Row("CC", "", int_3, faults="always", ends="always", counts=True, oracle=False),
    Row("CD", "Ib", int_n, faults="always", ends="always", counts=True, oracle=False),
    Row("CE", "", into, faults="always", ends="always", counts=True, oracle=False),
    Row("F1", "", int_1, faults="always", ends="always", counts=True, oracle=False),
    Row("62", "Gv,Mv", bound, (SIZE,), faults="always", oracle=False),
    Row("0F 0B", "", ud2, faults="always", ends="always", oracle=False),
]
