"""The x87 operations with two results: FPTAN, FSINCOS and FXTRACT replace ST(0) and push.

C2 of FPTAN and FSINCOS says that |ST(0)| was not below 2^63: then nothing is pushed and ST(0) stays.
"""

from node.ia32 import host_fpu
from node.ia32.rows import Row
from node.ia32.semantics.x87_state import (
    C1,
    C2,
    PRECLUDES,
    begin,
    fill,
    filled,
    operate,
    precluded,
    push,
    remember,
    set_indefinite,
    settle,
    st,
    stack_fault,
)
from node.ia32.state import Cpu, Machine, Op
from node.jitted import jitted


@jitted
def two_results(c: Cpu, m: Machine, e: Op, operation: int, conditions: int) -> None:
    if begin(c, m) == 0:
        return
    remember(c, e)
    if filled(c, 0) == 0 or filled(c, 7):
        if stack_fault(c, m, C1 if filled(c, 0) else 0, conditions):
            set_indefinite(st(c, m, 0))
            set_indefinite(st(c, m, 7))
            fill(c, 0)
            push(c)
        return
    status = operate(c, operation, st(c, m, 0), st(c, m, 7), st(c, m, 0))
    settle(c, m, status, conditions)
    if precluded(c, status, PRECLUDES) == 0 and status & conditions == 0:
        push(c)


ROWS = [
    Row("D9 /6:2", "", two_results, (host_fpu.TANGENT, C2), faults="always"),
    Row("D9 /6:4", "", two_results, (host_fpu.EXTRACT, 0), faults="always"),
    Row("D9 /7:3", "", two_results, (host_fpu.SINE_AND_COSINE, C2), faults="always"),
]
