"""ADD OR ADC SBB AND SUB XOR CMP in all their forms, and TEST NOT NEG INC DEC (SDM 2).

One body, `combine`, says what the eight do; the rest is where operands come from and where the result goes.
"""

from node.ia32.flags import ADC, ADD, DEC, INC, LOGIC, SBB, SUB, carry, set_flags
from node.ia32.operands import get_reg, mask_of, read_rm, read_to_change, set_reg, write_rm
from node.ia32.rows import FORM, SIZE, Row
from node.ia32.state import AF, EAX, Cpu, Machine, Op
from node.jitted import inlined

ADD_, OR_, ADC_, SBB_, AND_, SUB_, XOR_, CMP_ = range(8)


@inlined
def combine(c: Cpu, kind: int, size: int, a: int, b: int) -> int:
    """The result of `a kind b`, with the status flags set."""
    mask = mask_of(size)
    if kind == ADD_:
        result = (a + b) & mask
        set_flags(c, ADD, size, result, b)
    elif kind == ADC_:
        carry_in = carry(c)
        result = (a + b + carry_in) & mask
        set_flags(c, ADC if carry_in else ADD, size, result, b)
    elif kind == SBB_:
        borrow = carry(c)
        result = (a - b - borrow) & mask
        set_flags(c, SBB if borrow else SUB, size, result, b)
    elif kind == SUB_ or kind == CMP_:
        result = (a - b) & mask
        set_flags(c, SUB, size, result, b)
    else:
        if kind == AND_:
            result = a & b
        elif kind == OR_:
            result = a | b
        else:
            result = a ^ b
        set_flags(c, LOGIC, size, result, 0)
    return result


@inlined
def alu_to_rm(c: Cpu, m: Machine, e: Op, kind: int, size: int, form: int) -> None:
    """rm ← rm kind reg."""
    a = _destination(c, m, e, kind, size, form)
    if m.fault == 0:
        _replace_rm(c, m, e, kind, size, form, a, get_reg(c, int(e.a), size))


@inlined
def alu_imm(c: Cpu, m: Machine, e: Op, kind: int, size: int, form: int) -> None:
    a = _destination(c, m, e, kind, size, form)
    if m.fault == 0:
        _replace_rm(c, m, e, kind, size, form, a, int(e.imm))


@inlined
def _destination(c: Cpu, m: Machine, e: Op, kind: int, size: int, form: int) -> int:
    if kind == CMP_:
        return read_rm(c, m, e, size, form)
    return read_to_change(c, m, e, size, form)


@inlined
def _replace_rm(c: Cpu, m: Machine, e: Op, kind: int, size: int, form: int, a: int, b: int) -> None:
    result = combine(c, kind, size, a, b)
    if kind != CMP_:
        write_rm(c, m, e, size, form, result)


@inlined
def alu_from_rm(c: Cpu, m: Machine, e: Op, kind: int, size: int, form: int) -> None:
    """reg ← reg kind rm."""
    b = read_rm(c, m, e, size, form)
    if m.fault == 0:
        result = combine(c, kind, size, get_reg(c, int(e.a), size), b)
        if kind != CMP_:
            set_reg(c, int(e.a), size, result)


@inlined
def alu_acc(c: Cpu, m: Machine, e: Op, kind: int, size: int) -> None:
    result = combine(c, kind, size, get_reg(c, EAX, size), int(e.imm))
    if kind != CMP_:
        set_reg(c, EAX, size, result)


