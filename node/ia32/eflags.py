"""EFLAGS as one word: which bits exist, and replacing some of them.

RF lives from the IRET or task switch that loads it to the beginning of the next instruction (SDM 3B 17.3.1.1). VIF and
VIP belong to VME (virtual_interrupts.py); a processor without it has them clear.
"""

from node.ia32.faults import leave_after
from node.ia32.flags import eflags, set_explicit
from node.ia32.segments import refresh_level
from node.ia32.state import AC, CR4_VME, DF, ID, IF, IOPL_MASK, NT, RF, STATUS_FLAGS, TF, VIF, VIP, VM, Cpu, Machine
from node.jitted import inlined, jitted

USER_FLAGS = STATUS_FLAGS | TF | DF | NT  # what every privilege level may change, 16-bit forms
WIDE_FLAGS = AC | ID  # and in addition with 32-bit operands
RETURN_FLAGS = WIDE_FLAGS | RF  # IRET's
ALL_FLAGS = USER_FLAGS | RETURN_FLAGS | IF | IOPL_MASK | VM


@inlined
def virtual_flags(m: Machine) -> int:
    """VIF and VIP where they exist: what IRET at level 0 and task switches load besides."""
    return VIF | VIP if m.cr4_bits & CR4_VME else 0


@jitted
def replace_flags(c: Cpu, value: int, mask: int) -> None:
    """Take the bits of `mask` from `value` and leave the others."""
    word = (eflags(c) & ~mask) | (value & mask) | 2
    set_explicit(c, word)
    c.flags = word & ~STATUS_FLAGS


@jitted
def load_flags(c: Cpu, m: Machine, value: int, mask: int) -> None:
    """The same by POPF or IRET, which may switch alignment checks on or off, and with that the mode."""
    before = c.flags
    replace_flags(c, value, mask)
    if (before ^ c.flags) & AC:
        refresh_level(c, m)
        leave_after(m)


@jitted
def iopl(c: Cpu) -> int:
    return (c.flags & IOPL_MASK) >> 12
