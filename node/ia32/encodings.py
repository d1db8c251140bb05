"""The opcode table whole, and how each of its rows is spread over opcodes, operand sizes and values of modrm.reg."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from node.ia32 import decode
from node.ia32.operands import MEM, REG
from node.ia32.rows import COND, FORM, SIZE, Row

FAMILIES = (
    "alu", "shift", "muldiv", "move", "stack", "control", "bits", "flag_bits", "decimal", "strings", "atomic",
    "segmentation", "far", "interrupts", "control_registers", "descriptor_tables", "flags_stack", "io", "system",
    "x87_load_store", "x87_arithmetic", "x87_compare", "x87_transcendental", "x87_control", "x87_stack",
    "x87_environment", "vector_move", "vector_integer", "vector_float", "vector_convert", "vector_control",
)  # fmt: skip
PREFIXES = ("NP", "66", "F3", "F2")
FORM_UNKNOWN = -1 << 40  # among an encoding's constants: whether its operand is a register or memory


@dataclass(frozen=True, slots=True)
class Encoding:
    """One table entry before packing."""

    row: Row
    opcode: int  # 0-255, or 256 + second byte
    prefix: int | None  # index into PREFIXES of the mandatory prefix; None: prefixes do not choose
    regs: range
    rm: int | None
    narrow: tuple[int, ...]
    constants: tuple[int, ...]


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
    regs = range(8)
    rm: int | None = None
    if parts[-1].startswith("/"):
        reg, _, rm_text = parts.pop()[1:].partition(":")
        regs = range(int(reg), int(reg) + 1)
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


def _resolve(row: Row, size: int, condition: int) -> tuple[int, ...]:
    known = {SIZE: size, COND: condition, FORM: FORM_UNKNOWN}
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
