"""RETF and IRET in protected mode: to the same level, an outer one, virtual-8086 mode, or the calling task.

All words are read from the present stack, and all checks made, before anything changes (SDM 3A 5.8.6, 6.12.1; 2A
IRET, RET). The frames, from the top of the stack on (RETF n also releases n bytes of parameters, on both stacks):

    RETF  EIP CS [parameters] [ESP SS]        IRET  EIP CS EFLAGS [ESP SS [ES DS FS GS]]
"""

from node.ia32.access import load_system
from node.ia32.descriptors import (
    BUSY,
    OUTSIDE,
    attr_of,
    dpl_of,
    find_descriptor,
    high_dword,
    is_code,
    is_conforming,
    limit_of,
    low_dword,
    mark_accessed,
    refuse,
)
from node.ia32.eflags import ALL_FLAGS, RETURN_FLAGS, USER_FLAGS, iopl, load_flags, virtual_flags
from node.ia32.faults import NO_ERROR
from node.ia32.flags import eflags
from node.ia32.segments import (
    check_entry,
    check_stack_segment,
    drop_inner_segments,
    install,
    install_marked,
    install_v86,
    set_level,
)
from node.ia32.stacks import release, set_stack_pointer, stack_word
from node.ia32.state import (
    ATTR_P,
    CS,
    DS,
    ES,
    ESP,
    FS,
    GP,
    GS,
    IF,
    IOPL_MASK,
    M16,
    NP,
    NT,
    SS,
    TR,
    TS_,
    VM,
    Cpu,
    Machine,
)
from node.ia32.tasks import LINK, RETURN, find_tss, switch_task
from node.jitted import inlined, jitted


@jitted
def return_protected(c: Cpu, m: Machine, size: int, frame: int, released: int) -> None:
    """To the EIP and CS at the top; `frame` bytes are popped at this level, and `released` more on both stacks."""
    eip, selector = stack_word(c, m, 0, size), stack_word(c, m, size, size) & M16
    at = OUTSIDE if m.fault else _check_code(c, m, selector)
    if m.fault:
        return
    low, high = low_dword(c, m, at), high_dword(c, m, at)
    level = selector & 3
    if level == c.cpl:
        check_entry(c, m, eip, limit_of(low, high), 0)
        if m.fault == 0:
            mark_accessed(c, m, at, high)
        if m.fault == 0:
            release(c, m, frame + released)
            install(c, m, CS, selector, low, high)
            c.eip = eip
        return
    esp = stack_word(c, m, frame + released, size)
    ss = stack_word(c, m, frame + released + size, size) & M16
    stack_at = OUTSIDE if m.fault else check_stack_segment(c, m, ss, level, GP, 0)
    if m.fault == 0:
        check_entry(c, m, eip, limit_of(low, high), 0)
    if m.fault == 0:
        mark_accessed(c, m, at, high)
    if m.fault:
        return
    install_marked(c, m, SS, ss, stack_at, low_dword(c, m, stack_at), high_dword(c, m, stack_at))
    if m.fault:
        return
    install(c, m, CS, selector, low, high)
    c.eip = eip
    set_level(c, m, level)
    set_stack_pointer(c, esp)
    release(c, m, released)
    drop_inner_segments(c, m)


@inlined
def _check_code(c: Cpu, m: Machine, selector: int) -> int:
    """Address of the descriptor of a code segment to which a return to RPL is allowed."""
    at = find_descriptor(c, m, selector, GP, 0)
    if at == OUTSIDE:
        return OUTSIDE
    attr = attr_of(high_dword(c, m, at))
    if m.fault:
        return OUTSIDE
    level = selector & 3
    wrong = level < c.cpl or not is_code(attr) or dpl_of(attr) > level
    if wrong or (not is_conforming(attr) and dpl_of(attr) != level):
        refuse(m, GP, selector, 0)
    elif attr & ATTR_P == 0:
        refuse(m, NP, selector, 0)
    return at


@jitted
def iret_protected(c: Cpu, m: Machine, size: int, return_eip: int) -> int:
    """IRET with PE = 1 and VM = 0. Returns 1 if a task switch committed."""
    if c.flags & NT:
        return _iret_task(c, m, return_eip)
    image = stack_word(c, m, 2 * size, size)
    if m.fault:
        return 0
    if size == 4 and image & VM and c.cpl == 0:
        _iret_v86(c, m, image)
        return 0
    mask = USER_FLAGS | RETURN_FLAGS if size == 4 else USER_FLAGS
    if c.cpl <= iopl(c):
        mask |= IF
    if c.cpl == 0:
        mask |= IOPL_MASK | (virtual_flags(m) if size == 4 else 0)
    return_protected(c, m, size, 3 * size, 0)
    if m.fault == 0:
        load_flags(c, m, image, mask)
        c.nmi_masked = 0
    return 0


@jitted
def _iret_task(c: Cpu, m: Machine, return_eip: int) -> int:
    """NT: back to the task named by this TSS's link (SDM 3A 7.4)."""
    selector = load_system(c, m, c.base[TR] + LINK, 2)
    at = OUTSIDE if m.fault else find_tss(c, m, selector, TS_, 0, BUSY)
    if m.fault:
        return 0
    committed = switch_task(c, m, selector, at, RETURN, eflags(c) & ~NT, return_eip, NO_ERROR, 0)
    if committed:
        c.nmi_masked = 0
    return committed


@jitted
def _iret_v86(c: Cpu, m: Machine, image: int) -> None:
    """To virtual-8086 mode from level 0 (SDM 3A 20.2.5): a frame of nine dwords with segments taken as they are."""
    eip, cs = stack_word(c, m, 0, 4), stack_word(c, m, 4, 4)
    esp, ss = stack_word(c, m, 12, 4), stack_word(c, m, 16, 4)
    es, ds = stack_word(c, m, 20, 4), stack_word(c, m, 24, 4)
    fs, gs = stack_word(c, m, 28, 4), stack_word(c, m, 32, 4)
    if m.fault == 0:
        check_entry(c, m, eip, M16, 0)
    if m.fault:
        return
    load_flags(c, m, image, ALL_FLAGS | virtual_flags(m))
    install_v86(c, m, CS, cs)
    install_v86(c, m, SS, ss)
    install_v86(c, m, ES, es)
    install_v86(c, m, DS, ds)
    install_v86(c, m, FS, fs)
    install_v86(c, m, GS, gs)
    set_level(c, m, 3)
    c.eip = eip
    c.gpr[ESP] = esp
    c.nmi_masked = 0
