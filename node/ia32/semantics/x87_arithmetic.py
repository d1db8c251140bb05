"""x87 arithmetic: D8, DA, DC, DE and the operations of D9 that compute one result from ST(0), or ST(0) and ST(1).

The host computes (host_fpu.py); here is what an operation means for the stack: which registers must not be empty,
where the result goes, what is popped. An exception that precludes the operation changes nothing but the status word.
"""

from node.ia32 import host_fpu
from node.ia32.rows import Row
from node.ia32.semantics.x87_state import (
    C0,
    C2,
    C3,
    PRECLUDES,
    begin,
    fetched,
    fill,
    filled,
    operate,
    pop,
    precluded,
    remember,
    remember_operand,
    set_indefinite,
    settle,
    st,
    stack_fault,
)
from node.ia32.state import Cpu, Machine, Op
from node.jitted import folding, jitted, peek16

ST0, STI = 0, 1  # where the result goes


@folding
def arithmetic(c: Cpu, m: Machine, operation: int, other: int, target: int, pops: int, conditions: int) -> None:
    """ST(target) = operation(ST(0), ST(other)); `conditions` are the operation's to set."""
    if filled(c, 0) & filled(c, other) == 0:
        if stack_fault(c, m, 0, conditions & C2):
            set_indefinite(st(c, m, target))
            fill(c, target)
            pop(c, pops)
        return
    result = st(c, m, target)
    status = operate(c, operation, st(c, m, 0), st(c, m, other), result)
    stopped = precluded(c, status, PRECLUDES)
    if conditions & C3 and (stopped or peek16(result + 8) & 0x7FFF == 0x7FFF):
        settle(c, m, status & ~C2, C2)  # a remainder without a quotient leaves C0 and C3 alone
    else:
        settle(c, m, status, conditions)
    if stopped == 0:
        pop(c, pops)


@folding
def arithmetic_register(c: Cpu, m: Machine, e: Op, operation: int, target: int, pops: int) -> None:
    """FADD, FSUB, FSUBR, FMUL, FDIV, FDIVR and their popping forms with ST(i)."""
    if begin(c, m):
        remember(c, e)
        i = int(e.b)
        arithmetic(c, m, operation, i, i if target == STI else 0, pops, 0)


@folding
def arithmetic_memory(c: Cpu, m: Machine, e: Op, operation: int, size: int) -> None:
    """The same with a real or integer in memory: ST(0) is the result."""
    if begin(c, m) == 0:
        return
    source = fetched(c, m, e, size)
    if source == 0:
        return
    remember_operand(c, e)
    if filled(c, 0) == 0:
        if stack_fault(c, m, 0, 0):
            set_indefinite(st(c, m, 0))
            fill(c, 0)
        return
    settle(c, m, operate(c, operation, st(c, m, 0), source, st(c, m, 0)), 0)


@jitted
def unary(c: Cpu, m: Machine, e: Op, operation: int, conditions: int) -> None:
    """FSQRT, FRNDINT, F2XM1; FSIN and FCOS, where C2 says that the operand was out of range."""
    if begin(c, m):
        remember(c, e)
        arithmetic(c, m, operation, 0, 0, 0, conditions)


@jitted
def binary(c: Cpu, m: Machine, e: Op, operation: int, target: int, conditions: int) -> None:
    """FPREM, FPREM1, FSCALE into ST(0); FYL2X, FYL2XP1, FPATAN into ST(1), then pop."""
    if begin(c, m):
        remember(c, e)
        arithmetic(c, m, operation, 1, target, target, conditions)


_NAMES = (0, 1, 4, 5, 6, 7)  # modrm.reg of + * - reversed- / reversed/
QUOTIENT = C0 | C2 | C3  # FPREM: its low bits in C0 C3 C1, C2 while the reduction is partial

ROWS = [
    *(
        Row(f"{escape} /{reg}", operand, arithmetic_memory, (group + reg, size), faults="always")
        for escape, operand, group, size in (
            ("D8", "Md", host_fpu.WITH_REAL32, 4),
            ("DA", "Md", host_fpu.WITH_INT32, 4),
            ("DC", "Mq", host_fpu.WITH_REAL64, 8),
            ("DE", "Mw", host_fpu.WITH_INT16, 2),
        )
        for reg in _NAMES
    ),
    *(
        Row(f"{escape} /{reg}", "R", arithmetic_register, (host_fpu.WITH_REGISTER + reg, target, pops), faults="always")
        for escape, target, pops in (("D8", ST0, 0), ("DC", STI, 0), ("DE", STI, 1))
        for reg in _NAMES
    ),
    Row("D9 /6:0", "", unary, (host_fpu.TWO_TO_X_MINUS_1, 0), faults="always"),
    Row("D9 /7:2", "", unary, (host_fpu.SQRT, 0), faults="always"),
    Row("D9 /7:4", "", unary, (host_fpu.ROUND, 0), faults="always"),
    Row("D9 /7:6", "", unary, (host_fpu.SINE, C2), faults="always"),
    Row("D9 /7:7", "", unary, (host_fpu.COSINE, C2), faults="always"),
    Row("D9 /6:1", "", binary, (host_fpu.Y_LOG_X, 1, 0), faults="always"),
    Row("D9 /6:3", "", binary, (host_fpu.ARCTANGENT, 1, 0), faults="always"),
    Row("D9 /6:5", "", binary, (host_fpu.REMAINDER_NEAREST, 0, QUOTIENT), faults="always"),
    Row("D9 /7:0", "", binary, (host_fpu.REMAINDER, 0, QUOTIENT), faults="always"),
    Row("D9 /7:1", "", binary, (host_fpu.Y_LOG_X_PLUS_1, 1, 0), faults="always"),
    Row("D9 /7:5", "", binary, (host_fpu.SCALE, 0, 0), faults="always"),
]
