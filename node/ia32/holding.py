"""The shadow behind STI and loads of SS: what is held off until the next instruction has been executed (SDM 2B, STI; 3A
6.8.3).

It ends by itself: `c.inhibit` holds where `m.held_at` instructions have been executed, and nowhere else. So the
instruction that comes then need not end it, and STI need not be the last of its block. Who looks says first that what
has ended is over; at the end of a run nothing is left to be said.
"""

from node.ia32.state import Cpu, Machine
from node.jitted import inlined, jitted

HOLD_INTERRUPTS, HOLD_ALL = 1, 2  # c.inhibit: maskable interrupts and NMIs; debug traps and code breakpoints too


@inlined
def executed(c: Cpu, m: Machine) -> int:
    """Instructions since reset. Native code must have told m.left."""
    return c.instructions + m.slice - m.left


@jitted
def hold(c: Cpu, m: Machine, kind: int) -> None:
    """From an instruction, for the one behind it. Of two of a kind in a row only the first holds."""
    present = executed(c, m)
    if c.inhibit != kind or m.held_at != present:
        c.inhibit = kind
        m.held_at = present + 1


@inlined
def let_go(c: Cpu, m: Machine) -> None:
    if c.inhibit and m.held_at != executed(c, m):
        c.inhibit = 0
