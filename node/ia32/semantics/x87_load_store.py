"""x87 loads and stores: FLD, FILD, FBLD push a converted operand; FST, FIST, FBSTP convert ST(0).

A load pushes even when an unmasked DE was raised; a store to memory that raised anything unmasked but PE stores and
pops nothing. 80-bit moves convert nothing, raise nothing but stack faults, and need no host unit.
"""

from node.ia32 import host_fpu
from node.ia32.rows import Row
from node.ia32.semantics.x87_state import (
    C1,
    DE,
    IE,
    OE,
    STACK,
    UE,
    ZE,
    begin,
    buffer,
    copy,
    deliver,
    fetched,
    fill,
    filled,
    operate,
    pop,
    precluded,
    push,
    remember,
    remember_operand,
    set_extended,
    set_indefinite,
    settle,
    st,
    stack_fault,
)
from node.ia32.state import Cpu, Machine, Op
from node.jitted import folding, jitted

UNCONVERTED = 255  # instead of an operation: an 80-bit operand


@jitted
def push_indefinite(c: Cpu, m: Machine, direction: int) -> None:
    """What a stack fault of a load pushes, if it is masked."""
    if stack_fault(c, m, direction, 0):
        push(c)
        set_indefinite(st(c, m, 0))


@folding
def load_memory(c: Cpu, m: Machine, e: Op, operation: int, size: int) -> None:
    if begin(c, m) == 0:
        return
    source = fetched(c, m, e, size)
    if source == 0:
        return
    remember_operand(c, e)
    if filled(c, 7):
        push_indefinite(c, m, C1)
        return
    status = 0
    if operation == UNCONVERTED:
        copy(st(c, m, 7), source)
    else:
        status = operate(c, operation, 0, source, st(c, m, 7))
    settle(c, m, status, 0)
    if precluded(c, status, IE) == 0:
        push(c)


@folding
def load_register(c: Cpu, m: Machine, e: Op) -> None:
    """FLD ST(i); an empty source is noticed before a full stack."""
    if begin(c, m) == 0:
        return
    remember(c, e)
    if filled(c, int(e.b)) == 0 or filled(c, 7):
        push_indefinite(c, m, C1 if filled(c, int(e.b)) else 0)
        return
    copy(st(c, m, 7), st(c, m, int(e.b)))
    settle(c, m, 0, 0)
    push(c)


@folding
def load_constant(c: Cpu, m: Machine, e: Op, exponent: int, high: int, low: int, round_up: int) -> None:
    """FLD1, FLDPI and the others: the significand rounded down, and a bit for each RC that makes it one more."""
    if begin(c, m) == 0:
        return
    remember(c, e)
    if filled(c, 7):
        push_indefinite(c, m, C1)
        return
    settle(c, m, 0, 0)
    push(c)
    set_extended(st(c, m, 0), exponent, high, low + ((round_up >> (c.fcw >> 10 & 3)) & 1))


@folding
def store_memory(c: Cpu, m: Machine, e: Op, operation: int, size: int, pops: int) -> None:
    if begin(c, m) == 0:
        return
    status, source = 0, st(c, m, 0)
    if filled(c, 0) == 0:
        status, source = IE | STACK, buffer(m)
        set_indefinite(source)  # converting it gives each format's own indefinite
    if operation == UNCONVERTED:
        copy(buffer(m), source)
    elif precluded(c, status, IE) == 0:
        raised = operate(c, operation, source, buffer(m), 0)
        status = status if status else raised
    stopped = precluded(c, status, IE | DE | ZE | OE | UE)
    if stopped == 0 and deliver(c, m, e, size, buffer(m)) == 0:
        return
    remember_operand(c, e)
    settle(c, m, status, 0)
    if stopped == 0:
        pop(c, pops)


@folding
def store_register(c: Cpu, m: Machine, e: Op, pops: int) -> None:
    """FST, FSTP ST(i): the destination may be empty."""
    if begin(c, m) == 0:
        return
    remember(c, e)
    target = st(c, m, int(e.b))
    if filled(c, 0):
        copy(target, st(c, m, 0))
        settle(c, m, 0, 0)
    elif stack_fault(c, m, 0, 0):
        set_indefinite(target)
    else:
        return
    fill(c, int(e.b))
    pop(c, pops)


