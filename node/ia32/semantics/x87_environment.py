"""FNSTENV, FLDENV, FNSAVE, FRSTOR: the x87 environment in its four formats (SDM 1, figures 8-9 to 8-12).

Seven words of the operand size: control, status, tags, then where the last instruction and its operand were. In
protected mode those are FIP, FCS with the opcode above it, FDP, FDS; in real and virtual-8086 mode linear addresses,
their upper part in bits 12 and up of the following word. The 16-bit formats are the same, cut to words (FCS then has
no opcode above it). FNSAVE and FRSTOR append ST(0) to ST(7), ten bytes each, in stack order; the tags go by physical
register. Reserved bits of the 32-bit protected format are stored as ones, as processors do.
"""

from node.ia32.access import load, probe, store
from node.ia32.operands import in_v86
from node.ia32.rows import SIZE, Row
from node.ia32.semantics.x87_compare import classify
from node.ia32.semantics.x87_control import CONTROL_BITS, CONTROL_ONES, reset_unit, set_control
from node.ia32.semantics.x87_state import (
    C2,
    C3,
    EXCEPTIONS,
    REGISTERS,
    begin,
    begin_control,
    deliver_bytes,
    fetch_bytes,
    operand_linear,
    set_status,
    st,
)
from node.ia32.state import CR0_PE, M16, M32, Cpu, Machine, Op
from node.jitted import inlined, jitted

VALID, IS_ZERO, SPECIAL, EMPTY = range(4)  # the two-bit tags
CONTROL, STATUS, TAGS, INSTRUCTION, INSTRUCTION_HIGH, OPERAND, OPERAND_HIGH = range(7)


@inlined
def linear_format(c: Cpu) -> int:
    return 1 if c.cr0 & CR0_PE == 0 or in_v86(c) else 0


@jitted
def tag_word(c: Cpu, m: Machine) -> int:
    word = 0
    for i in range(8):
        tag = EMPTY
        if (c.ftw >> i) & 1:
            kind = classify(m.cpu_address + REGISTERS + (i << 4))
            tag = VALID if kind == C2 else IS_ZERO if kind == C3 else SPECIAL
        word |= tag << (i << 1)
    return word


@jitted
def environment_word(c: Cpu, m: Machine, which: int) -> int:
    """One of the seven words, in the 32-bit format of the present mode; its low half is the 16-bit format's."""
    if which == CONTROL:
        return 0xFFFF_0000 | c.fcw
    if which == STATUS:
        return 0xFFFF_0000 | c.fsw
    if which == TAGS:
        return 0xFFFF_0000 | tag_word(c, m)
    if linear_format(c):
        instruction, operand = ((c.fcs << 4) + c.fip) & M32, ((c.fds << 4) + c.fdp) & M32
        if which == INSTRUCTION:
            return instruction & M16
        if which == INSTRUCTION_HIGH:
            return (instruction >> 16 << 12) | c.fop
        return operand & M16 if which == OPERAND else operand >> 16 << 12
    if which == INSTRUCTION:
        return c.fip
    if which == INSTRUCTION_HIGH:
        return (c.fop << 16) | c.fcs
    return c.fdp if which == OPERAND else 0xFFFF_0000 | c.fds


@jitted
def set_environment_word(c: Cpu, m: Machine, which: int, word: int, size: int) -> None:
    if which == CONTROL:
        c.fcw = (word & CONTROL_BITS) | CONTROL_ONES
    elif which == STATUS:
        set_status(c, m, word & M16)
    elif which == TAGS:
        c.ftw = 0
        for i in range(8):
            if (word >> (i << 1)) & 3 != EMPTY:
                c.ftw = c.ftw | (1 << i)
    elif linear_format(c):
        set_linear_pointer(c, which, word)
    elif which == INSTRUCTION:
        c.fip = word
    elif which == INSTRUCTION_HIGH:
        c.fcs = word & M16
        c.fop = (word >> 16) & 0x7FF
    elif which == OPERAND:
        c.fdp = word
    else:
        c.fds = word & M16


@jitted
def set_linear_pointer(c: Cpu, which: int, word: int) -> None:
    """Half of a linear address: kept as an offset from selector 0."""
    high = (word >> 12 << 16) & M32
    if which == INSTRUCTION:
        c.fcs = 0
        c.fip = word & M16
    elif which == INSTRUCTION_HIGH:
        c.fip = (c.fip & M16) | high
        c.fop = word & 0x7FF
    elif which == OPERAND:
        c.fds = 0
        c.fdp = word & M16
    else:
        c.fdp = (c.fdp & M16) | high


@jitted
def writable(c: Cpu, m: Machine, e: Op, size: int) -> int:
    """The linear address of an image that can be stored without a fault."""
    linear = operand_linear(c, m, e, size, 1)
    if m.fault == 0:
        probe(c, m, linear, size, 1)
    return linear


@jitted
def store_words(c: Cpu, m: Machine, linear: int, size: int) -> None:
    for which in range(7):
        word, at = environment_word(c, m, which), (linear + which * size) & M32
        if size == 2:
            store(c, m, at, 2, word & M16)
        else:
            store(c, m, at, 4, word)


@jitted
def load_words(c: Cpu, m: Machine, linear: int, size: int) -> None:
    for which in range(7):
        at = (linear + which * size) & M32
        word = load(c, m, at, 2) if size == 2 else load(c, m, at, 4)
        set_environment_word(c, m, which, word, size)


@jitted
def store_environment(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """FNSTENV: all exceptions are masked afterwards."""
    if begin_control(c, m) == 0:
        return
    linear = writable(c, m, e, 7 * size)
    if m.fault == 0:
        store_words(c, m, linear, size)
        set_control(c, m, c.fcw | EXCEPTIONS)


@jitted
def save(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """FNSAVE: then initialises the unit."""
    if begin_control(c, m) == 0:
        return
    linear = writable(c, m, e, 7 * size + 80)
    if m.fault:
        return
    store_words(c, m, linear, size)
    for i in range(8):
        deliver_bytes(c, m, (linear + 7 * size + 10 * i) & M32, 10, st(c, m, i))
    reset_unit(c, m)


@jitted
def readable(c: Cpu, m: Machine, e: Op, size: int) -> int:
    linear = operand_linear(c, m, e, size, 0)
    if m.fault == 0:
        probe(c, m, linear, size, 0)
    return linear


@jitted
def load_environment(c: Cpu, m: Machine, e: Op, size: int) -> None:
    if begin(c, m) == 0:
        return
    linear = readable(c, m, e, 7 * size)
    if m.fault == 0:
        load_words(c, m, linear, size)


@jitted
def restore(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """FRSTOR: ST(i) in the image is relative to the TOP that the image brings."""
    if begin(c, m) == 0:
        return
    linear = readable(c, m, e, 7 * size + 80)
    if m.fault:
        return
    load_words(c, m, linear, size)
    for i in range(8):
        fetch_bytes(c, m, (linear + 7 * size + 10 * i) & M32, 10, st(c, m, i))


ROWS = [
    Row("D9 /6", "Mv", store_environment, (SIZE,), faults="always"),
    Row("D9 /4", "Mv", load_environment, (SIZE,), faults="always"),
    Row("DD /6", "Mv", save, (SIZE,), faults="always"),
    Row("DD /4", "Mv", restore, (SIZE,), faults="always"),
]