@inlined
def test_reg(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    a = read_rm(c, m, e, size, form)
    if m.fault == 0:
        combine(c, AND_, size, a, get_reg(c, int(e.a), size))


@inlined
def test_imm(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    a = read_rm(c, m, e, size, form)
    if m.fault == 0:
        combine(c, AND_, size, a, int(e.imm))


@inlined
def test_acc(c: Cpu, m: Machine, e: Op, size: int) -> None:
    combine(c, AND_, size, get_reg(c, EAX, size), int(e.imm))


@inlined
def invert(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    """NOT: no flags."""
    a = read_to_change(c, m, e, size, form)
    if m.fault == 0:
        write_rm(c, m, e, size, form, a ^ mask_of(size))


@inlined
def negate(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    """NEG is 0 - rm."""
    a = read_to_change(c, m, e, size, form)
    if m.fault == 0:
        _replace_rm(c, m, e, SUB_, size, form, 0, a)


@inlined
def step(c: Cpu, m: Machine, e: Op, kind: int, size: int, form: int) -> None:
    """INC (kind = INC) and DEC of rm: CF stays."""
    a = read_to_change(c, m, e, size, form)
    if m.fault == 0:
        result = (a + 1 if kind == INC else a - 1) & mask_of(size)
        write_rm(c, m, e, size, form, result)
        set_flags(c, kind, size, result, carry(c))


@inlined
def step_reg(c: Cpu, m: Machine, e: Op, kind: int, size: int) -> None:
    result = (get_reg(c, int(e.a), size) + (1 if kind == INC else -1)) & mask_of(size)
    set_flags(c, kind, size, result, carry(c))
    set_reg(c, int(e.a), size, result)


def _family(kind: int) -> list[Row]:
    base = kind * 8
    undefined = AF if kind in (OR_, AND_, XOR_) else 0
    lock = kind != CMP_
    to_rm, from_rm = (kind, SIZE, FORM), (kind, SIZE, FORM)
    return [
        Row(f"{base:02X}", "Eb,Gb", alu_to_rm, to_rm, lock=lock, undefined=undefined),
        Row(f"{base + 1:02X}", "Ev,Gv", alu_to_rm, to_rm, lock=lock, undefined=undefined),
        Row(f"{base + 2:02X}", "Gb,Eb", alu_from_rm, from_rm, undefined=undefined),
        Row(f"{base + 3:02X}", "Gv,Ev", alu_from_rm, from_rm, undefined=undefined),
        Row(f"{base + 4:02X}", "AL,Ib", alu_acc, (kind, 1), undefined=undefined),
        Row(f"{base + 5:02X}", "eAX,Iz", alu_acc, (kind, SIZE), undefined=undefined),
        Row(f"80 /{kind}", "Eb,Ib", alu_imm, to_rm, lock=lock, undefined=undefined),
        Row(f"81 /{kind}", "Ev,Iz", alu_imm, to_rm, lock=lock, undefined=undefined),
        Row(f"82 /{kind}", "Eb,Ib", alu_imm, to_rm, lock=lock, undefined=undefined),
        Row(f"83 /{kind}", "Ev,Is", alu_imm, to_rm, lock=lock, undefined=undefined),
    ]


ROWS = [row for kind in range(8) for row in _family(kind)] + [
    Row("84", "Eb,Gb", test_reg, (SIZE, FORM), undefined=AF),
    Row("85", "Ev,Gv", test_reg, (SIZE, FORM), undefined=AF),
    Row("A8", "AL,Ib", test_acc, (1,), undefined=AF),
    Row("A9", "eAX,Iz", test_acc, (SIZE,), undefined=AF),
    Row("F6 /0", "Eb,Ib", test_imm, (SIZE, FORM), undefined=AF),
    Row("F6 /1", "Eb,Ib", test_imm, (SIZE, FORM), undefined=AF),
    Row("F7 /0", "Ev,Iz", test_imm, (SIZE, FORM), undefined=AF),
    Row("F7 /1", "Ev,Iz", test_imm, (SIZE, FORM), undefined=AF),
    Row("F6 /2", "Eb", invert, (SIZE, FORM), lock=True),
    Row("F7 /2", "Ev", invert, (SIZE, FORM), lock=True),
    Row("F6 /3", "Eb", negate, (SIZE, FORM), lock=True),
    Row("F7 /3", "Ev", negate, (SIZE, FORM), lock=True),
    Row("FE /0", "Eb", step, (INC, SIZE, FORM), lock=True),
    Row("FE /1", "Eb", step, (DEC, SIZE, FORM), lock=True),
    Row("FF /0", "Ev", step, (INC, SIZE, FORM), lock=True),
    Row("FF /1", "Ev", step, (DEC, SIZE, FORM), lock=True),
    Row("40+r", "Zv", step_reg, (INC, SIZE), faults="never"),
    Row("48+r", "Zv", step_reg, (DEC, SIZE), faults="never"),
]
