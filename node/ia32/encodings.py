"""The opcode table whole, and what is derived from it: the list of handlers and the decoder's packed table.

A *handler* is a semantic with all its integer constants: what one decoded instruction executes. Handler numbers
follow the order of `ROWS`, so they are the same in every process of one version, and for every processor model: what a
model lacks is left out of the packed table that its decoder reads, and raises #UD as any other undefined opcode does.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from node.ia32 import decode
from node.ia32.blocks import FIRST_HANDLER
from node.ia32.decode import PREFIX_TABLE, PREFIXED_ENTRIES, RM_TABLE, table_index
from node.ia32.features import EVERY
from node.ia32.operands import MEM, REG
from node.ia32.rows import COND, FORM, SIZE, Row

FAMILIES = (
    "alu", "shift", "muldiv", "move", "stack", "control", "bits", "flag_bits", "decimal", "strings", "atomic",
    "segmentation", "far", "interrupts", "control_registers", "descriptor_tables", "flags_stack", "io", "system",
    "x87_load_store", "x87_arithmetic", "x87_compare", "x87_transcendental", "x87_control", "x87_stack",
    "x87_environment", "vector_move", "vector_integer", "vector_float", "vector_convert", "vector_control",
)  # fmt: skip


_NUMBER = struct.Struct("<H")
PREFIXES = ("NP", "66", "F3", "F2")
PREFIX_GROUPS = 160
ENTRY_BYTES = 8
TABLE_ENTRIES = PREFIX_TABLE + PREFIX_GROUPS * PREFIXED_ENTRIES


@dataclass(frozen=True, slots=True)
class Handler:
    semantic: Callable[..., Any]
    constants: tuple[int, ...]
    may_leave: bool
    ends: str  # as in Row
    counts: bool  # reads or spends m.left
    direct: bool  # a branch whose target is fixed relative to it


@dataclass(frozen=True, slots=True)
class Encoding:
    """One table entry before packing."""

    row: Row
    opcode: int  # 0-255, or 256 + second byte
    prefix: int | None  # index into PREFIXES of the mandatory prefix; None: prefixes do not choose
    regs: tuple[int, ...]
    rm: int | None
    narrow: tuple[int, ...]
    constants: tuple[int, ...]


@dataclass(slots=True)
class Tables:
    handlers: list[Handler | None] = field(default_factory=lambda: [None] * FIRST_HANDLER)
    table: bytearray = field(default_factory=lambda: bytearray(TABLE_ENTRIES * ENTRY_BYTES))  # what the decoder reads
    numbers: dict[tuple[Any, ...], int] = field(default_factory=dict)
    rm_groups: dict[tuple[int, int], int] = field(default_factory=dict)
    prefix_groups: dict[int, int] = field(default_factory=dict)

    @property
    def packed(self) -> npt.NDArray[np.uint8]:
        """The table, an entry a row."""
        return np.frombuffer(self.table, np.uint8).reshape(-1, ENTRY_BYTES)


@cache
def rows() -> tuple[Row, ...]:
    """Every row of every family."""
    found: list[Row] = []
    for family in FAMILIES:
        found += import_module(f"node.ia32.semantics.{family}").ROWS
    return tuple(found)


def operand_letters(row: Row) -> list[str]:
    return [o.strip() for o in row.operands.split(",") if o.strip()]


def encodings_of(row: Row) -> Iterator[Encoding]:
    """Spread a row over opcodes, operand sizes and modrm.reg values."""
    head, *rest = row.code.split()
    text = " ".join([head, *rest])
    spread, plus = 1, ""
    if "+" in text:
        text, plus = text.split("+")
        spread = 8 if plus == "r" else 16
    parts = text.split()
    regs: tuple[int, ...] = tuple(range(8))
    rm: int | None = None
    if parts[-1].startswith("/"):
        reg, _, rm_text = parts.pop()[1:].partition(":")
        regs = (int(reg),)
        rm = int(rm_text) if rm_text else None
    prefix = PREFIXES.index(parts.pop(0)) if parts[0] in PREFIXES and parts[1:2] == ["0F"] else None
    codes = [int(p, 16) for p in parts]
    first = 256 + codes[1] if codes[0] == 0x0F else codes[0]
    sized = any(o == "v" or (len(o) > 1 and o[1] in "vzp") for o in operand_letters(row))
    for i in range(spread):
        if sized:
            for narrow, size in ((0, 4), (1, 2)):
                yield Encoding(row, first + i, prefix, regs, rm, (narrow,), _resolve(row, size, i))
        else:
            yield Encoding(row, first + i, prefix, regs, rm, (0, 1), _resolve(row, 1, i))


_FORM = -1 << 40  # stands for FORM until the form is known


def _resolve(row: Row, size: int, condition: int) -> tuple[int, ...]:
    known = {SIZE: size, COND: condition, FORM: _FORM}
    return tuple(known[c] if isinstance(c, str) else c for c in row.constants)


IMMEDIATES = {
    "Ib": decode.IMM_B, "Is": decode.IMM_BS, "Isb": decode.IMM_BS, "Iw": decode.IMM_W, "Iz": decode.IMM_Z,
    "Iv": decode.IMM_Z, "Ap": decode.IMM_FAR, "Jb": decode.IMM_JB, "Jz": decode.IMM_JZ, "Jv": decode.IMM_JZ,
    "Ob": decode.IMM_OFFSET, "Ov": decode.IMM_OFFSET,
}  # fmt: skip


def immediate_kind(row: Row) -> int:
    letters = operand_letters(row)
    if "Iw" in letters and "Ib" in letters:
        return decode.IMM_WB
    kinds = [IMMEDIATES[o] for o in letters if o in IMMEDIATES]
    return kinds[0] if kinds else decode.IMM_NONE


def has_modrm(row: Row) -> bool:
    return "/" in row.code or any(o[0] in "EGMRSCDPQVWNU" for o in operand_letters(row) if o not in ("DX", "CL"))


def forms_of(row: Row) -> tuple[int, ...]:
    """Which of register and memory the `rm` operand may be."""
    letters = operand_letters(row)
    if not has_modrm(row):
        return (MEM,) if any(o[0] == "O" for o in letters) else (REG,)
    if ":" in row.code or any(o[0] in "CDRNU" for o in letters if o not in ("DX", "CL")):
        return (REG,)
    if any(o[0] == "M" for o in letters):
        return (MEM,)
    return (REG, MEM)


def is_register_only(row: Row) -> bool:
    """MOV to and from control and debug registers ignore modrm.mod."""
    return any(o[0] in "CD" for o in operand_letters(row) if o not in ("DX", "CL"))


@cache
def tables(features: int = EVERY) -> Tables:
    """Handlers and the packed decoder table of a processor with these features, built once a process."""
    built = Tables()
    for encoding in _encodings():
        _enter(built, encoding, present=encoding.row.feature & ~features == 0)
    return built


@cache
def _encodings() -> tuple[Encoding, ...]:
    """Of all rows."""
    return tuple(encoding for row in rows() for encoding in encodings_of(row))


def _enter(built: Tables, x: Encoding, *, present: bool = True) -> None:
    """Number the encoding's handlers; put it into the packed table if the processor has it."""
    row = x.row
    numbered = {form: _number(built, x, form) for form in forms_of(row)}
    if not present:
        return
    with_modrm, immediate, table = has_modrm(row), immediate_kind(row), built.table
    flags = (decode.HAS_MODRM if with_modrm else 0) | (decode.ENDS if row.ends in ("always", "branch") else 0)
    flags |= (decode.LOCKABLE if row.lock else 0) | (decode.REGISTER_ONLY if is_register_only(row) else 0)
    if with_modrm:  # the decoder looks at modrm.reg 0 to learn that there is a modrm byte at all
        for reg in range(8):
            for narrow in (0, 1):
                table[_place(x.opcode, reg, narrow) + 5] |= decode.HAS_MODRM
    for reg in x.regs:
        for at in _entries(built, x, reg):
            for form, number in numbered.items():
                _NUMBER.pack_into(table, at + 2 if form == MEM and with_modrm else at, number)
            table[at + 4] = immediate
            table[at + 5] |= flags


