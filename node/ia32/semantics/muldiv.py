"""MUL IMUL DIV IDIV (SDM 2). A quotient that does not fit, and division by zero, raise #DE."""

from node.ia32.faults import NO_ERROR, raise_fault
from node.ia32.flags import MUL, set_flags
from node.ia32.operands import get_reg, mask_of, read_rm, set_reg, sign_extend
from node.ia32.rows import FORM, SIZE, Row
from node.ia32.state import AF, CF, DE, EAX, EDX, M32, OF, PF, SF, ZF, Cpu, Machine, Op
from node.ia32.wide import mul_low, udiv_64, umod_64, umul_high
from node.jitted import inlined, jitted


@inlined
def set_wide(c: Cpu, size: int, low: int, high: int) -> None:
    """Put a double-width result into AX, DX:AX or EDX:EAX."""
    if size == 1:
        set_reg(c, EAX, 2, low | (high << 8))
    else:
        set_reg(c, EAX, size, low)
        set_reg(c, EDX, size, high)


@inlined
def multiply(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    """MUL: CF = OF = the upper half is not zero."""
    b = read_rm(c, m, e, size, form)
    if m.fault == 0:
        a = get_reg(c, EAX, size)
        if size == 4:
            low, high = mul_low(a, b), umul_high(a, b)
        else:
            product = a * b
            low, high = product & mask_of(size), product >> (size << 3)
        set_wide(c, size, low, high)
        set_flags(c, MUL, size, low, 1 if high else 0)


@inlined
def multiply_signed(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    """IMUL rm: CF = OF = the result does not fit the lower half."""
    b = read_rm(c, m, e, size, form)
    if m.fault == 0:
        product = sign_extend(get_reg(c, EAX, size), size) * sign_extend(b, size)
        low = product & mask_of(size)
        set_wide(c, size, low, (product >> (size << 3)) & mask_of(size))
        set_flags(c, MUL, size, low, 0 if product == sign_extend(low, size) else 1)


@inlined
def multiply_into(c: Cpu, m: Machine, e: Op, immediate: int, size: int, form: int) -> None:
    """IMUL reg, rm[, imm]."""
    b = read_rm(c, m, e, size, form)
    if m.fault == 0:
        a = int(e.imm) if immediate else get_reg(c, int(e.a), size)
        product = sign_extend(a, size) * sign_extend(b, size)
        low = product & mask_of(size)
        set_reg(c, int(e.a), size, low)
        set_flags(c, MUL, size, low, 0 if product == sign_extend(low, size) else 1)


@inlined
def divide_error(m: Machine) -> None:
    raise_fault(m, DE, NO_ERROR)


@inlined
def wide_dividend(c: Cpu, size: int) -> int:
    """AX or DX:AX."""
    if size == 1:
        return get_reg(c, EAX, 2)
    return get_reg(c, EAX, 2) | (get_reg(c, EDX, 2) << 16)


@inlined
def divide(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    b = read_rm(c, m, e, size, form)
    if m.fault:
        return
    if b == 0:
        divide_error(m)
    elif size == 4:
        high, low = c.gpr[EDX], c.gpr[EAX]
        quotient = udiv_64(high, low, b)
        if quotient < 0:
            divide_error(m)
        else:
            set_wide(c, 4, quotient, umod_64(high, low, b))
    else:
        a = wide_dividend(c, size)
        if a // b > mask_of(size):
            divide_error(m)
        else:
            set_wide(c, size, a // b, a % b)


@inlined
def divide_signed(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    """IDIV truncates toward zero; the remainder has the dividend's sign."""
    b = read_rm(c, m, e, size, form)
    if m.fault:
        return
    if b == 0:
        divide_error(m)
    elif size == 4:
        divide_signed_64(c, m, b)
    else:
        a = sign_extend(wide_dividend(c, size), size << 1)
        divisor = sign_extend(b, size)
        quotient, remainder = abs(a) // abs(divisor), abs(a) % abs(divisor)
        if (a < 0) != (divisor < 0):
            quotient = -quotient
        if a < 0:
            remainder = -remainder
        if sign_extend(quotient & mask_of(size), size) != quotient:
            divide_error(m)
        else:
            set_wide(c, size, quotient & mask_of(size), remainder & mask_of(size))


@jitted
def divide_signed_64(c: Cpu, m: Machine, b: int) -> None:
    """EDX:EAX / b by magnitudes, halves kept as 32-bit values."""
    high, low = c.gpr[EDX], c.gpr[EAX]
    negative = high >> 31
    if negative:
        low = -low & M32
        high = (~high + (1 if low == 0 else 0)) & M32
    divisor_negative = b >> 31
    divisor = -b & M32 if divisor_negative else b
    quotient = udiv_64(high, low, divisor)
    remainder = umod_64(high, low, divisor)
    limit = 0x8000_0000 if negative != divisor_negative else 0x7FFF_FFFF
    if quotient < 0 or quotient > limit:
        divide_error(m)
        return
    c.gpr[EAX] = -quotient & M32 if negative != divisor_negative else quotient
    c.gpr[EDX] = -remainder & M32 if negative else remainder


_AFTER_MUL = SF | ZF | AF | PF
_AFTER_DIV = CF | OF | SF | ZF | AF | PF

ROWS = [
    Row("F6 /4", "Eb", multiply, (SIZE, FORM), undefined=_AFTER_MUL),
    Row("F7 /4", "Ev", multiply, (SIZE, FORM), undefined=_AFTER_MUL),
    Row("F6 /5", "Eb", multiply_signed, (SIZE, FORM), undefined=_AFTER_MUL),
    Row("F7 /5", "Ev", multiply_signed, (SIZE, FORM), undefined=_AFTER_MUL),
    Row("F6 /6", "Eb", divide, (SIZE, FORM), faults="always", undefined=_AFTER_DIV),
    Row("F7 /6", "Ev", divide, (SIZE, FORM), faults="always", undefined=_AFTER_DIV),
    Row("F6 /7", "Eb", divide_signed, (SIZE, FORM), faults="always", undefined=_AFTER_DIV),
    Row("F7 /7", "Ev", divide_signed, (SIZE, FORM), faults="always", undefined=_AFTER_DIV),
    Row("69", "Gv,Ev,Iz", multiply_into, (1, SIZE, FORM), undefined=_AFTER_MUL),
    Row("6B", "Gv,Ev,Is", multiply_into, (1, SIZE, FORM), undefined=_AFTER_MUL),
    Row("0F AF", "Gv,Ev", multiply_into, (0, SIZE, FORM), undefined=_AFTER_MUL),
]
