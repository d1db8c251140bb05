"""Random cases for MMX and SSE instructions: `random_case` with operands that suit them, and a vector unit's state."""

from dataclasses import replace
from random import Random

from node.ia32.encodings import operand_letters
from node.ia32.rows import Row
from node.ia32.state import EDI, M32
from tests.support.cpu_case import SETTINGS, WINDOW, WINDOW_BYTES, Case, Vectors
from tests.support.encode import aim
from tests.support.random_case import random_case

MXCSR_BITS, ALL_MASKED = 0xFFFF, 0x1F80
FLOATS_32 = (
    0, 1, 0x7F_FFFF, 0x80_0000, 0x3F80_0000, 0x3F80_0001, 0x7F7F_FFFF, 0x7F80_0000, 0x7FC0_0000, 0x7F80_0001,
    0x7FBF_FFFF, 0x4F00_0000, 0x4EFF_FFFF, 0x3F00_0000, 0x4B00_0001, 0x0040_0000,
)  # fmt: skip
FLOATS_64 = (
    0, 1, 0xF_FFFF_FFFF_FFFF, 0x10_0000_0000_0000, 0x3FF0_0000_0000_0000, 0x3FF0_0000_0000_0001, 0x7FEF_FFFF_FFFF_FFFF,
    0x7FF0_0000_0000_0000, 0x7FF8_0000_0000_0000, 0x7FF0_0000_0000_0001, 0x41E0_0000_0000_0000, 0x41DF_FFFF_FFFF_FFFF,
    0x41DF_FFFF_FFC0_0000, 0x3FE0_0000_0000_0000, 0x47EF_FFFF_E000_0000, 0x3690_0000_0000_0000, 0x3810_0000_0000_0000,
    0x380F_FFFF_FFFF_FFFF,
)  # fmt: skip


def lane_32(rng: Random) -> int:
    """A number around which something happens, of either sign; now and then near one, or anything."""
    kind = rng.randrange(8)
    if kind < 3:
        return rng.choice(FLOATS_32) | rng.getrandbits(1) << 31
    if kind < 5:
        return (127 + rng.randrange(-30, 34)) << 23 | rng.getrandbits(23) | rng.getrandbits(1) << 31
    if kind == 5:
        return rng.choice((1, 2, 127, 254)) << 23 | rng.getrandbits(23) | rng.getrandbits(1) << 31
    return rng.getrandbits(32)


def lane_64(rng: Random) -> int:
    kind = rng.randrange(8)
    if kind < 3:
        return rng.choice(FLOATS_64) | rng.getrandbits(1) << 63
    if kind < 5:
        return (1023 + rng.randrange(-60, 68)) << 52 | rng.getrandbits(52) | rng.getrandbits(1) << 63
    if kind == 5:
        return rng.choice((1, 2, 897, 874, 1023, 1150, 2046)) << 52 | rng.getrandbits(52) | rng.getrandbits(1) << 63
    return rng.getrandbits(64)


def vector(rng: Random) -> int:
    kind = rng.randrange(8)
    if kind < 3:
        return sum(lane_32(rng) << 32 * i for i in range(4))
    if kind < 6:
        return lane_64(rng) | lane_64(rng) << 64
    if kind == 6:  # lanes around the limits of integers
        words = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7F80, 0x8080)
        return sum(rng.choice(words) << 16 * i for i in range(8))
    return rng.getrandbits(128)


def count(rng: Random) -> int:
    """A shift count: mostly one that shifts something out but not all."""
    return rng.randrange(70) if rng.random() < 0.8 else rng.getrandbits(64)


def random_vectors(rng: Random, row: Row) -> Vectors:
    xmm, mmx = [vector(rng) for _ in range(8)], [vector(rng) & (1 << 64) - 1 for _ in range(8)]
    if row.code[3:7] in ("0F D", "0F E", "0F F") and rng.random() < 0.5:
        number = rng.randrange(8)
        xmm[number] = count(rng) | xmm[number] >> 64 << 64
        mmx[number] = count(rng)
    control = rng.getrandbits(16) if rng.random() < 0.5 else ALL_MASKED | rng.getrandbits(16)
    filled = rng.choice((0, 0xFF, rng.getrandbits(8)))
    st = tuple(value | rng.choice((0xFFFF, rng.getrandbits(16))) << 64 for value in mmx)
    return Vectors(st, tuple(xmm), control & MXCSR_BITS, 0x37F, rng.randrange(8) << 11 | rng.getrandbits(6), filled)


def random_vector_case(rng: Random, row: Row, setting: str) -> Case:
    case = random_case(rng, row, setting)
    gpr, window, name = list(case.gpr), bytearray(case.window), row.semantic.__name__
    if name == "store_masked":
        where = WINDOW + rng.choice((rng.randrange(WINDOW_BYTES - 16), 0xFF8, WINDOW_BYTES - 8))
        gpr[EDI] = where - SETTINGS[setting][case.instruction.seg].base & M32
    if case.instruction.address is not None:
        _place_operand(rng, case, gpr, window, name)
    return replace(case, gpr=tuple(gpr), window=bytes(window), vectors=random_vectors(rng, row))


def _place_operand(rng: Random, case: Case, gpr: list[int], window: bytearray, name: str) -> None:
    """Align what must be aligned, most of the time, and put something sensible there."""
    made = case.instruction
    address = made.address
    assert address is not None
    base = SETTINGS[case.setting][made.seg].base
    whole = any(o[1:] in ("x", "") for o in operand_letters(made.row) if o[0] in "WM")
    at = (address.offset(gpr) + base & M32) - WINDOW
    if whole and rng.random() < 0.9:
        at &= ~15
    if name in ("save_image", "restore_image") and rng.random() < 0.9:
        at = rng.randrange(0, WINDOW_BYTES - 512, 16)
    aim(made, gpr, at + WINDOW - base & M32)
    at = (address.offset(gpr) + base & M32) - WINDOW
    if name == "restore_image":
        at += 24
    if not 0 <= at <= WINDOW_BYTES - 16:
        return
    if name in ("load_mxcsr", "restore_image"):
        value = rng.getrandbits(16) if rng.random() < 0.9 else rng.getrandbits(32)
        window[at : at + 4] = value.to_bytes(4, "little")
    else:
        window[at : at + 16] = vector(rng).to_bytes(16, "little")