def _place(opcode: int, reg: int, narrow: int) -> int:
    """Of an entry in the table's bytes."""
    return table_index(opcode, reg, narrow) * ENTRY_BYTES


def _entries(built: Tables, x: Encoding, reg: int) -> Iterator[int]:
    """Places of the table's entries for one value of modrm.reg; those that lead there are filled in on the way."""
    if x.prefix is not None:
        group = built.prefix_groups.setdefault(x.opcode, len(built.prefix_groups))
        for narrow in (0, 1):
            _lead(built, _place(x.opcode, 0, narrow), group, decode.BY_PREFIX)
        first = PREFIX_TABLE + group * PREFIXED_ENTRIES
        yield (first + x.prefix * 8 + reg) * ENTRY_BYTES
        return
    for narrow in x.narrow:
        at = _place(x.opcode, reg, narrow)
        if x.rm is not None:
            base = built.rm_groups.setdefault((x.opcode, reg), len(built.rm_groups))
            _lead(built, at, base, decode.HAS_MODRM | decode.BY_RM)
            at = (RM_TABLE + base * 8 + x.rm) * ENTRY_BYTES
        yield at


def _lead(built: Tables, at: int, group: int, flags: int) -> None:
    _NUMBER.pack_into(built.table, at, group)
    built.table[at + 5] |= flags


def _number(built: Tables, x: Encoding, form: int) -> int:
    constants = tuple(form if c == _FORM else c for c in x.constants)
    row = x.row
    may_leave = row.faults == "always" or (row.faults == "mem" and form == MEM)
    direct = row.ends in ("branch", "cc") and any(o[0] == "J" for o in operand_letters(row))
    key = (row.semantic, constants, may_leave, row.ends, row.counts, direct)
    if key not in built.numbers:
        built.numbers[key] = len(built.handlers)
        built.handlers.append(Handler(row.semantic, constants, may_leave, row.ends, row.counts, direct))
    return built.numbers[key]


def relative_target(handler: Handler, following: int, displacement: int) -> int | None:
    """Where a direct branch leads, relative to wherever `following`, the address behind it, is counted from; `None` if
    that depends on the whole EIP (16-bit branches wrap). The displacement is an Op's `imm`."""
    if handler.constants[-1] != 4:
        return None
    return following + ((displacement ^ 0x8000_0000) - 0x8000_0000)
