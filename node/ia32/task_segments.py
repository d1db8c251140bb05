"""The last step of a task switch: LDTR and the six segment registers of the new task, qualified in its own context.

SDM 3A 7.3 step 13 and table 7-1: #TS with the offending selector for anything wrong but absence, #NP or #SS for that.
A register whose selector was not accepted stays unusable.
"""

from node.ia32.descriptors import (
    KIND,
    LDT,
    OUTSIDE,
    attr_of,
    dpl_of,
    find_descriptor,
    high_dword,
    is_code,
    is_conforming,
    is_null,
    low_dword,
    refuse,
)
from node.ia32.operands import in_v86
from node.ia32.segments import (
    DATA_SEGMENTS,
    check_entry,
    install,
    install_marked,
    install_null,
    install_v86,
    load_data_segment,
    load_stack_segment,
    set_level,
)
from node.ia32.state import ATTR_P, CS, DS, LDTR, NP, SS, TS_, Cpu, Machine
from node.jitted import jitted


@jitted
def qualify_segments(c: Cpu, m: Machine, local_table: int, ext: int) -> None:
    """Load the hidden parts of LDTR and of the selectors that c.selector already holds."""
    for seg in range(DATA_SEGMENTS):
        install_null(c, m, seg, c.selector[seg])
    install_null(c, m, LDTR, local_table)
    set_level(c, m, 3 if in_v86(c) else c.selector[CS] & 3)
    if m.fault == 0:
        load_local_table(c, m, local_table, TS_, TS_, ext)
    if in_v86(c):
        for seg in range(DATA_SEGMENTS):
            install_v86(c, m, seg, c.selector[seg])
    else:
        _qualify_protected(c, m, ext)
    if m.fault == 0:
        check_entry(c, m, c.eip, c.limit[CS], ext)


@jitted
def _qualify_protected(c: Cpu, m: Machine, ext: int) -> None:
    if m.fault == 0:
        _load_code(c, m, c.selector[CS], ext)
    if m.fault == 0:
        load_stack_segment(c, m, c.selector[SS], TS_, ext)
    for seg in range(DATA_SEGMENTS):
        if m.fault == 0 and (seg == 0 or seg >= DS):
            load_data_segment(c, m, seg, c.selector[seg], TS_, ext)


@jitted
def _load_code(c: Cpu, m: Machine, selector: int, ext: int) -> None:
    at = find_descriptor(c, m, selector, TS_, ext)
    if at == OUTSIDE:
        return
    low, high = low_dword(c, m, at), high_dword(c, m, at)
    if m.fault:
        return
    attr = attr_of(high)
    level = selector & 3
    if not is_code(attr) or dpl_of(attr) > level or (not is_conforming(attr) and dpl_of(attr) != level):
        refuse(m, TS_, selector, ext)
    elif attr & ATTR_P == 0:
        refuse(m, NP, selector, ext)
    else:
        install_marked(c, m, CS, selector, at, low, high)


@jitted
def load_local_table(c: Cpu, m: Machine, selector: int, vector: int, absent: int, ext: int) -> None:
    """LDTR from the GDT; `vector` for a wrong descriptor, `absent` for one that is not present."""
    if is_null(selector):
        install_null(c, m, LDTR, selector)
        return
    if selector & 4:
        refuse(m, vector, selector, ext)
        return
    at = find_descriptor(c, m, selector, vector, ext)
    if at == OUTSIDE:
        return
    low, high = low_dword(c, m, at), high_dword(c, m, at)
    if m.fault:
        return
    attr = attr_of(high)
    if attr & KIND != LDT:
        refuse(m, vector, selector, ext)
    elif attr & ATTR_P == 0:
        refuse(m, absent, selector, ext)
    else:
        install(c, m, LDTR, selector, low, high)
