"""Random machine code for a row of the opcode table: prefixes, modrm, SIB, displacement, immediate.

An `Instruction` remembers how its memory operand is addressed, so that whoever fills the registers can make the operand
lie where memory is (`aim`).
"""

from dataclasses import dataclass
from functools import cache
from random import Random

from node.ia32 import decode
from node.ia32.encodings import (
    Encoding,
    encodings_of,
    forms_of,
    has_modrm,
    immediate_kind,
    is_register_only,
    operand_letters,
    rows,
)
from node.ia32.operands import MEM
from node.ia32.rows import Row
from node.ia32.state import CS, DS, EBP, EBX, EDI, ES, ESI, ESP, FS, GS, SS

SEGMENT_PREFIX = {ES: 0x26, CS: 0x2E, SS: 0x36, DS: 0x3E, FS: 0x64, GS: 0x65}
LOCK_PREFIX, REP_PREFIX, REPNE_PREFIX, OPERAND_PREFIX, ADDRESS_PREFIX = 0xF0, 0xF3, 0xF2, 0x66, 0x67
BASES_16 = ((EBX, ESI), (EBX, EDI), (EBP, ESI), (EBP, EDI), (ESI, None), (EDI, None), (EBP, None), (EBX, None))


@dataclass(slots=True)
class Address:
    """The fields of a memory operand; `at` is where its displacement lies in the code."""

    seg: int
    bits: int  # 16 or 32
    base: int | None = None
    index: int | None = None
    scale: int = 0
    disp: int = 0
    disp_bytes: int = 0
    at: int = 0

    def offset(self, gpr: list[int]) -> int:
        base = gpr[self.base] if self.base is not None else 0
        index = gpr[self.index] << self.scale if self.index is not None else 0
        return base + index + self.disp & (1 << self.bits) - 1


@dataclass(slots=True)
class Instruction:
    row: Row
    code: bytearray
    size: int  # operand size of `v` operands: 2 or 4
    address_bits: int
    reg: int | None
    rm: int | None  # register operand; None with a memory operand
    address: Address | None
    seg: int  # of the first memory operand: default or prefix
    locked: bool
    repeated: int  # 0, REP_PREFIX, REPNE_PREFIX

    @property
    def immediate(self) -> int:
        """Its last byte: the count of a shift."""
        return self.code[-1]


@cache
def _encodings(row: Row) -> tuple[Encoding, ...]:
    return tuple(encodings_of(row))


def row_name(row: Row) -> str:
    return f"{row.code} {row.operands}".strip().replace(" ", "_").replace("/", "r")


def named_rows() -> dict[str, Row]:
    """Every row of the opcode table by a name fit for a test's identifier."""
    named: dict[str, Row] = {}
    for row in rows():
        name = f"{row_name(row)}_{row.semantic.__name__}"
        assert name not in named, name
        named[name] = row
    return named


def is_string(row: Row) -> bool:
    return any(letter[0] in "XY" for letter in operand_letters(row))


def instruction(rng: Random, row: Row, *, wide: bool) -> Instruction:
    """One random instance of `row` for a code segment with D = `wide`."""
    x = rng.choice(_encodings(row))
    narrow_operand = bool(x.narrow[0]) if len(x.narrow) == 1 else (rng.random() < 0.1) ^ (not wide)
    if x.prefix is not None:  # 66 where it is the mandatory prefix, or where F2 or F3 is and takes its place
        narrow_operand = wide == (x.prefix == 1 or (x.prefix > 1 and rng.random() < 0.1))
    narrow_address = (rng.random() < 0.1) ^ (not wide)
    seg = rng.choice((ES, CS, SS, DS, FS, GS)) if rng.random() < 0.15 else None
    memory = has_modrm(row) and not is_register_only(row) and rng.choice(forms_of(row)) == MEM
    locked = rng.random() < (0.15 if row.lock and memory else 0.02)
    repeated = rng.choice((0, REP_PREFIX, REPNE_PREFIX)) if is_string(row) else 0
    if x.prefix is not None:
        repeated = (0, 0, REP_PREFIX, REPNE_PREFIX)[x.prefix]
    code = _prefixes(rng, wide, bool(narrow_operand), narrow_address, seg, locked, repeated)
    code += bytes((0x0F, x.opcode - 256) if x.opcode >= 256 else (x.opcode,))
    bits = 16 if narrow_address else 32
    made = Instruction(row, code, 2 if narrow_operand else 4, bits, None, None, None, DS, locked, repeated)
    made.seg = DS if seg is None else seg
    if has_modrm(row):
        made.reg = rng.choice(x.regs)
        if memory:
            made.address = _memory(rng, code, made.reg, bits, seg)
            made.seg = made.address.seg
        else:
            made.rm = rng.randrange(8) if x.rm is None else x.rm
            code.append(0xC0 | made.reg << 3 | made.rm)
    _immediate(rng, made, row)
    return made


