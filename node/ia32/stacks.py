"""Frames on stacks: the words of a transfer, and the stack of an inner privilege level, taken from the TSS.

A transfer to more privilege pushes its frame on the new stack with the new level's rights, but must leave everything
as it was if a push faults. So the caller notes SS, ESP and CPL, enters the new stack, pushes, and on a fault calls
`restore_stack` with what it noted (SDM 3A 5.8.5, 6.12.1).
"""

from node.ia32.access import load_system
from node.ia32.descriptors import WIDE, high_dword, low_dword, refuse
from node.ia32.faults import FAULT
from node.ia32.operands import drop, mask_of, push, top
from node.ia32.segments import check_stack_segment, install_marked, refresh_segment, set_level
from node.ia32.state import ATTR_D, ESP, M16, M32, SS, SS_, TR, TS_, Cpu, Machine
from node.jitted import inlined, jitted


@inlined
def push_word(c: Cpu, m: Machine, value: int, size: int) -> None:
    """Push unless something has faulted already."""
    if m.fault == 0:
        push(c, m, value & mask_of(size), size)


@inlined
def stack_word(c: Cpu, m: Machine, depth: int, size: int) -> int:
    """The word `depth` bytes above the top; 0 if something has faulted."""
    return top(c, m, depth, size) if m.fault == 0 else 0


@inlined
def release(c: Cpu, m: Machine, count: int) -> None:
    drop(c, m, count)


@inlined
def set_stack_pointer(c: Cpu, value: int) -> None:
    """Load (E)SP for the stack segment in SS: only SP while SS.B is clear."""
    if c.attr[SS] & ATTR_D:
        c.gpr[ESP] = value & M32
    else:
        c.gpr[ESP] = (c.gpr[ESP] & 0xFFFF_0000) | (value & M16)


@jitted
def enter_inner_stack(c: Cpu, m: Machine, level: int, ext: int) -> None:
    """Load SS:ESP and CPL for `level` from the TSS; a fault (#TS, #SS, #PF) changes nothing."""
    wide = c.attr[TR] & WIDE
    size = 4 if wide else 2
    slot = (level << 3) + 4 if wide else (level << 2) + 2
    if slot + size + 1 > c.limit[TR]:
        refuse(m, TS_, c.selector[TR], ext)
        return
    pointer = load_system(c, m, c.base[TR] + slot, size)
    selector = load_system(c, m, c.base[TR] + slot + size, 2)
    if m.fault:
        return
    at = check_stack_segment(c, m, selector, level, TS_, ext)
    if m.fault:
        return
    install_marked(c, m, SS, selector, at, low_dword(c, m, at), high_dword(c, m, at))
    if m.fault:
        return
    set_level(c, m, level)
    set_stack_pointer(c, pointer)


@jitted
def restore_stack(
    c: Cpu, m: Machine, selector: int, base: int, limit: int, attr: int, esp: int, level: int, error: int
) -> None:
    """Undo pushes that faulted; a limit violation becomes #SS(error)."""
    c.selector[SS] = selector
    c.base[SS] = base
    c.limit[SS] = limit
    c.attr[SS] = attr
    c.gpr[ESP] = esp
    refresh_segment(c, m, SS)
    set_level(c, m, level)
    if m.fault == FAULT + SS_:
        m.error = error
