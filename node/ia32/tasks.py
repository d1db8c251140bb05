"""Task switches (SDM 3A 7.3): the outgoing task saved in its TSS, the incoming one loaded from its own.

Both TSS forms have one shape, in words of 4 or 2 bytes:

    frame (20h or 0Eh): EIP EFLAGS EAX ECX EDX EBX ESP EBP ESI EDI ES CS SS DS [FS GS] LDT

Everything that may fault before the switch commits is done first and changes no register. After the commit, faults
belong to the new task: its selectors are loaded, then qualified one by one, and the first bad one raises an exception
whose return address is the new task's. `switch_task` returns 1 once committed, so that its caller can tell the two
kinds apart.
"""

from node.ia32.access import load_system, store_system
from node.ia32.bus import NOTHING
from node.ia32.debug import tell
from node.ia32.descriptors import (
    BUSY,
    INDEX,
    KIND,
    OUTSIDE,
    TSS16,
    WIDE,
    address_of,
    attr_of,
    base_of,
    find_descriptor,
    high_dword,
    limit_of,
    low_dword,
    refuse,
    set_busy,
)
from node.ia32.eflags import ALL_FLAGS, replace_flags, virtual_flags
from node.ia32.faults import FAULT, NO_ERROR, raise_fault
from node.ia32.paging_control import write_cr3
from node.ia32.segments import install
from node.ia32.stacks import push_word
from node.ia32.state import ATTR_P, CR0_PG, CR0_TS, DB, FS, GS, NP, NT, SS_, TR, TS_, Cpu, Machine
from node.ia32.task_segments import qualify_segments
from node.jitted import jitted

JUMP, NESTED, RETURN = 0, 1, 2  # how a task is entered: JMP; CALL, interrupt or exception; IRET with NT set
LAST_OF_TSS16, LAST_OF_TSS32 = 0x2B, 0x67
LINK, CR3_SLOT, TRAP_BIT = 0, 0x1C, 0x64
LOCAL_BREAKPOINTS = 0x155  # DR7: L0-L3 and LE
DR6_BT = 0x8000


@jitted
def find_tss(c: Cpu, m: Machine, selector: int, vector: int, ext: int, busy: int) -> int:
    """Address of a present TSS descriptor in the GDT that is available (busy = 0) or busy (busy = BUSY)."""
    at = find_descriptor(c, m, selector, vector, ext)
    if at == OUTSIDE:
        return OUTSIDE
    attr = attr_of(high_dword(c, m, at))
    if m.fault:
        return OUTSIDE
    if selector & 4 or attr & KIND & ~WIDE != TSS16 | busy:
        refuse(m, vector, selector, ext)
    elif attr & ATTR_P == 0:
        refuse(m, NP, selector, ext)
    return at


@jitted
def switch_task(
    c: Cpu, m: Machine, selector: int, at: int, how: int, image: int, return_eip: int, error: int, ext: int
) -> int:
    """Switch to the task of the TSS descriptor at `at`; `image` is the outgoing EFLAGS, `error` an error code for the
    new task's stack or NO_ERROR. Returns 1 if it committed."""
    low, high = low_dword(c, m, at), high_dword(c, m, at)
    base = base_of(low, high)
    wide = 1 if attr_of(high) & WIDE else 0
    _check_sizes(c, m, selector, limit_of(low, high), wide, ext)
    _touch(c, m, base, LAST_OF_TSS32 if wide else LAST_OF_TSS16)
    _save(c, m, image & ~NT if how == RETURN else image, return_eip)
    if how == NESTED and m.fault == 0:
        store_system(c, m, base + LINK, 2, c.selector[TR])
    _move_busy(c, m, at, how)
    if m.fault:
        return 0
    m.reach = NOTHING  # nothing can be done again from here on
    trap = load_system(c, m, base + TRAP_BIT, 2) & 1 if wide else 0
    directory = load_system(c, m, base + CR3_SLOT, 4) if wide else c.cr3
    local_table = _load(c, m, base, wide)
    install(c, m, TR, selector, low, high | BUSY << 8)
    if how == NESTED:
        c.flags |= NT
    c.cr0 |= CR0_TS
    c.dr[7] &= ~LOCAL_BREAKPOINTS
    if wide and c.cr0 & CR0_PG:
        write_cr3(c, m, directory)
    qualify_segments(c, m, local_table, ext)
    if error >= 0:
        _push_error(c, m, error, 4 if wide else 2, ext)
    if trap and m.fault == 0:
        tell(c, DR6_BT)
        raise_fault(m, DB, NO_ERROR)
    return 1


