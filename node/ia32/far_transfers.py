"""Far JMP and CALL in protected mode: to code segments, through call gates, and to other tasks (SDM 3A 5.8, 7.3; 2A
CALL, JMP).

A call through a gate to an inner level moves to that level's stack and copies the gate's number of parameters:

    old stack:  parameters …        new stack, from its top on:  EIP CS parameters … ESP SS

Words are of the gate's size there, of the operand's otherwise. The result of `far_protected` is 1 if a task switch
committed.
"""

from node.ia32.access import load_system
from node.ia32.descriptors import (
    CALL_GATE16,
    INDEX,
    KIND,
    OUTSIDE,
    TASK_GATE,
    TSS16,
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
from node.ia32.faults import NO_ERROR
from node.ia32.flags import eflags
from node.ia32.segments import check_entry, install
from node.ia32.stacks import enter_inner_stack, push_word, restore_stack, stack_word
from node.ia32.state import ATTR_D, ATTR_P, ATTR_S, CS, ESP, GP, M16, M32, NP, SS, Cpu, Machine
from node.ia32.tasks import JUMP, NESTED, find_tss, switch_task
from node.jitted import jitted


@jitted
def far_protected(c: Cpu, m: Machine, selector: int, offset: int, size: int, call: int, return_eip: int) -> int:
    """JMP or CALL (`call` = 1) to selector:offset with `size`-byte words."""
    at = find_descriptor(c, m, selector, GP, 0)
    if at == OUTSIDE:
        return 0
    low, high = low_dword(c, m, at), high_dword(c, m, at)
    if m.fault:
        return 0
    attr = attr_of(high)
    if attr & ATTR_S:
        _to_code(c, m, selector, offset, size, call, return_eip)
        return 0
    if dpl_of(attr) < max(c.cpl, selector & 3):
        refuse(m, GP, selector, 0)
        return 0
    kind = attr & KIND
    if kind & ~WIDE == CALL_GATE16:
        if attr & ATTR_P == 0:
            refuse(m, NP, selector, 0)
        elif call:
            _call_gate(c, m, low, high, return_eip)
        else:
            _to_target(c, m, gate_selector(low), gate_offset(low, high), 4, 0, 0)
        return 0
    if kind == TASK_GATE:
        if attr & ATTR_P == 0:
            refuse(m, NP, selector, 0)
            return 0
        return _to_task(c, m, gate_selector(low), call, return_eip)
    if kind & ~WIDE == TSS16:
        return _to_task(c, m, selector, call, return_eip)
    refuse(m, GP, selector, 0)
    return 0


@jitted
def _to_task(c: Cpu, m: Machine, selector: int, call: int, return_eip: int) -> int:
    at = find_tss(c, m, selector, GP, 0, 0)
    if m.fault:
        return 0
    return switch_task(c, m, selector, at, NESTED if call else JUMP, eflags(c), return_eip, NO_ERROR, 0)


@jitted
def _to_code(c: Cpu, m: Machine, selector: int, offset: int, size: int, call: int, return_eip: int) -> None:
    """Directly to a code segment: the RPL counts, except for a conforming one."""
    at = find_descriptor(c, m, selector, GP, 0)
    attr = attr_of(high_dword(c, m, at))
    if is_code(attr) and not is_conforming(attr) and selector & 3 > c.cpl:
        refuse(m, GP, selector, 0)
    else:
        _to_target(c, m, selector, offset, size, call, return_eip)


@jitted
def _to_target(c: Cpu, m: Machine, selector: int, offset: int, size: int, call: int, return_eip: int) -> None:
    """To a code segment at the present CPL: conforming with DPL <= CPL, or nonconforming with DPL = CPL."""
    at = find_descriptor(c, m, selector, GP, 0)
    if at == OUTSIDE:
        return
    low, high = low_dword(c, m, at), high_dword(c, m, at)
    if m.fault:
        return
    attr = attr_of(high)
    if not is_code(attr) or dpl_of(attr) > c.cpl or (not is_conforming(attr) and dpl_of(attr) != c.cpl):
        refuse(m, GP, selector, 0)
    elif attr & ATTR_P == 0:
        refuse(m, NP, selector, 0)
    else:
        _same_level(c, m, selector, at, low, high, offset, size, call, return_eip)


@jitted
def _same_level(
    c: Cpu, m: Machine, selector: int, at: int, low: int, high: int, offset: int, size: int, call: int, return_eip: int
) -> None:
    esp = c.gpr[ESP]
    if call:
        push_word(c, m, c.selector[CS], size)
        push_word(c, m, return_eip, size)
    if m.fault == 0:
        check_entry(c, m, offset, limit_of(low, high), 0)
    if m.fault == 0:
        mark_accessed(c, m, at, high)
    if m.fault:
        c.gpr[ESP] = esp
        return
    install(c, m, CS, (selector & INDEX) | c.cpl, low, high)
    c.eip = offset


@jitted
def _call_gate(c: Cpu, m: Machine, low: int, high: int, return_eip: int) -> None:
    selector, offset = gate_selector(low), gate_offset(low, high)
    size = 4 if attr_of(high) & WIDE else 2
    at = find_descriptor(c, m, selector, GP, 0)
    if at == OUTSIDE:
        return
    code_low, code_high = low_dword(c, m, at), high_dword(c, m, at)
    if m.fault:
        return
    attr = attr_of(code_high)
    if not is_code(attr) or dpl_of(attr) > c.cpl:
        refuse(m, GP, selector, 0)
    elif attr & ATTR_P == 0:
        refuse(m, NP, selector, 0)
    elif is_conforming(attr) or dpl_of(attr) == c.cpl:
        _same_level(c, m, selector, at, code_low, code_high, offset, size, 1, return_eip)
    else:
        _call_inner(c, m, selector, at, offset, size, high & 0x1F, return_eip)


@jitted
def _call_inner(
    c: Cpu, m: Machine, selector: int, at: int, offset: int, size: int, count: int, return_eip: int
) -> None:
    low, high = low_dword(c, m, at), high_dword(c, m, at)
    level = dpl_of(attr_of(high))
    ss, base, limit, attr = c.selector[SS], c.base[SS], c.limit[SS], c.attr[SS]
    esp, old_level = c.gpr[ESP], c.cpl
    for i in range(count):
        stack_word(c, m, i * size, size)  # the parameters must be readable at the old level
    if m.fault == 0:
        enter_inner_stack(c, m, level, 0)
    if m.fault:
        return
    push_word(c, m, ss, size)
    push_word(c, m, esp, size)
    mask = M32 if attr & ATTR_D else M16
    for i in range(count):
        depth = (count - 1 - i) * size
        push_word(c, m, load_system(c, m, base + ((esp + depth) & mask), size), size)
    push_word(c, m, c.selector[CS], size)
    push_word(c, m, return_eip, size)
    if m.fault == 0:
        check_entry(c, m, offset, limit_of(low, high), 0)
    if m.fault == 0:
        mark_accessed(c, m, at, high)
    if m.fault:
        restore_stack(c, m, ss, base, limit, attr, esp, old_level, c.selector[SS] & INDEX)
        return
    install(c, m, CS, (selector & INDEX) | level, low, high)
    c.eip = offset
