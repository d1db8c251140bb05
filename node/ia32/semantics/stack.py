"""PUSH POP PUSHA POPA ENTER LEAVE (SDM 2). ESP changes only when every access has succeeded."""

from node.ia32.operands import (
    drop,
    get_reg,
    load_seg,
    load_seg_to_change,
    moved_stack,
    push,
    read_rm,
    set_reg,
    store_op,
    store_seg,
    top,
)
from node.ia32.rows import FORM, SIZE, Row
from node.ia32.state import EAX, EBP, EDI, ESP, SS, Cpu, Machine, Op
from node.jitted import inlined, jitted


@inlined
def push_reg(c: Cpu, m: Machine, e: Op, size: int) -> None:
    push(c, m, get_reg(c, int(e.a), size), size)


@inlined
def push_imm(c: Cpu, m: Machine, e: Op, size: int) -> None:
    push(c, m, int(e.imm), size)


@inlined
def push_rm(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    value = read_rm(c, m, e, size, form)
    if m.fault == 0:
        push(c, m, value, size)


@inlined
def pop_reg(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """POP ESP keeps the popped value: the increment comes first."""
    value = top(c, m, 0, size)
    if m.fault == 0:
        drop(c, m, size)
        set_reg(c, int(e.a), size, value)


@inlined
def pop_rm(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    """The address is computed with ESP already incremented (SDM 2B POP)."""
    value = top(c, m, 0, size)
    if m.fault == 0:
        if form == 0:
            drop(c, m, size)
            set_reg(c, int(e.b), size, value)
        else:
            esp = c.gpr[ESP]
            drop(c, m, size)
            store_op(c, m, e, size, value)
            if m.fault:
                c.gpr[ESP] = esp


@jitted
def push_all(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """PUSHA: eight registers, ESP as it was; the frame is written lowest first so that a fault leaves ESP alone."""
    esp = c.gpr[ESP]
    for i in range(8):  # EDI at the lowest address … EAX at the highest
        at = (esp - (i + 1) * size) & m.stack_mask
        store_seg(c, m, SS, at, size, get_reg(c, EAX + i, size) if i != 4 else esp & ((1 << (size << 3)) - 1))
        if m.fault:
            return
    drop(c, m, -8 * size)


@jitted
def pop_all(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """POPA: the value for ESP is skipped. Every slot is checked before any register changes."""
    for i in range(8):
        top(c, m, i * size, size)
        if m.fault:
            return
    for i in range(8):
        if i != 3:
            set_reg(c, EDI - i, size, top(c, m, i * size, size))
    drop(c, m, 8 * size)


@jitted
def enter(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """ENTER frame, level (SDM 2A): imm = frame bytes, disp = nesting level."""
    level = int(e.disp) & 31
    esp, ebp = c.gpr[ESP], c.gpr[EBP]
    at = (esp - size) & m.stack_mask
    store_seg(c, m, SS, at, size, get_reg(c, EBP, size))
    frame = moved_stack(c, m, at)
    for i in range(1, level):
        if m.fault:
            return
        value = load_seg(c, m, SS, (ebp - i * size) & m.stack_mask, size)
        at = (at - size) & m.stack_mask
        if m.fault == 0:
            store_seg(c, m, SS, at, size, value)
    if level and m.fault == 0:
        at = (at - size) & m.stack_mask
        store_seg(c, m, SS, at, size, frame & ((1 << (size << 3)) - 1))
    at = (at - int(e.imm)) & m.stack_mask
    if m.fault == 0:
        load_seg_to_change(c, m, SS, at, size)  # the new top must be writable
    if m.fault == 0:
        set_reg(c, EBP, size, frame)
        c.gpr[ESP] = moved_stack(c, m, at)


@inlined
def leave(c: Cpu, m: Machine, e: Op, size: int) -> None:
    value = load_seg(c, m, SS, c.gpr[EBP] & m.stack_mask, size)
    if m.fault == 0:
        c.gpr[ESP] = moved_stack(c, m, c.gpr[EBP] + size)
        set_reg(c, EBP, size, value)


ROWS = [
    Row("50+r", "Zv", push_reg, (SIZE,), faults="always"),
    Row("58+r", "Zv", pop_reg, (SIZE,), faults="always"),
    Row("68", "Iz", push_imm, (SIZE,), faults="always"),
    Row("6A", "Is,v", push_imm, (SIZE,), faults="always"),
    Row("FF /6", "Ev", push_rm, (SIZE, FORM), faults="always"),
    Row("8F /0", "Ev", pop_rm, (SIZE, FORM), faults="always"),
    Row("60", "v", push_all, (SIZE,), faults="always"),
    Row("61", "v", pop_all, (SIZE,), faults="always"),
    Row("C8", "Iw,Ib,v", enter, (SIZE,), faults="always"),
    Row("C9", "v", leave, (SIZE,), faults="always"),
]
