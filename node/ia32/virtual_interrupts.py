"""The virtual interrupt flag: VME in virtual-8086 mode, PVI at level 3 of protected mode (SDM 3A 20.3, 20.4).

Where IOPL keeps a program from IF, VIF takes its place, and VIP says that the monitor has an interrupt for it:

                  CLI, STI      PUSHF, POPF, IRET (16-bit)    INT n
    VME, IOPL < 3   VIF           VIF in the place of IF        by the bitmap: its own handler, or #GP(0)
    VME, IOPL = 3   IF            IF                            by the bitmap: its own handler, or the monitor's gate
    PVI, IOPL < 3   VIF           as without                    as without

Whoever would set VIF while VIP is set meets #GP(0), which is how the monitor learns that the program is ready. The
bitmap, 32 bytes below the TSS's I/O permission bitmap, has a bit set for each interrupt that the monitor wants.
"""

from node.ia32.access import load_system
from node.ia32.descriptors import KIND, WIDE
from node.ia32.eflags import USER_FLAGS, iopl, load_flags
from node.ia32.faults import general_protection
from node.ia32.flags import eflags
from node.ia32.operands import in_v86
from node.ia32.segments import install_v86
from node.ia32.stacks import push_word
from node.ia32.state import CR4_PVI, CR4_VME, CS, ESP, IF, IOPL_MASK, RF, TF, TR, VIF, VIP, Cpu, Machine
from node.jitted import inlined, jitted

IO_MAP = 0x66  # where a 32-bit TSS keeps the offset of its I/O permission bitmap
REDIRECTION_BYTES = 32


@inlined
def has_virtual_flag(c: Cpu) -> bool:
    """To be asked where CPL > IOPL: VIF takes the place of IF."""
    return c.cpl == 3 and c.cr4 & (CR4_VME if in_v86(c) else CR4_PVI) != 0


@jitted
def set_virtual_flag(c: Cpu, m: Machine) -> None:
    """STI."""
    if c.flags & VIP:
        general_protection(m, 0)
    else:
        c.flags |= VIF


@jitted
def virtual_image(c: Cpu) -> int:
    """EFLAGS as the 8086 program is to see it: IOPL 3, and VIF in the place of IF."""
    return (eflags(c) & ~IF) | IOPL_MASK | (IF if c.flags & VIF else 0)


@jitted
def check_virtual_image(c: Cpu, m: Machine, image: int) -> None:
    """#GP(0) for what POPF and IRET must leave to the monitor."""
    if image & TF or (image & IF and c.flags & VIP):
        general_protection(m, 0)


@jitted
def load_virtual_image(c: Cpu, m: Machine, image: int) -> None:
    load_flags(c, m, image, USER_FLAGS)
    c.flags = c.flags & ~VIF | (VIF if image & IF else 0)


@jitted
def is_redirected(c: Cpu, m: Machine, vector: int) -> int:
    """INT n in virtual-8086 mode with CR4.VME: 1 if it is the 8086 program's own business."""
    at = -1
    if c.attr[TR] & KIND & WIDE and c.limit[TR] >= IO_MAP + 1:
        at = load_system(c, m, c.base[TR] + IO_MAP, 2) - REDIRECTION_BYTES + (vector >> 3)
    if m.fault == 0 and (at < 0 or at > c.limit[TR]):
        general_protection(m, 0)
    if m.fault:
        return 0
    bits = load_system(c, m, c.base[TR] + at, 1)
    return 1 if m.fault == 0 and bits >> (vector & 7) & 1 == 0 else 0


@jitted
def enter_8086_handler(c: Cpu, m: Machine, vector: int, return_eip: int) -> None:
    """Through the interrupt vector table at linear address 0, as in real mode."""
    below = 1 if iopl(c) != 3 else 0
    offset, selector = load_system(c, m, vector * 4, 2), load_system(c, m, vector * 4 + 2, 2)
    esp = c.gpr[ESP]
    push_word(c, m, virtual_image(c) if below else eflags(c), 2)
    push_word(c, m, c.selector[CS], 2)
    push_word(c, m, return_eip, 2)
    if m.fault:
        c.gpr[ESP] = esp
        return
    install_v86(c, m, CS, selector)
    c.eip = offset
    c.flags &= ~(TF | RF | (VIF if below else IF))
