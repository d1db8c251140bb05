"""Arithmetic wider than the 63 bits that jitted ints can hold: 64-bit unsigned products and quotients as primitives."""

from node.jitted import primitive

_M64 = (1 << 64) - 1


@primitive(arguments=("i64", "i64"), result="i64", llvm="%p = mul i64 %0, %1\n%h = lshr i64 %p, 32\nret i64 %h")
def umul_high(a: int, b: int) -> int:
    """Bits 32-63 of the product of two unsigned 32-bit values."""
    return (int(a) * int(b)) >> 32


@primitive(arguments=("i64", "i64"), result="i64", llvm="%p = mul i64 %0, %1\n%l = and i64 %p, 4294967295\nret i64 %l")
def mul_low(a: int, b: int) -> int:
    """Bits 0-31 of the product of two 32-bit values, signed or not."""
    return (int(a) * int(b)) & 0xFFFF_FFFF


@primitive(
    arguments=("i64", "i64", "i64"),
    result="i64",
    llvm="%s = shl i64 %0, 32\n%n = or i64 %s, %1\n%q = udiv i64 %n, %2\n"
    "%f = icmp ugt i64 %q, 4294967295\n%r = select i1 %f, i64 -1, i64 %q\nret i64 %r",
)
def udiv_64(high: int, low: int, divisor: int) -> int:
    """high:low / divisor, all unsigned 32-bit, divisor not 0; -1 when the quotient does not fit 32 bits."""
    quotient = ((int(high) << 32) | int(low)) // int(divisor)
    return quotient if quotient <= 0xFFFF_FFFF else -1


@primitive(
    arguments=("i64", "i64", "i64"),
    result="i64",
    llvm="%s = shl i64 %0, 32\n%n = or i64 %s, %1\n%r = urem i64 %n, %2\nret i64 %r",
)
def umod_64(high: int, low: int, divisor: int) -> int:
    return ((int(high) << 32) | int(low)) % int(divisor)
