"""EFLAGS as one word: which bits exist, and replacing some of them.

RF is pushed but never kept: nothing looks at it while instruction breakpoints are not offered. VIF and VIP belong to
VME, which is not offered either, and read as zero.
"""

from node.ia32.flags import eflags, set_explicit
from node.ia32.state import AC, DF, ID, IF, IOPL_MASK, NT, STATUS_FLAGS, TF, VM, Cpu
from node.jitted import jitted

USER_FLAGS = STATUS_FLAGS | TF | DF | NT  # what every privilege level may change, 16-bit forms
WIDE_FLAGS = AC | ID  # and in addition with 32-bit operands
ALL_FLAGS = USER_FLAGS | WIDE_FLAGS | IF | IOPL_MASK | VM


@jitted
def replace_flags(c: Cpu, value: int, mask: int) -> None:
    """Take the bits of `mask` from `value` and leave the others."""
    word = (eflags(c) & ~mask) | (value & mask) | 2
    set_explicit(c, word)
    c.flags = word & ~STATUS_FLAGS


@jitted
def iopl(c: Cpu) -> int:
    return (c.flags & IOPL_MASK) >> 12
