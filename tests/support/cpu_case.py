"""One instruction to be executed at level 3 from a given state, and what came of it.

These are the words in which the interpreter, unicorn and the host's own processor are compared.

Memory is the same for all: two pages of code and a window of two pages; everything around them is unmapped. A `Setting`
is the segments: flat 32-bit, or a local descriptor table with 16-bit code and stack, limits, an expand-down and a
read-only segment.
"""

import struct
from dataclasses import dataclass

from node.ia32.encodings import operand_letters
from node.ia32.state import (
    ATTR_D,
    ATTR_DC,
    ATTR_G,
    ATTR_RW,
    CF,
    CS,
    DS,
    ECX,
    ES,
    FS,
    GS,
    M16,
    M32,
    OF,
    SS,
)
from tests.support.encode import Instruction

PAGE = 0x1000
CODE, CODE_BYTES, WINDOW, WINDOW_BYTES = 0x2_0000, 2 * PAGE, 0x3_0000, 2 * PAGE  # where real mode reaches them too
CODE_END = CODE + CODE_BYTES
DB, PAGE_FAULT = 1, 14
SAR = 7
USER_DATA, USER_CODE = 0xF3, 0xFB  # access bytes: present, level 3, accessed
REAL_ATTR = 0x93


@dataclass(frozen=True, slots=True)
class Segment:
    selector: int
    base: int
    limit: int  # in bytes
    attr: int  # as in Cpu.attr

    def descriptor(self) -> bytes:
        limit = self.limit >> 12 if self.attr & ATTR_G else self.limit
        low = limit & 0xFFFF | (self.base & 0xFFFF) << 16
        high = self.base >> 16 & 0xFF | (self.attr & 0xFF) << 8 | limit & 0xF_0000 | (self.attr & 0xF00) << 12
        return struct.pack("<II", low, high | self.base & 0xFF00_0000)


FLAT = ATTR_D | ATTR_G
FLAT_CODE, FLAT_DATA = Segment(0x23, 0, M32, USER_CODE | FLAT), Segment(0x2B, 0, M32, USER_DATA | FLAT)
LIMITED = Segment(0x07, WINDOW, 0x17FF, USER_DATA)
DOWN = Segment(0x0F, WINDOW - 0x2000, 0x27FF, USER_DATA | ATTR_DC)  # offsets above 27FF are valid
CODE_16, STACK_16 = Segment(0x17, CODE, 0x1EFF, USER_CODE), Segment(0x1F, WINDOW, M16, USER_DATA)
DATA_16, EXTRA_16 = Segment(0x27, WINDOW, 0x1EFF, USER_DATA), Segment(0x2F, WINDOW - 0x4000, M16, USER_DATA)
READ_ONLY = Segment(0x37, WINDOW - 0x1000, 0x2FFF, USER_DATA & ~ATTR_RW)
LOCAL_TABLE = (LIMITED, DOWN, CODE_16, STACK_16, DATA_16, EXTRA_16, READ_ONLY)

Setting = dict[int, Segment]
PROTECTED: dict[str, Setting] = {
    "flat": {CS: FLAT_CODE, SS: FLAT_DATA, DS: FLAT_DATA, ES: FLAT_DATA, FS: LIMITED, GS: DOWN},
    "16-bit": {CS: CODE_16, SS: STACK_16, DS: DATA_16, ES: EXTRA_16, FS: READ_ONLY, GS: DOWN},
    "mixed": {CS: FLAT_CODE, SS: STACK_16, DS: READ_ONLY, ES: LIMITED, FS: FLAT_DATA, GS: EXTRA_16},
    "wide stack": {CS: CODE_16, SS: FLAT_DATA, DS: LIMITED, ES: FLAT_DATA, FS: DOWN, GS: DATA_16},
}


def _paragraph(linear: int) -> Segment:
    return Segment(linear >> 4, linear, M16, REAL_ATTR)


REAL: Setting = {
    CS: _paragraph(CODE), SS: _paragraph(WINDOW), DS: _paragraph(WINDOW - 0x120), ES: _paragraph(WINDOW - 0x4000),
    FS: _paragraph(WINDOW - 0x10), GS: _paragraph(WINDOW - 0x8000),
}  # fmt: skip
SETTINGS: dict[str, Setting] = {**PROTECTED, "real": REAL}


