"""Random cases for a row of the opcode table.

Registers point where memory is, counts are small, dividends mostly divide;
and all of that lies now and then around an edge: of a page, of a segment, of what is mapped.
"""

from random import Random

from node.ia32.encodings import operand_letters
from node.ia32.operands import mask_of
from node.ia32.rows import Row
from node.ia32.state import (
    ATTR_D,
    CS,
    DF,
    EAX,
    EBP,
    EBX,
    ECX,
    EDI,
    EDX,
    ES,
    ESI,
    ESP,
    IF,
    M32,
    SS,
    STATUS_FLAGS,
    TF,
)
from tests.support.cpu_case import CODE, CODE_END, PAGE, SETTINGS, WINDOW, WINDOW_BYTES, Case, Setting, is_wide
from tests.support.encode import Instruction, aim, instruction, is_string


def random_case(rng: Random, row: Row, setting: str) -> Case:
    made = instruction(rng, row, wide=is_wide(setting))
    gpr = [interesting(rng) for _ in range(8)]
    window = bytearray(rng.randbytes(WINDOW_BYTES))
    _registers(rng, made, SETTINGS[setting], gpr)
    _operands(rng, made, SETTINGS[setting], gpr, window)
    eflags = rng.getrandbits(12) & (STATUS_FLAGS | DF) | IF | TF | 2
    return Case(made, setting, tuple(gpr), _eip(rng, made, setting), eflags, bytes(window))


def interesting(rng: Random) -> int:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.getrandbits(32)
    if kind == 1:
        return rng.choice((0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, M32))
    if kind == 2:
        return rng.getrandbits(8)
    return (1 << rng.randrange(33)) - 1


def _eip(rng: Random, made: Instruction, setting: str) -> int:
    base, limit = SETTINGS[setting][CS].base, SETTINGS[setting][CS].limit
    end = min(CODE_END, base + limit + 1)  # of what is mapped, or of the segment
    last = end - len(made.code)
    pick = rng.random()
    if pick < 0.1:
        linear = CODE + PAGE - rng.randrange(len(made.code) + 1)  # across the pages
    elif pick < 0.15:
        linear = min(last + rng.randrange(16), end - 1)
    else:
        linear = rng.randrange(CODE, last)
    return linear - base


def _place(rng: Random, setting: Setting, seg: int) -> int:
    """An offset in `seg` of an operand in the window, now and then around its edges or its page boundary."""
    pick = rng.random()
    if pick < 0.8:
        linear = WINDOW + rng.randrange(0x100, WINDOW_BYTES - 0x100)
    elif pick < 0.9:
        linear = WINDOW + PAGE + rng.randrange(-16, 16)
    elif pick < 0.95:
        linear = WINDOW + rng.randrange(-8, 8)
    else:
        linear = WINDOW + WINDOW_BYTES + rng.randrange(-16, 8)
    if setting[seg].base and rng.random() < 0.1:
        linear = setting[seg].base + setting[seg].limit + rng.randrange(-8, 4)
    return linear - setting[seg].base & M32


def _registers(rng: Random, made: Instruction, setting: Setting, gpr: list[int]) -> None:
    """Stack and string registers point into the window; counts are small; dividends mostly divide."""
    row, name = made.row, made.row.semantic.__name__
    mask = (1 << made.address_bits) - 1

    def point(register: int, seg: int, bits: int) -> None:
        low = (1 << bits) - 1
        gpr[register] = gpr[register] & ~low & M32 | _place(rng, setting, seg) & low

    stack_bits = 32 if setting[SS].attr & ATTR_D else 16
    if rng.random() < 0.97:
        point(ESP, SS, stack_bits)
    if name in ("enter", "leave"):
        point(EBP, SS, stack_bits)
    if is_string(row):
        point(ESI, made.seg, made.address_bits)
        point(EDI, ES, made.address_bits)
        gpr[ECX] = gpr[ECX] & ~mask & M32 | rng.choice((0, 1, 2, rng.randrange(40)))
    if name == "xlat":
        point(EBX, made.seg, made.address_bits)
    if name == "loop":
        gpr[ECX] = gpr[ECX] & ~mask & M32 | rng.choice((0, 1, 2, mask))
    if name.startswith("divide") and rng.random() < 0.7:
        gpr[EDX] = rng.choice((0, 0, M32, rng.getrandbits(4)))
        gpr[EAX] = rng.choice((gpr[EAX], gpr[EAX] & 0xFF))


def _operands(rng: Random, made: Instruction, setting: Setting, gpr: list[int], window: bytearray) -> None:
    name = made.row.semantic.__name__
    if made.address is not None:
        offset = _place(rng, setting, made.seg)
        aim(made, gpr, offset)
        if name == "bit_reg" and made.reg is not None and made.reg not in (made.address.base, made.address.index):
            gpr[made.reg] = gpr[made.reg] & ~0xFFFF & M32 if made.size == 2 else 0
            gpr[made.reg] |= rng.randrange(-0x4000, 0x4000) & mask_of(made.size)
    if name.startswith("cmpxchg") and rng.random() < 0.5:
        _let_compare(made, setting, gpr, window)


def _let_compare(made: Instruction, setting: Setting, gpr: list[int], window: bytearray) -> None:
    """Make the accumulator equal to the operand, as far as that is possible."""
    size = 1 if "b" in operand_letters(made.row)[0] else made.size
    if made.address is None:
        assert made.rm is not None
        gpr[EAX] = gpr[made.rm] if size > 1 else gpr[EAX] & ~0xFF | gpr[made.rm & 3] >> (made.rm & 4) * 2 & 0xFF
        return
    at = made.address.offset(gpr) + setting[made.seg].base - WINDOW & M32
    if at + 8 <= WINDOW_BYTES:
        window[at : at + 4] = gpr[EAX].to_bytes(4, "little")
        window[at + 4 : at + 8] = gpr[EDX].to_bytes(4, "little")
