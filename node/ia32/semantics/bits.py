"""BT BTS BTR BTC BSF BSR (SDM 2). With a register bit offset and a memory operand the bit string reaches beyond the
operand."""

from node.ia32.flags import LOGIC, set_explicit, set_flags, status
from node.ia32.operands import (
    get_reg,
    load_seg,
    load_seg_to_change,
    mask_of,
    offset_of,
    read_rm,
    read_to_change,
    set_reg,
    sign_extend,
    store_seg,
    write_rm,
)
from node.ia32.rows import FORM, SIZE, Row
from node.ia32.state import AF, CF, M32, OF, PF, SF, ZF, Cpu, Machine, Op
from node.jitted import inlined, jitted

TEST, SET, RESET, COMPLEMENT = range(4)


@inlined
def changed(value: int, bit: int, kind: int) -> int:
    if kind == SET:
        return value | (1 << bit)
    if kind == RESET:
        return value & ~(1 << bit)
    return value ^ (1 << bit)


@inlined
def set_carry(c: Cpu, value: int) -> None:
    """Only CF changes (the others are undefined in the manual; processors keep them)."""
    set_explicit(c, status(c) & ~CF | value)


@inlined
def bit_imm(c: Cpu, m: Machine, e: Op, kind: int, size: int, form: int) -> None:
    value = read_rm(c, m, e, size, form) if kind == TEST else read_to_change(c, m, e, size, form)
    bit = int(e.imm) & ((size << 3) - 1)
    if m.fault == 0:
        if kind != TEST:
            write_rm(c, m, e, size, form, changed(value, bit, kind))
        set_carry(c, (value >> bit) & 1)


@inlined
def bit_reg(c: Cpu, m: Machine, e: Op, kind: int, size: int, form: int) -> None:
    index = get_reg(c, int(e.a), size)
    bit = index & ((size << 3) - 1)
    if form == 0:
        value = get_reg(c, int(e.b), size)
        if kind != TEST:
            set_reg(c, int(e.b), size, changed(value, bit, kind))
        set_carry(c, (value >> bit) & 1)
    else:
        bit_string(c, m, e, kind, size, index, bit)


@jitted
def bit_string(c: Cpu, m: Machine, e: Op, kind: int, size: int, index: int, bit: int) -> None:
    """The operand that holds bit `index` (signed) of the string at the effective address."""
    unit = sign_extend(index, size) >> (5 if size == 4 else 4)
    offset = (offset_of(c, e) + unit * size) & (M32 >> ((int(e.scale) & 4) << 2))
    seg = int(e.seg) & 7
    value = load_seg(c, m, seg, offset, size) if kind == TEST else load_seg_to_change(c, m, seg, offset, size)
    if m.fault == 0:
        if kind != TEST:
            store_seg(c, m, seg, offset, size, changed(value, bit, kind))
        set_carry(c, (value >> bit) & 1)


@inlined
def scan(c: Cpu, m: Machine, e: Op, reverse: int, size: int, form: int) -> None:
    """BSF, BSR: ZF says that the source was zero, and then the destination stays."""
    value = read_rm(c, m, e, size, form)
    if m.fault == 0:
        if value:
            set_reg(c, int(e.a), size, bit_index(value, reverse))
        set_flags(c, LOGIC, size, value & mask_of(size), 0)


@jitted
def bit_index(value: int, reverse: int) -> int:
    index = 0
    if reverse:
        while value > 1:
            value >>= 1
            index += 1
    else:
        while value & 1 == 0:
            value >>= 1
            index += 1
    return index


def _rows() -> list[Row]:
    rows = []
    undefined = OF | SF | AF | PF | ZF
    for kind, code in ((TEST, "A3"), (SET, "AB"), (RESET, "B3"), (COMPLEMENT, "BB")):
        rows.append(Row(f"0F {code}", "Ev,Gv", bit_reg, (kind, SIZE, FORM), lock=kind != TEST, undefined=undefined))
        rows.append(
            Row(f"0F BA /{4 + kind}", "Ev,Ib", bit_imm, (kind, SIZE, FORM), lock=kind != TEST, undefined=undefined)
        )
    for reverse in (0, 1):
        rows.append(
            Row(f"0F {0xBC + reverse:02X}", "Gv,Ev", scan, (reverse, SIZE, FORM), undefined=CF | OF | SF | AF | PF)
        )
    return rows


ROWS = _rows()
