"""DAA DAS AAA AAS AAM AAD (SDM 2A, the pseudo-code of each)."""

from node.ia32.faults import NO_ERROR, raise_fault
from node.ia32.flags import LOGIC, adjust, carry, set_explicit, set_flags, status
from node.ia32.operands import get_reg, set_reg
from node.ia32.rows import Row
from node.ia32.state import AF, CF, DE, EAX, OF, PF, SF, ZF, Cpu, Machine, Op
from node.jitted import inlined, jitted


@inlined
def result_flags(c: Cpu, result: int, extra: int) -> None:
    """SF, ZF, PF of a byte, and `extra` for CF and AF."""
    set_flags(c, LOGIC, 1, result, 0)
    set_explicit(c, status(c) | extra)


@jitted
def decimal_adjust(c: Cpu, m: Machine, e: Op, subtract: int) -> None:
    al, cf = get_reg(c, EAX, 1), carry(c)
    step = -1 if subtract else 1
    result, flags = al, 0
    if al & 0xF > 9 or adjust(c):
        result += 6 * step
        flags |= AF
        if cf or (subtract and al < 6) or (not subtract and al > 0xF9):
            flags |= CF
    if al > 0x99 or cf:
        result += 0x60 * step
        flags |= CF
    elif not subtract:
        flags &= ~CF
    set_reg(c, EAX, 1, result & 0xFF)
    result_flags(c, result & 0xFF, flags)


@jitted
def ascii_adjust(c: Cpu, m: Machine, e: Op, subtract: int) -> None:
    ax = get_reg(c, EAX, 2)
    flags = 0
    if ax & 0xF > 9 or adjust(c):
        ax = ax - 0x106 if subtract else ax + 0x106
        flags = AF | CF
    set_reg(c, EAX, 2, ax & 0xFF0F)
    result_flags(c, ax & 0x0F, flags)


@jitted
def ascii_multiply(c: Cpu, m: Machine, e: Op) -> None:
    """AAM imm8: imm 0 is a division by zero."""
    base = int(e.imm)
    if base == 0:
        raise_fault(m, DE, NO_ERROR)
        return
    al = get_reg(c, EAX, 1)
    set_reg(c, EAX, 2, ((al // base) << 8) | (al % base))
    result_flags(c, al % base, 0)


@jitted
def ascii_divide(c: Cpu, m: Machine, e: Op) -> None:
    """AAD imm8."""
    ax = get_reg(c, EAX, 2)
    al = ((ax & 0xFF) + (ax >> 8) * int(e.imm)) & 0xFF
    set_reg(c, EAX, 2, al)
    result_flags(c, al, 0)


_AAA = OF | SF | ZF | PF
_AAM = OF | AF | CF

ROWS = [
    Row("27", "", decimal_adjust, (0,), faults="never", undefined=OF),
    Row("2F", "", decimal_adjust, (1,), faults="never", undefined=OF),
    Row("37", "", ascii_adjust, (0,), faults="never", undefined=_AAA),
    Row("3F", "", ascii_adjust, (1,), faults="never", undefined=_AAA),
    Row("D4", "Ib", ascii_multiply, (), faults="always", undefined=_AAM),
    Row("D5", "Ib", ascii_divide, (), faults="never", undefined=_AAM),
]