@jitted
def _push_error(c: Cpu, m: Machine, error: int, size: int, ext: int) -> None:
    """In the new task, and before its trap bit stops it: what the handler of the trap returns to needs the code."""
    if m.fault == 0:
        push_word(c, m, error, size)
        if m.fault == FAULT + SS_:
            m.error = ext


@jitted
def _check_sizes(c: Cpu, m: Machine, selector: int, limit: int, wide: int, ext: int) -> None:
    """Both TSSs hold a whole task (SDM 3A 7.3, table 7-1)."""
    if limit < (LAST_OF_TSS32 if wide else LAST_OF_TSS16):
        refuse(m, TS_, selector, ext)
    elif c.limit[TR] < (LAST_OF_TSS32 if c.attr[TR] & WIDE else LAST_OF_TSS16):
        refuse(m, TS_, c.selector[TR] & INDEX, ext)


@jitted
def _touch(c: Cpu, m: Machine, base: int, last: int) -> None:
    """Raise the page faults of reading a TSS now, while nothing has changed."""
    if m.fault == 0:
        load_system(c, m, base, 1)
        load_system(c, m, base + last, 1)


@jitted
def _save(c: Cpu, m: Machine, image: int, return_eip: int) -> None:
    """The outgoing task's dynamic fields. A fault half-way does no harm: only entering that task reads them."""
    wide = c.attr[TR] & WIDE
    size = 4 if wide else 2
    frame = c.base[TR] + (0x20 if wide else 0x0E)
    mask = 0xFFFF_FFFF if wide else 0xFFFF
    if m.fault == 0:
        store_system(c, m, frame, size, return_eip & mask)
        store_system(c, m, frame + size, size, image & mask)
    for i in range(8):
        if m.fault == 0:
            store_system(c, m, frame + size * (2 + i), size, c.gpr[i] & mask)
    for seg in range(6 if wide else 4):
        if m.fault == 0:
            store_system(c, m, frame + size * (10 + seg), 2, c.selector[seg])


@jitted
def _move_busy(c: Cpu, m: Machine, at: int, how: int) -> None:
    """Table 7-2: JMP and IRET free the old task, JMP and CALL make the new one busy."""
    old = address_of(c, c.selector[TR])
    if m.fault == 0 and how != NESTED and old != OUTSIDE:
        set_busy(c, m, old, 0)
    if m.fault == 0 and how != RETURN:
        set_busy(c, m, at, 1)


@jitted
def _load(c: Cpu, m: Machine, base: int, wide: int) -> int:
    """Registers and selectors (not yet their descriptors) of the incoming task; returns its LDT selector."""
    size = 4 if wide else 2
    frame = base + (0x20 if wide else 0x0E)
    upper = 0 if wide else 0xFFFF_0000  # an 80286 task leaves ones there
    c.eip = load_system(c, m, frame, size)
    replace_flags(c, load_system(c, m, frame + size, size), ALL_FLAGS | virtual_flags(m))
    for i in range(8):
        c.gpr[i] = load_system(c, m, frame + size * (2 + i), size) | upper
    segments = 6 if wide else 4
    c.selector[FS] = 0
    c.selector[GS] = 0
    for seg in range(segments):
        c.selector[seg] = load_system(c, m, frame + size * (10 + seg), 2)
    return load_system(c, m, frame + size * (10 + segments), 2)
