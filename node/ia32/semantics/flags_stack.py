"""PUSHF, POPF, CLI, STI: EFLAGS as programs with and without I/O privilege may change it (SDM 2A; 3A 2.3, 20.2.7).

CPL <= IOPL is needed for CLI and STI, and for POPF to change IF (it is ignored silently there); only level 0 changes
IOPL. In virtual-8086 mode all four need IOPL 3.
"""

from node.ia32.eflags import USER_FLAGS, WIDE_FLAGS, iopl, load_flags
from node.ia32.faults import general_protection
from node.ia32.flags import eflags
from node.ia32.holding import HOLD_INTERRUPTS, hold
from node.ia32.operands import in_v86
from node.ia32.privilege import look_around
from node.ia32.rows import SIZE, Row
from node.ia32.stacks import push_word, release, stack_word
from node.ia32.state import IF, IOPL_MASK, RF, VM, Cpu, Machine, Op
from node.jitted import jitted


@jitted
def pushf(c: Cpu, m: Machine, e: Op, size: int) -> None:
    if in_v86(c) and iopl(c) != 3:
        general_protection(m, 0)
    else:
        push_word(c, m, eflags(c) & ~(VM | RF), size)


@jitted
def popf(c: Cpu, m: Machine, e: Op, size: int) -> None:
    if in_v86(c) and iopl(c) != 3:
        general_protection(m, 0)
    word = stack_word(c, m, 0, size)
    if m.fault:
        return
    mask = USER_FLAGS | WIDE_FLAGS if size == 4 else USER_FLAGS
    if c.cpl <= iopl(c):
        mask |= IF
    if c.cpl == 0:
        mask |= IOPL_MASK
    load_flags(c, m, word, mask)
    release(c, m, size)
    look_around(c, m)


@jitted
def cli(c: Cpu, m: Machine, e: Op) -> None:
    if c.cpl > iopl(c):
        general_protection(m, 0)
    else:
        c.flags &= ~IF


@jitted
def sti(c: Cpu, m: Machine, e: Op) -> None:
    if c.cpl > iopl(c):
        general_protection(m, 0)
        return
    if c.flags & IF == 0:
        c.flags |= IF
        hold(c, m, HOLD_INTERRUPTS)
    look_around(c, m)


ROWS = [
    Row("9C", "-v", pushf, (SIZE,), faults="always"),
    Row("9D", "-v", popf, (SIZE,), faults="always"),
    Row("FA", "", cli, faults="always", privileged=True),
    Row("FB", "", sti, faults="always", counts=True, privileged=True),
]
