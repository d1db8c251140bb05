"""Segment registers as operands: MOV, PUSH, POP, and the loads of far pointers (LDS LES LFS LGS LSS)."""

from node.ia32.faults import leave_after, undefined
from node.ia32.holding import HOLD_ALL, hold
from node.ia32.operands import MEM, load_seg, mask_of, moved_stack, offset_of, read_rm, set_reg, store_op
from node.ia32.privilege import fall_through
from node.ia32.rows import FORM, SIZE, Row
from node.ia32.segments import load_segment
from node.ia32.stacks import push_word, stack_word
from node.ia32.state import CS, DS, ES, ESP, FS, GS, SS, Cpu, Machine, Op
from node.jitted import inlined, jitted


@jitted
def store_selector(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    """MOV r/m, Sreg: memory always gets 16 bits, a register zero-extended `size` bytes."""
    seg = int(e.a)
    if seg > GS:
        undefined(m)
    elif form == MEM:
        store_op(c, m, e, 2, c.selector[seg])
    else:
        set_reg(c, int(e.b), size, c.selector[seg])


@jitted
def load_selector(c: Cpu, m: Machine, e: Op, form: int) -> None:
    selector = read_rm(c, m, e, 2, form)
    if m.fault == 0:
        load_segment(c, m, int(e.a), selector)


@jitted
def load_ss(c: Cpu, m: Machine, e: Op, form: int) -> None:
    selector = read_rm(c, m, e, 2, form)
    if m.fault == 0:
        load_segment(c, m, SS, selector)
    if m.fault == 0:
        _after_ss(c, m, e)


@inlined
def _after_ss(c: Cpu, m: Machine, e: Op) -> None:
    hold(c, m, HOLD_ALL)
    fall_through(c, e)
    leave_after(m)


@jitted
def push_segment(c: Cpu, m: Machine, e: Op, size: int, seg: int) -> None:
    push_word(c, m, c.selector[seg], size)


@jitted
def pop_segment(c: Cpu, m: Machine, e: Op, size: int, seg: int) -> None:
    """ESP moves by the old stack's width even when SS itself is popped."""
    selector = stack_word(c, m, 0, size)
    esp = moved_stack(c, m, c.gpr[ESP] + size)
    if m.fault == 0:
        load_segment(c, m, seg, selector)
    if m.fault == 0:
        c.gpr[ESP] = esp


@jitted
def pop_ss(c: Cpu, m: Machine, e: Op, size: int) -> None:
    pop_segment(c, m, e, size, SS)
    if m.fault == 0:
        _after_ss(c, m, e)


@jitted
def load_far_pointer(c: Cpu, m: Machine, e: Op, size: int, seg: int) -> None:
    operand_seg, at = int(e.seg) & 7, offset_of(c, e)
    offset = load_seg(c, m, operand_seg, at, size)
    if m.fault:
        return
    selector = load_seg(c, m, operand_seg, at + size, 2)
    if m.fault == 0:
        load_segment(c, m, seg, selector)
    if m.fault == 0:
        set_reg(c, int(e.a), size, offset & mask_of(size))


ROWS = [
    Row("8C", "Ev,Sw", store_selector, (SIZE, FORM), faults="always", oracle=False),
    *(Row(f"8E /{seg}", "Ew", load_selector, (FORM,), faults="always", oracle=False) for seg in (ES, DS, FS, GS)),
    Row(f"8E /{SS}", "Ew", load_ss, (FORM,), faults="always", ends="always", counts=True, oracle=False),
    Row("06", "-v", push_segment, (SIZE, ES), faults="always"),
    Row("0E", "-v", push_segment, (SIZE, CS), faults="always"),
    Row("16", "-v", push_segment, (SIZE, SS), faults="always"),
    Row("1E", "-v", push_segment, (SIZE, DS), faults="always"),
    Row("0F A0", "-v", push_segment, (SIZE, FS), faults="always"),
    Row("0F A8", "-v", push_segment, (SIZE, GS), faults="always"),
    Row("07", "-v", pop_segment, (SIZE, ES), faults="always", oracle=False),
    Row("17", "-v", pop_ss, (SIZE,), faults="always", ends="always", counts=True, oracle=False),
    Row("1F", "-v", pop_segment, (SIZE, DS), faults="always", oracle=False),
    Row("0F A1", "-v", pop_segment, (SIZE, FS), faults="always", oracle=False),
    Row("0F A9", "-v", pop_segment, (SIZE, GS), faults="always", oracle=False),
    Row("C4", "Gv,Mp", load_far_pointer, (SIZE, ES), faults="always", oracle=False),
    Row("C5", "Gv,Mp", load_far_pointer, (SIZE, DS), faults="always", oracle=False),
    Row("0F B2", "Gv,Mp", load_far_pointer, (SIZE, SS), faults="always", oracle=False),
    Row("0F B4", "Gv,Mp", load_far_pointer, (SIZE, FS), faults="always", oracle=False),
    Row("0F B5", "Gv,Mp", load_far_pointer, (SIZE, GS), faults="always", oracle=False),
]
