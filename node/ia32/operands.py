"""The vocabulary of semantics: registers by size, effective addresses, memory and stack operands.

Sizes are bytes (1, 2, 4) and constant wherever they matter. A memory operand is read before anything is changed; a
failed
access sets `m.fault`, returns 0, and the semantic must stop.
"""

from node.ia32.access import load, load_to_change, store
from node.ia32.faults import general_protection, stack_fault
from node.ia32.state import (
    ATTR_CODE,
    ATTR_D,
    ATTR_DC,
    ATTR_RW,
    ESP,
    M16,
    M32,
    SS,
    UNUSABLE,
    VM,
    Cpu,
    Machine,
    Op,
)
from node.jitted import inlined, slow_path

REG, MEM = 0, 1  # form constants: the `rm` operand is a register, or in memory


@inlined
def mask_of(size: int) -> int:
    return (1 << (size << 3)) - 1


@inlined
def get_reg(c: Cpu, number: int, size: int) -> int:
    """Register `number` in the manual's encoding: for bytes AL CL DL BL AH CH DH BH."""
    if size == 4:
        return c.gpr[number]
    if size == 2:
        return c.gpr[number] & M16
    return (c.gpr[number & 3] >> ((number & 4) << 1)) & 0xFF


@inlined
def set_reg(c: Cpu, number: int, size: int, value: int) -> None:
    if size == 4:
        c.gpr[number] = value & M32
    elif size == 2:
        c.gpr[number] = (c.gpr[number] & 0xFFFF_0000) | (value & M16)
    else:
        shift = (number & 4) << 1
        c.gpr[number & 3] = (c.gpr[number & 3] & ~(0xFF << shift)) | ((value & 0xFF) << shift)


@inlined
def sign_extend(value: int, size: int) -> int:
    """The two's-complement reading of a masked value: may be negative."""
    sign = 1 << ((size << 3) - 1)
    return (value ^ sign) - sign


@inlined
def offset_of(c: Cpu, e: Op) -> int:
    """The effective address within its segment."""
    scale = int(e.scale)
    total = c.gpr[int(e.base)] + (c.gpr[int(e.index)] << (scale & 3)) + int(e.disp)
    return total & (M32 >> ((scale & 4) << 2))


@slow_path
def check_segment(c: Cpu, m: Machine, seg: int, offset: int, size: int, write: int) -> None:
    """Limit and type checks of a data access (SDM 3A 5.3, 5.5); raises #SS(0) for SS and #GP(0) for the others."""
    attr = c.attr[seg]
    fine = True
    if attr & UNUSABLE:
        fine = False
    elif attr & ATTR_CODE:
        if write or not attr & ATTR_RW:
            fine = False
    elif write and not attr & ATTR_RW:
        fine = False
    last = offset + size - 1
    if attr & ATTR_CODE == 0 and attr & ATTR_DC:  # expand down: valid above the limit
        top = M32 if attr & ATTR_D else M16
        if offset <= c.limit[seg] or last > top:
            fine = False
    elif last > c.limit[seg]:
        fine = False
    if not fine:
        if seg == SS:
            stack_fault(m, 0)
        else:
            general_protection(m, 0)


@inlined
def load_seg(c: Cpu, m: Machine, seg: int, offset: int, size: int) -> int:
    if m.seg_ok[seg] & 1 == 0:
        check_segment(c, m, seg, offset, size, 0)
        if m.fault:
            return 0
    return load(c, m, (c.base[seg] + offset) & M32, size)


@inlined
def load_seg_to_change(c: Cpu, m: Machine, seg: int, offset: int, size: int) -> int:
    if m.seg_ok[seg] & 2 == 0:
        check_segment(c, m, seg, offset, size, 1)
        if m.fault:
            return 0
    return load_to_change(c, m, (c.base[seg] + offset) & M32, size)


@inlined
def store_seg(c: Cpu, m: Machine, seg: int, offset: int, size: int, value: int) -> None:
    if m.seg_ok[seg] & 2 == 0:
        check_segment(c, m, seg, offset, size, 1)
        if m.fault:
            return
    store(c, m, (c.base[seg] + offset) & M32, size, value)


@inlined
def load_op(c: Cpu, m: Machine, e: Op, size: int) -> int:
    return load_seg(c, m, int(e.seg) & 7, offset_of(c, e), size)


@inlined
def store_op(c: Cpu, m: Machine, e: Op, size: int, value: int) -> None:
    store_seg(c, m, int(e.seg) & 7, offset_of(c, e), size, value)


@inlined
def read_rm(c: Cpu, m: Machine, e: Op, size: int, form: int) -> int:
    """The `rm` operand: register `e.b`, or memory."""
    if form == REG:
        return get_reg(c, int(e.b), size)
    return load_op(c, m, e, size)


@inlined
def read_to_change(c: Cpu, m: Machine, e: Op, size: int, form: int) -> int:
    """The `rm` operand of an instruction that writes it back: after this, `write_rm` does not fault."""
    if form == REG:
        return get_reg(c, int(e.b), size)
    return load_seg_to_change(c, m, int(e.seg) & 7, offset_of(c, e), size)


@inlined
def write_rm(c: Cpu, m: Machine, e: Op, size: int, form: int, value: int) -> None:
    if form == REG:
        set_reg(c, int(e.b), size, value)
    else:
        store_op(c, m, e, size, value)


@inlined
def push(c: Cpu, m: Machine, value: int, size: int) -> None:
    """Push on SS:(E)SP; ESP changes only if the store succeeded."""
    esp = (c.gpr[ESP] - size) & m.stack_mask
    store_seg(c, m, SS, esp, size, value)
    if m.fault == 0:
        c.gpr[ESP] = moved_stack(c, m, esp)


@inlined
def moved_stack(c: Cpu, m: Machine, esp: int) -> int:
    """ESP with its lower 16 or all 32 bits replaced, as wide as the stack segment is."""
    return (c.gpr[ESP] & (M32 ^ m.stack_mask)) | (esp & m.stack_mask)


@inlined
def top(c: Cpu, m: Machine, depth: int, size: int) -> int:
    """The stack element `depth` bytes above the top, without popping it."""
    return load_seg(c, m, SS, (c.gpr[ESP] + depth) & m.stack_mask, size)


@inlined
def drop(c: Cpu, m: Machine, count: int) -> None:
    """Add `count` bytes to (E)SP."""
    c.gpr[ESP] = moved_stack(c, m, c.gpr[ESP] + count)


@inlined
def in_v86(c: Cpu) -> int:
    return c.flags & VM


@inlined
def next_eip(c: Cpu, e: Op) -> int:
    """Address of the following instruction, before any branch."""
    return (c.eip + int(e.at) + int(e.length)) & M32