@dataclass(frozen=True, slots=True)
class Vectors:
    """x87, MMX and SSE state. `st[i]` is physical register Ri: 80 bits, of which the lower 64 are MMi."""

    st: tuple[int, ...]
    xmm: tuple[int, ...]
    mxcsr: int
    control: int = 0x37F
    status: int = 0
    filled: int = 0

    def __str__(self) -> str:
        st, xmm = " ".join(f"{v:020x}" for v in self.st), " ".join(f"{v:032x}" for v in self.xmm)
        unit = f"{self.control:04x} {self.status:04x} {self.filled:02x}"
        return f"\n  R {st} [{unit}]\n  xmm {xmm} [{self.mxcsr:04x}]"


INITIAL = Vectors((0,) * 8, (0,) * 8, 0x1F80)


@dataclass(frozen=True, slots=True)
class Case:
    instruction: Instruction
    setting: str
    gpr: tuple[int, ...]
    eip: int
    eflags: int
    window: bytes
    vectors: Vectors | None = None  # None: initial, and not compared

    @property
    def code(self) -> bytes:
        return bytes(self.instruction.code)

    @property
    def code_linear(self) -> int:
        return SETTINGS[self.setting][CS].base + self.eip

    def __str__(self) -> str:
        registers = " ".join(f"{v:08x}" for v in self.gpr)
        place = f"{self.code.hex(' ')} [{self.setting}] gpr {registers} eip {self.eip:x} eflags {self.eflags:x}"
        return f"{place}{self.vectors or ''}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`vector` DB: the instruction was executed (a single-step trap followed); else the exception it raised."""

    vector: int
    error: int
    gpr: tuple[int, ...]
    eip: int
    eflags: int
    cr2: int  # 0 unless a page fault
    window: bytes
    vectors: Vectors = INITIAL


def is_wide(setting: str) -> bool:
    return bool(SETTINGS[setting][CS].attr & ATTR_D)


def undefined_flags(case: Case) -> int:
    """Status flags that the manual leaves undefined after this very case: the row says it for any count of a shift."""
    made = case.instruction
    name = made.row.semantic.__name__
    if name not in ("shift", "rotate", "shift_double"):
        return made.row.undefined
    letters = operand_letters(made.row)
    count = 1 if letters[-1] == "1" else case.gpr[ECX] & 31 if letters[-1] == "CL" else made.immediate & 31
    if count == 0:
        return 0
    bits = 8 if letters[0] == "Eb" else made.size * 8
    lost = CF if name == "shift" and made.reg != SAR and count >= bits else 0  # SDM 2B, SAL/SAR/SHL/SHR
    return made.row.undefined & ~(OF if count == 1 else 0) | lost


def differences(case: Case, expected: Outcome, actual: Outcome, flags: int) -> list[str]:
    """What does not agree, `flags` being the bits of EFLAGS that count."""
    found = []
    if expected.vector == DB == actual.vector:
        flags &= ~undefined_flags(case)
    for name in ("vector", "error", "eip", "cr2"):
        if getattr(expected, name) != getattr(actual, name):
            found.append(f"{name} {getattr(expected, name):#x}, ours {getattr(actual, name):#x}")
    for i, (value, our_value) in enumerate(zip(expected.gpr, actual.gpr, strict=True)):
        if value != our_value:
            found.append(f"gpr[{i}] {value:08x}, ours {our_value:08x}")
    if (expected.eflags ^ actual.eflags) & flags:
        found.append(f"eflags {expected.eflags & flags:x}, ours {actual.eflags & flags:x}")
    if expected.window != actual.window:
        at = next(i for i in range(WINDOW_BYTES) if expected.window[i] != actual.window[i])
        theirs, ours = expected.window[at : at + 16].hex(), actual.window[at : at + 16].hex()
        found.append(f"memory at {WINDOW + at:x}: {theirs}, ours {ours}")
    if case.vectors is not None and expected.vectors != actual.vectors:
        found.append(f"vectors {expected.vectors}\nours {actual.vectors}")
    return found