def _prefixes(
    rng: Random, wide: bool, narrow_operand: bool, narrow_address: bool, seg: int | None, locked: bool, repeated: int
) -> bytearray:
    """In any order; now and then padded with repetitions, to the limit of 15 bytes and beyond."""
    needed = [OPERAND_PREFIX] if narrow_operand == wide else []
    needed += [ADDRESS_PREFIX] if narrow_address == wide else []
    needed += [] if seg is None else [SEGMENT_PREFIX[seg]]
    needed += [LOCK_PREFIX] if locked else []
    needed += [repeated] if repeated else []
    if needed and rng.random() < 0.02:
        needed += [rng.choice(needed) for _ in range(rng.randrange(6, 15))]
    rng.shuffle(needed)
    return bytearray(needed)


def _memory(rng: Random, code: bytearray, reg: int, bits: int, seg: int | None) -> Address:
    mod = rng.randrange(3)
    rm = rng.randrange(8)
    code.append(mod << 6 | reg << 3 | rm)
    a = Address(DS, bits)
    if bits == 16:
        direct = mod == 0 and rm == 6
        if not direct:
            a.base, a.index = BASES_16[rm]
        a.disp_bytes = 2 if direct else mod
    else:
        if rm == 4:
            sib = rng.randrange(256)
            code.append(sib)
            a.base, a.index, a.scale = sib & 7, None if sib >> 3 & 7 == 4 else sib >> 3 & 7, sib >> 6
        else:
            a.base = rm
        direct = mod == 0 and a.base == EBP
        if direct:
            a.base = None
        a.disp_bytes = 4 if direct or mod == 2 else mod
    a.seg = (SS if a.base in (ESP, EBP) else DS) if seg is None else seg
    _displacement(rng, code, a)
    return a


def _displacement(rng: Random, code: bytearray, a: Address) -> None:
    raw = rng.randbytes(a.disp_bytes)
    a.at = len(code)
    a.disp = int.from_bytes(raw, "little", signed=True)
    code += raw


def _immediate(rng: Random, made: Instruction, row: Row) -> None:
    kind = immediate_kind(row)
    if kind == decode.IMM_OFFSET:
        made.address = Address(made.seg, made.address_bits, disp_bytes=made.address_bits // 8)
        _displacement(rng, made.code, made.address)
        return
    sized = {decode.IMM_Z: made.size, decode.IMM_JZ: made.size, decode.IMM_FAR: made.size + 2}
    fixed = {decode.IMM_NONE: 0, decode.IMM_W: 2, decode.IMM_WB: 3}
    length = sized[kind] if kind in sized else fixed.get(kind, 1)
    raw = bytearray(rng.randbytes(length))
    if kind == decode.IMM_B and rng.random() < 0.4:
        raw[0] = rng.choice((0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33))  # where shifts and decimal bases change
    if kind == decode.IMM_WB:
        raw = bytearray(
            rng.choice((0, 8, rng.randrange(64), 0xFFF0)).to_bytes(2, "little") + bytes([rng.randrange(40)])
        )
    made.code += raw


def aim(made: Instruction, gpr: list[int], offset: int) -> None:
    """Choose the displacement, or the base register's value in `gpr`, so that the operand lies at `offset`."""
    a = made.address
    assert a is not None
    mask = (1 << a.bits) - 1
    missing = offset - a.offset(gpr) & mask
    if a.disp_bytes * 8 == a.bits:
        a.disp = a.disp + missing & mask
        made.code[a.at : a.at + a.disp_bytes] = a.disp.to_bytes(a.disp_bytes, "little")
    elif a.base is not None and a.base != a.index:
        gpr[a.base] = gpr[a.base] & ~mask & 0xFFFF_FFFF | gpr[a.base] + missing & mask
    elif a.base is not None:
        factor = 1 + (1 << a.scale)  # base and index are one register
        wanted = offset - a.disp & mask
        gpr[a.base] = wanted // 2 if factor == 2 else wanted * pow(factor, -1, 1 << a.bits) & mask
