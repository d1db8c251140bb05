"""What system instructions ask before they act, and how they end: privilege, mode, and the next instruction.

Nothing here changes architectural state but EIP.
"""

from node.ia32.faults import general_protection, leave_after, undefined
from node.ia32.operands import in_v86, next_eip
from node.ia32.state import CR0_PE, IF, TF, Cpu, Machine, Op
from node.jitted import inlined, jitted


@inlined
def is_protected(c: Cpu) -> bool:
    """Protected mode proper: neither real nor virtual-8086 mode."""
    return c.cr0 & CR0_PE != 0 and in_v86(c) == 0


@jitted
def require_level0(c: Cpu, m: Machine) -> None:
    """#GP(0) outside level 0 (virtual-8086 mode is level 3, real mode level 0)."""
    if c.cpl != 0:
        general_protection(m, 0)


@jitted
def require_protected(c: Cpu, m: Machine) -> None:
    """#UD in real and virtual-8086 mode: instructions that only protected mode knows."""
    if not is_protected(c):
        undefined(m)


@jitted
def fall_through(c: Cpu, e: Op) -> None:
    """Go on with the following instruction, from a semantic that ends its block."""
    c.eip = next_eip(c, e)


@jitted
def look_around(c: Cpu, m: Machine) -> None:
    """After IF, TF or NMI masking changed: let the outer loop look if something waits."""
    if c.flags & TF or c.nmi_pending or (c.flags & IF and m.interrupt_line):
        leave_after(m)