@jitted
def store_register_unchecked(c: Cpu, m: Machine, e: Op) -> None:
    """D9 D8+i, an undocumented FSTP ST(i) that does not mind an empty ST(0)."""
    if begin(c, m) == 0:
        return
    remember(c, e)
    if filled(c, 0):
        copy(st(c, m, int(e.b)), st(c, m, 0))
        fill(c, int(e.b))
    settle(c, m, 0, 0)
    pop(c, 1)


def _load(code: str, operand: str, operation: int, size: int) -> Row:
    return Row(code, operand, load_memory, (operation, size), faults="always")


def _store(code: str, operand: str, operation: int, size: int, pops: int) -> Row:
    return Row(code, operand, store_memory, (operation, size, pops), faults="always")


def _constant(rm: int, exponent: int, significand: int, round_up: int) -> Row:
    constants = (exponent, significand >> 32, significand & 0xFFFF_FFFF, round_up)
    return Row(f"D9 /5:{rm}", "", load_constant, constants, faults="always")


NEVER, NEAREST_OR_UP, UP = 0b0000, 0b0101, 0b0100  # RC: 0 nearest, 1 down, 2 up, 3 towards zero

ROWS = [
    _load("D9 /0", "Md", host_fpu.LOAD_REAL32, 4),
    _load("DD /0", "Mq", host_fpu.LOAD_REAL64, 8),
    _load("DB /5", "M", UNCONVERTED, 10),
    _load("DF /0", "Mw", host_fpu.LOAD_INT16, 2),
    _load("DB /0", "Md", host_fpu.LOAD_INT32, 4),
    _load("DF /5", "Mq", host_fpu.LOAD_INT64, 8),
    _load("DF /4", "M", host_fpu.LOAD_BCD, 10),
    Row("D9 /0", "R", load_register, faults="always"),
    _constant(0, 0x3FFF, 0x8000_0000_0000_0000, NEVER),  # 1
    _constant(1, 0x4000, 0xD49A_784B_CD1B_8AFE, UP),  # log2(10)
    _constant(2, 0x3FFF, 0xB8AA_3B29_5C17_F0BB, NEAREST_OR_UP),  # log2(e)
    _constant(3, 0x4000, 0xC90F_DAA2_2168_C234, NEAREST_OR_UP),  # pi
    _constant(4, 0x3FFD, 0x9A20_9A84_FBCF_F798, NEAREST_OR_UP),  # log10(2)
    _constant(5, 0x3FFE, 0xB172_17F7_D1CF_79AB, NEAREST_OR_UP),  # ln(2)
    _constant(6, 0, 0, NEVER),  # 0
    _store("D9 /2", "Md", host_fpu.STORE_REAL32, 4, 0),
    _store("D9 /3", "Md", host_fpu.STORE_REAL32, 4, 1),
    _store("DD /2", "Mq", host_fpu.STORE_REAL64, 8, 0),
    _store("DD /3", "Mq", host_fpu.STORE_REAL64, 8, 1),
    _store("DB /7", "M", UNCONVERTED, 10, 1),
    _store("DF /2", "Mw", host_fpu.STORE_INT16, 2, 0),
    _store("DF /3", "Mw", host_fpu.STORE_INT16, 2, 1),
    _store("DB /2", "Md", host_fpu.STORE_INT32, 4, 0),
    _store("DB /3", "Md", host_fpu.STORE_INT32, 4, 1),
    _store("DF /7", "Mq", host_fpu.STORE_INT64, 8, 1),
    _store("DF /6", "M", host_fpu.STORE_BCD, 10, 1),
    Row("DD /2", "R", store_register, (0,), faults="always"),
    Row("DD /3", "R", store_register, (1,), faults="always"),
    Row("DF /2", "R", store_register, (1,), faults="always"),  # DF D0 and DF D8: undocumented aliases of FSTP
    Row("DF /3", "R", store_register, (1,), faults="always"),
    Row("D9 /3", "R", store_register_unchecked, faults="always"),
]
