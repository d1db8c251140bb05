"""PUSHF, POPF, CLI, STI: EFLAGS as programs with and without I/O privilege may change it (SDM 2A; 3A 2.3, 20.2.7).

CPL <= IOPL is needed for CLI and STI, and for POPF to change IF (it is ignored silently there); only level 0 changes
IOPL. In virtual-8086 mode all four need IOPL 3. Without it there may be a virtual flag (virtual_interrupts.py).
"""

from node.ia32.eflags import USER_FLAGS, WIDE_FLAGS, iopl, load_flags
from node.ia32.faults import general_protection
from node.ia32.flags import eflags
from node.ia32.holding import HOLD_INTERRUPTS, hold
from node.ia32.operands import in_v86
from node.ia32.privilege import look_around
from node.ia32.rows import SIZE, Row
from node.ia32.stacks import push_word, release, stack_word
from node.ia32.state import IF, IOPL_MASK, RF, VIF, VM, Cpu, Machine, Op
from node.ia32.virtual_interrupts import (
    check_virtual_image,
    has_virtual_flag,
    load_virtual_image,
    set_virtual_flag,
    virtual_image,
)
from node.jitted import jitted


@jitted
def pushf(c: Cpu, m: Machine, e: Op, size: int) -> None:
    if in_v86(c) and iopl(c) != 3:
        if has_virtual_flag(c) and size == 2:
            push_word(c, m, virtual_image(c), 2)
        else:
            general_protection(m, 0)
    else:
        push_word(c, m, eflags(c) & ~(VM | RF), size)


@jitted
def popf(c: Cpu, m: Machine, e: Op, size: int) -> None:
    if in_v86(c) and iopl(c) != 3:
        _popf_virtual(c, m, size)
        return
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
def _popf_virtual(c: Cpu, m: Machine, size: int) -> None:
    if size != 2 or not has_virtual_flag(c):
        general_protection(m, 0)
    word = stack_word(c, m, 0, 2)
    if m.fault == 0:
        check_virtual_image(c, m, word)
    if m.fault == 0:
        load_virtual_image(c, m, word)
        release(c, m, 2)
        look_around(c, m)


@jitted
def cli(c: Cpu, m: Machine, e: Op) -> None:
    if c.cpl <= iopl(c):
        c.flags &= ~IF
    elif has_virtual_flag(c):
        c.flags &= ~VIF
    else:
        general_protection(m, 0)


@jitted
def sti(c: Cpu, m: Machine, e: Op) -> None:
    if c.cpl > iopl(c):
        if has_virtual_flag(c):
            set_virtual_flag(c, m)
        else:
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
