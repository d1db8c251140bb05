"""80-bit values, memory operands and unit states from a seeded generator, rich in the cases where x87 is peculiar."""

from random import Random

from tests.support.native_x87 import Registers

INTEGER = 1 << 63
INDEFINITE = 0xFFFF_C000_0000_0000_0000
ONE, INFINITY = 0x3FFF << 64 | INTEGER, 0x7FFF << 64 | INTEGER


def extended(rng: Random) -> int:
    sign, bits = rng.getrandbits(1) << 79, rng.getrandbits(64)
    near = rng.randint(-70, 70)
    kind = rng.randrange(16)
    if kind < 5:
        return sign | 0x3FFF + near << 64 | bits | INTEGER
    if kind == 5:
        return sign | rng.randint(1, 0x7FFE) << 64 | bits | INTEGER
    if kind == 6:  # a short significand: exact results
        return sign | 0x3FFF + near << 64 | bits >> 58 << 58 | INTEGER
    if kind == 7:
        return sign | 0x3FFF + rng.randint(-2, 0) << 64 | bits | INTEGER
    if kind == 8:
        return sign | rng.choice((1, 2, 0x7FFD, 0x7FFE, 0x3F81, 0x3C01, 0x407E, 0x43FE)) << 64 | bits | INTEGER
    return sign | special(rng, bits)


def special(rng: Random, bits: int) -> int:
    return rng.choice(
        (
            0,
            ONE,
            INFINITY,
            bits >> rng.randint(1, 63),  # denormal
            bits | INTEGER,  # pseudo-denormal
            0x7FFF << 64 | bits | 3 << 62,  # QNaN
            0x7FFF << 64 | INTEGER | bits >> 2 | 1,  # SNaN
            0x7FFF << 64 | bits >> 1,  # pseudo-NaN
            0x7FFF << 64,  # pseudo-infinity
            rng.randint(1, 0x7FFE) << 64 | bits >> 1,  # unnormal
            0x3FFF + rng.randint(0, 66) << 64 | (bits >> rng.randint(0, 63) << 63 | INTEGER) & (1 << 64) - 1,
        )
    )


def memory(rng: Random, kind: str) -> bytearray:
    """Ten bytes of which an operand of this kind (real32, real64, other) uses the first."""
    data = bytearray(rng.randbytes(10))
    pick = rng.randrange(6)
    if kind in ("real32", "real64") and pick < 3:
        size, shift = (4, 23) if kind == "real32" else (8, 52)
        limit = (1 << 8 * size - 1 - shift) - 1
        exponent = rng.choice((0, 0, limit, limit >> 1, limit - 1))
        value = rng.getrandbits(1) << 8 * size - 1 | exponent << shift | rng.choice((0, 1, rng.getrandbits(shift)))
        data[:size] = value.to_bytes(size, "little")
    elif pick < 3:
        data = bytearray(rng.choice((0, 1, -1, 3, 1 << 15, 1 << 31, 1 << 63)).to_bytes(10, "little", signed=True))
    elif pick == 3 and kind == "bcd":
        data = bytearray(rng.randrange(10) << 4 | rng.randrange(10) for _ in range(9)) + rng.choice((b"\0", b"\x80"))
    return data


def control(rng: Random) -> int:
    masks = rng.choice((0x3F, 0x3F, 0x3F, rng.getrandbits(6), 0))
    precision = rng.choice((0, 2, 3, 3))  # 1 is reserved
    return 0x40 | masks | precision << 8 | rng.randrange(4) << 10


def registers(rng: Random) -> Registers:
    """A state with no exception pending."""
    word = control(rng)
    sticky = rng.getrandbits(7) & (word | 0x40) if rng.getrandbits(1) else 0
    status = sticky | rng.getrandbits(1) << 14 | rng.randrange(8) << 11 | rng.getrandbits(3) << 8
    filled = rng.choice((0xFF, 0x7F, rng.getrandbits(8), rng.getrandbits(8) | 0xC1))
    top = status >> 11 & 7
    if rng.randrange(4):  # mostly with ST(0), ST(1) and room for one more
        filled = (filled | 1 << top | 1 << (top + 1 & 7)) & ~(1 << (top + 7 & 7)) & 0xFF
    stack = tuple(extended(rng) for _ in range(8))
    return Registers(word, status, filled, stack, rng.getrandbits(12) & 0x8D5)
