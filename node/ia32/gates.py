"""Protected-mode delivery: from an IDT entry to the first instruction of its handler (SDM 3A 6.11-6.13, 20.3).

                     pushed, from the top of the stack on                                  stack
    same level       [error] EIP CS EFLAGS                                                 the current one
    inner level      [error] EIP CS EFLAGS ESP SS                                          the TSS's for that level
    from v86         [error] EIP CS EFLAGS ESP SS ES DS FS GS, the last four then null     the TSS's for level 0
    task gate        [error]                                                               the new task's

A fault on the way leaves registers and flags as they were; bit 0 of its error code (EXT) says whether the event being
delivered came from outside the program. Words are 4 bytes, or 2 through an 80286 gate.
"""

from node.ia32.descriptors import (
    INDEX,
    INTERRUPT_GATE16,
    KIND,
    OUTSIDE,
    TASK_GATE,
    TRAP_GATE16,
    WIDE,
    attr_of,
    dpl_of,
    find_descriptor,
    gate_offset,
    gate_selector,
    high_dword,
    is_code,
    is_conforming,
    limit_of,
    low_dword,
    mark_accessed,
    refuse,
)
from node.ia32.faults import raise_fault
from node.ia32.operands import in_v86
from node.ia32.segments import check_entry, install, install_null
from node.ia32.stacks import enter_inner_stack, push_word, restore_stack
from node.ia32.state import ATTR_P, CS, DS, ES, ESP, FS, GP, GS, IF, M32, NP, NT, RF, SS, TF, VM, Cpu, Machine
from node.ia32.tasks import NESTED, find_tss, switch_task
from node.jitted import inlined, jitted

IDT_ERROR = 2  # bit 1 of an error code: the index is into the IDT


@jitted
def deliver_protected(c: Cpu, m: Machine, vector: int, error: int, software: int, image: int, return_eip: int) -> int:
    """Enter the handler of `vector`; `software`: INT n, INT3 or INTO. `image` is the EFLAGS to push. Returns 1 if a
    task switch committed, after which a fault belongs to the new task."""
    ext = 0 if software else 1
    code = vector * 8 + IDT_ERROR + ext
    if vector * 8 + 7 > c.idt_limit:
        raise_fault(m, GP, code)
        return 0
    at = (c.idt_base + vector * 8) & M32
    low, high = low_dword(c, m, at), high_dword(c, m, at)
    if m.fault:
        return 0
    attr = attr_of(high)
    if not _is_idt_gate(attr & KIND) or (software and dpl_of(attr) < c.cpl):
        raise_fault(m, GP, code)
    elif attr & ATTR_P == 0:
        raise_fault(m, NP, code)
    elif attr & KIND == TASK_GATE:
        return _through_task_gate(c, m, gate_selector(low), error, ext, image, return_eip)
    else:
        _through_gate(c, m, low, high, error, ext, image, return_eip)
    return 0


@inlined
def _is_idt_gate(kind: int) -> bool:
    return kind == TASK_GATE or kind & ~WIDE == INTERRUPT_GATE16 or kind & ~WIDE == TRAP_GATE16


@jitted
def _through_task_gate(c: Cpu, m: Machine, selector: int, error: int, ext: int, image: int, return_eip: int) -> int:
    at = find_tss(c, m, selector, GP, ext, 0)
    if m.fault:
        return 0
    return switch_task(c, m, selector, at, NESTED, image, return_eip, error, ext)


@inlined
def _handler_level(c: Cpu, m: Machine, selector: int, attr: int, ext: int) -> int:
    """The privilege level at which a handler in this code segment runs; #GP or #NP if it may not be entered."""
    level = dpl_of(attr)
    if not is_code(attr) or level > c.cpl:
        refuse(m, GP, selector, ext)
    elif attr & ATTR_P == 0:
        refuse(m, NP, selector, ext)
    elif in_v86(c) and (is_conforming(attr) or level != 0):
        refuse(m, GP, selector, ext)
    return c.cpl if is_conforming(attr) else level


@inlined
def _through_gate(c: Cpu, m: Machine, low: int, high: int, error: int, ext: int, image: int, return_eip: int) -> None:
    selector = gate_selector(low)
    at = find_descriptor(c, m, selector, GP, ext)
    if at == OUTSIDE:
        return
    code_low, code_high = low_dword(c, m, at), high_dword(c, m, at)
    if m.fault:
        return
    level = _handler_level(c, m, selector, attr_of(code_high), ext)
    ss, base, limit, attr = c.selector[SS], c.base[SS], c.limit[SS], c.attr[SS]
    esp, old_level = c.gpr[ESP], c.cpl
    if m.fault == 0 and level < old_level:
        enter_inner_stack(c, m, level, ext)
    if m.fault:
        return
    size = 4 if attr_of(high) & WIDE else 2
    if level < old_level:
        _push_outer(c, m, ss, esp, size)
    push_word(c, m, image, size)
    push_word(c, m, c.selector[CS], size)
    push_word(c, m, return_eip, size)
    if error >= 0:
        push_word(c, m, error, size)
    if m.fault == 0:
        check_entry(c, m, gate_offset(low, high), limit_of(code_low, code_high), ext)
    if m.fault == 0:
        mark_accessed(c, m, at, code_high)
    if m.fault:
        refused = (c.selector[SS] & INDEX) | ext if level < old_level else ext
        restore_stack(c, m, ss, base, limit, attr, esp, old_level, refused)
        return
    if in_v86(c):
        for seg in range(4):
            install_null(c, m, ES if seg == 0 else DS if seg == 1 else FS if seg == 2 else GS, 0)
    install(c, m, CS, (selector & INDEX) | level, code_low, code_high)
    c.eip = gate_offset(low, high)
    c.flags &= ~(TF | NT | VM | RF) if attr_of(high) & 1 else ~(TF | NT | VM | RF | IF)


@jitted
def _push_outer(c: Cpu, m: Machine, ss: int, esp: int, size: int) -> None:
    """What an inner-level frame holds beyond the common words."""
    if in_v86(c):
        push_word(c, m, c.selector[GS], size)
        push_word(c, m, c.selector[FS], size)
        push_word(c, m, c.selector[DS], size)
        push_word(c, m, c.selector[ES], size)
    push_word(c, m, ss, size)
    push_word(c, m, esp, size)
