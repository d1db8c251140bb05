"""SHL SHR SAR ROL ROR RCL RCR and the double shifts SHLD SHRD (SDM 2).

Counts are taken modulo 32. A count of zero changes nothing, flags included. OF is defined by the manual for a count
of 1
only; here it has one formula for every count, given in `flags.py`.
"""

from node.ia32.flags import SAR_SHR, SHL, carry, set_explicit, set_flags, status_but_rotates
from node.ia32.operands import get_reg, mask_of, read_to_change, sign_extend, write_rm
from node.ia32.rows import FORM, SIZE, Row
from node.ia32.state import AF, CF, ECX, OF, Cpu, Machine, Op
from node.jitted import folding, inlined, jitted

ROL_, ROR_, RCL_, RCR_, SHL_, SHR_, SAL_, SAR_ = range(8)
BY_ONE, BY_IMM, BY_CL = 0, 1, 2


@inlined
def count_of(c: Cpu, e: Op, by: int) -> int:
    if by == BY_ONE:
        return 1
    if by == BY_IMM:
        return int(e.imm) & 31
    return c.gpr[ECX] & 31


@inlined
def shift(c: Cpu, m: Machine, e: Op, kind: int, by: int, size: int, form: int) -> None:
    """SHL, SHR and SAR of rm."""
    value = read_to_change(c, m, e, size, form)
    count = count_of(c, e, by)
    if m.fault or count == 0:
        return
    mask = mask_of(size)
    if kind == SHL_ or kind == SAL_:
        before = (value << (count - 1)) & mask
        result = (before << 1) & mask
        before >>= (size << 3) - 1
        flags_kind = SHL
    elif kind == SHR_:
        before = value >> (count - 1)
        result = before >> 1
        flags_kind = SAR_SHR
    else:
        before = (sign_extend(value, size) >> (count - 1)) & mask
        result = (sign_extend(value, size) >> count) & mask
        flags_kind = SAR_SHR
    write_rm(c, m, e, size, form, result)
    set_flags(c, flags_kind, size, result, before)


@inlined
def rotate(c: Cpu, m: Machine, e: Op, kind: int, by: int, size: int, form: int) -> None:
    """ROL, ROR, RCL and RCR of rm."""
    value = read_to_change(c, m, e, size, form)
    count = count_of(c, e, by)
    if m.fault or count == 0:
        return
    if kind == ROL_ or kind == ROR_:
        result = rotated(value, kind, count, size)
        carry_out = rotate_carry(result, kind, size)
    else:
        through = rotated_through(value | (carry(c) << (size << 3)), kind, count, size)
        result = through & mask_of(size)
        carry_out = through >> (size << 3)
    write_rm(c, m, e, size, form, result)
    set_rotate_flags(c, kind, size, result, carry_out)


@inlined
def rotate_carry(result: int, kind: int, size: int) -> int:
    if kind == ROL_:
        return result & 1
    return (result >> ((size << 3) - 1)) & 1


@folding
def rotated(value: int, kind: int, count: int, size: int) -> int:
    bits = size << 3
    count &= bits - 1
    if kind == ROR_:
        count = (bits - count) & (bits - 1)
    return ((value << count) | (value >> (bits - count))) & mask_of(size)


@jitted
def rotated_through(value: int, kind: int, count: int, size: int) -> int:
    """Rotate size*8 + 1 bits, the carry being the top one."""
    bits = (size << 3) + 1
    count %= bits
    if kind == RCR_:
        count = (bits - count) % bits
    return ((value << count) | (value >> (bits - count))) & ((1 << bits) - 1)


@folding
def set_rotate_flags(c: Cpu, kind: int, size: int, result: int, carry_out: int) -> None:
    """CF, and OF: for left rotates top ^ CF, for right rotates the xor of the two top bits; the others stay."""
    top = (size << 3) - 1
    if kind == ROL_ or kind == RCL_:
        overflow = (result >> top) & 1 ^ carry_out
    else:
        overflow = (result >> top) & 1 ^ (result >> (top - 1)) & 1
    set_explicit(c, status_but_rotates(c) | carry_out * CF | overflow * OF)


@inlined
def shift_double(c: Cpu, m: Machine, e: Op, right: int, by: int, size: int, form: int) -> None:
    """SHLD and SHRD: bits of reg enter rm. With 16-bit operands and a count above 16 the result is as on a P6 CPU."""
    value = read_to_change(c, m, e, size, form)
    count = count_of(c, e, by)
    if m.fault or count == 0:
        return
    filler = get_reg(c, int(e.a), size)
    bits = size << 3
    if right:
        wide = value | (filler << bits)
        if size == 2:
            wide |= value << 32
        before = wide >> (count - 1)
        result = (before >> 1) & mask_of(size)
        before = before & mask_of(size)
    else:
        wide = (value << bits) | filler
        if size == 2:
            wide = (wide << 16) | value
            before = wide >> (33 - count)
            result = (wide >> (32 - count)) & 0xFFFF
        else:
            before = wide >> (33 - count)
            result = (wide >> (32 - count)) & 0xFFFF_FFFF
        before = (before >> (bits - 1)) & 1
    write_rm(c, m, e, size, form, result)
    set_flags(c, SAR_SHR if right else SHL, size, result, before)


def _rows() -> list[Row]:
    rows = []
    for kind in range(8):
        semantic = rotate if kind < SHL_ else shift
        for code, operands, by in (("C0", "Eb,Ib", BY_IMM), ("C1", "Ev,Ib", BY_IMM), ("D0", "Eb,1", BY_ONE), ("D1",
        "Ev,1", BY_ONE),
                                   ("D2", "Eb,CL", BY_CL), ("D3", "Ev,CL", BY_CL)):  # fmt: skip
            undefined = (
                (0 if by == BY_ONE else OF)
                | (AF if kind >= SHL_ else 0)
                | (CF if kind >= SHL_ and by != BY_ONE and operands[1] == "b" else 0)
            )
            rows.append(Row(f"{code} /{kind}", operands, semantic, (kind, by, SIZE, FORM), undefined=undefined))
    for code, right, by in (("0F A4", 0, BY_IMM), ("0F A5", 0, BY_CL), ("0F AC", 1, BY_IMM), ("0F AD", 1, BY_CL)):
        operands = "Ev,Gv,Ib" if by == BY_IMM else "Ev,Gv,CL"
        rows.append(Row(code, operands, shift_double, (right, by, SIZE, FORM), undefined=AF | OF))
    return rows


ROWS = _rows()
