"""CLC STC CMC CLD STD LAHF SAHF SALC (SDM 2)."""

from node.ia32.flags import carry, set_explicit, status
from node.ia32.operands import get_reg, set_reg
from node.ia32.rows import Row
from node.ia32.state import AF, CF, DF, EAX, PF, SF, ZF, Cpu, Machine, Op
from node.jitted import inlined

CLEAR, SET, COMPLEMENT = range(3)
_LOW = SF | ZF | AF | PF | CF


@inlined
def change_carry(c: Cpu, m: Machine, e: Op, kind: int) -> None:
    old = status(c)
    if kind == CLEAR:
        set_explicit(c, old & ~CF)
    elif kind == SET:
        set_explicit(c, old | CF)
    else:
        set_explicit(c, old ^ CF)


@inlined
def change_direction(c: Cpu, m: Machine, e: Op, down: int) -> None:
    c.flags = c.flags | DF if down else c.flags & ~DF


@inlined
def lahf(c: Cpu, m: Machine, e: Op) -> None:
    set_reg(c, 4, 1, status(c) & _LOW | 2)  # 4: AH


@inlined
def sahf(c: Cpu, m: Machine, e: Op) -> None:
    set_explicit(c, status(c) & ~_LOW | get_reg(c, 4, 1) & _LOW)


@inlined
def salc(c: Cpu, m: Machine, e: Op) -> None:
    """D6, not in the manual but in every processor: AL = CF ? FF : 0."""
    set_reg(c, EAX, 1, 0xFF if carry(c) else 0)


ROWS = [
    Row("F8", "", change_carry, (CLEAR,), faults="never"),
    Row("F9", "", change_carry, (SET,), faults="never"),
    Row("F5", "", change_carry, (COMPLEMENT,), faults="never"),
    Row("FC", "", change_direction, (0,), faults="never"),
    Row("FD", "", change_direction, (1,), faults="never"),
    Row("9F", "", lahf, (), faults="never"),
    Row("9E", "", sahf, (), faults="never"),
    Row("D6", "", salc, (), faults="never"),
]
