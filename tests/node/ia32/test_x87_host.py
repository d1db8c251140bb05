"""Every x87 instruction against the host's own, from random states, bit for bit: registers, tags, status, memory."""

import platform
from random import Random

import pytest

from tests.support import native_x87
from tests.support.native_x87 import Registers
from tests.support.x87_values import memory, registers
from tests.support.x87_world import OPERAND, World

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the oracle is the host's x87")
SEED = 20_240_817
CASES = 60

MEMORY_FORMS = {
    f"{escape:02x} /{reg}": (kind, bytes((escape, reg << 3 | 2)))
    for escape, kinds in {
        0xD8: {reg: "real32" for reg in range(8)},
        0xDA: {reg: "int32" for reg in range(8)},
        0xDC: {reg: "real64" for reg in range(8)},
        0xDE: {reg: "int16" for reg in range(8)},
        0xD9: {0: "real32", 2: "store", 3: "store"},
        0xDD: {0: "real64", 2: "store", 3: "store"},
        0xDB: {0: "int32", 2: "store", 3: "store", 5: "real80", 7: "store"},
        0xDF: {0: "int16", 2: "store", 3: "store", 4: "bcd", 5: "int64", 6: "store", 7: "store"},
    }.items()
    for reg, kind in kinds.items()
}
WITH_ST_I = [
    *((0xD8, reg) for reg in range(8)),
    *((0xDC, reg) for reg in range(8)),
    *((0xDE, reg) for reg in (0, 1, 2, 4, 5, 6, 7)),
    *((0xDA, reg) for reg in range(4)),
    *((0xDB, reg) for reg in (0, 1, 2, 3, 5, 6)),
    *((0xDD, reg) for reg in range(6)),
    *((0xDF, reg) for reg in (0, 1, 2, 3, 5, 6)),
    *((0xD9, reg) for reg in (0, 1, 3)),
]
SINGLE = {
    "fnop": "d9d0", "fchs": "d9e0", "fabs": "d9e1", "ftst": "d9e4", "fxam": "d9e5",
    "fld1": "d9e8", "fldl2t": "d9e9", "fldl2e": "d9ea", "fldpi": "d9eb", "fldlg2": "d9ec",
    "fldln2": "d9ed", "fldz": "d9ee", "f2xm1": "d9f0", "fyl2x": "d9f1", "fptan": "d9f2", "fpatan": "d9f3",
    "fxtract": "d9f4", "fprem1": "d9f5",
    "fdecstp": "d9f6", "fincstp": "d9f7", "fprem": "d9f8", "fyl2xp1": "d9f9", "fsqrt": "d9fa", "fsincos": "d9fb",
    "frndint": "d9fc", "fscale": "d9fd", "fsin": "d9fe", "fcos": "d9ff",
    "feni": "dbe0", "fdisi": "dbe1", "fnclex": "dbe2", "fninit": "dbe3", "fsetpm": "dbe4",
    "fcompp": "ded9", "fucompp": "dae9",
}  # fmt: skip

IE, C0, C1, C2, C3 = 0x1, 0x100, 0x200, 0x400, 0x4000


def undetermined(code: bytes, before: Registers, after: Registers) -> tuple[int, int]:
    """Bits of the status word and of EFLAGS in which processors differ from each other, or from the manual."""
    reg, register_form = code[1] >> 3 & 7, code[1] >= 0xC0
    invalid = after.status & IE and not before.control & IE
    to_flags = register_form and code[0] in (0xDB, 0xDF) and reg in (5, 6)
    if to_flags:
        return C1, 0x8D5 if invalid else 0
    compares = (code[0] in (0xD8, 0xDA, 0xDC, 0xDE) and reg in (2, 3)) or code == b"\xda\xe9" or code == b"\xd9\xe4"
    compares = compares or (register_form and code[0] == 0xDD and reg in (4, 5))
    return (C0 | C2 | C3 if compares and invalid else 0), 0


def compare(code: bytes, before: Registers, data: bytearray | None, note: str) -> None:
    world = World()
    world.set_registers(before)
    world.write(OPERAND, bytes(data or b""))
    expected_memory = bytearray(data) if data is not None else None
    expected = native_x87.run(code, before, expected_memory)
    assert world.step(code) == 0, note
    actual = world.registers()
    status, flags = undetermined(code, before, expected)
    where = f"{note}\nbefore {before}\nhost   {expected}\nours   {actual}"
    assert actual.status & ~status == expected.status & ~status, f"status {actual.status ^ expected.status:04x} {where}"
    assert actual.eflags & ~flags == expected.eflags & ~flags, where
    assert (actual.control, actual.filled) == (expected.control, expected.filled), where
    assert actual.stack == expected.stack, where
    if expected_memory is not None:
        assert world.read(OPERAND, len(expected_memory)) == expected_memory, where


@pytest.mark.parametrize("name", MEMORY_FORMS)
def test_memory_form_agrees_with_the_host(name: str) -> None:
    kind, code = MEMORY_FORMS[name]
    rng = Random(f"{SEED} {name}")
    for case in range(CASES):
        compare(code, registers(rng), memory(rng, kind), f"seed {SEED} {name} case {case}")


@pytest.mark.parametrize("escape,reg", WITH_ST_I)
def test_register_form_agrees_with_the_host(escape: int, reg: int) -> None:
    rng = Random(f"{SEED} {escape} {reg}")
    for case in range(CASES):
        code = bytes((escape, 0xC0 | reg << 3 | rng.randrange(8)))
        if code not in (b"\xde\xd9", b"\xda\xe9"):
            compare(code, registers(rng), None, f"seed {SEED} {code.hex()} case {case}")


@pytest.mark.parametrize("name", SINGLE)
def test_single_encoding_agrees_with_the_host(name: str) -> None:
    rng = Random(f"{SEED} {name}")
    for case in range(CASES):
        compare(bytes.fromhex(SINGLE[name]), registers(rng), None, f"seed {SEED} {name} case {case}")
