"""Straight x87 programs through decoder, blocks and interpreter, against the same bytes on the host: what one
instruction leaves behind (sticky flags, conditions, tags) reaches the next one as on hardware.
"""

import platform
from random import Random

import pytest

from node.ia32.processor import Engine, PlainEngine, Processor
from node.ia32.reset import enter_flat32, reset
from node.ia32.state import CR0_NE, EDX, EXIT_NONE
from node.memory.ram import GuestMemory
from tests.support import native_x87
from tests.support.engine import engine_named
from tests.support.native_x87 import Registers
from tests.support.x87_values import extended, memory, registers
from tests.support.x87_world import CODE, OPERAND, get_registers, set_registers

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the oracle is the host's x87")
SEED = 80_387
SLOTS, SLOT = 8, 16
REGISTER_FORMS = (
    *(0xD8C0 + 8 * reg for reg in (0, 1, 4, 5, 6, 7)), *(0xDCC0 + 8 * reg for reg in (0, 1, 4, 5, 6, 7)),
    *(0xDEC0 + 8 * reg for reg in (0, 1, 4, 5, 6, 7)), 0xD9C0, 0xD9C8, 0xDDD0, 0xDDD8, 0xDAC0, 0xDBC8, 0xDBD8, 0xDDC0,
)  # fmt: skip
SINGLE = tuple(0xD900 + low for low in (0xE0, 0xE1, 0xE5, *range(0xE8, 0xEF), *range(0xF0, 0x100)))
MEMORY_FORMS = tuple(
    (escape, reg)
    for escapes, regs in (
        ((0xD8, 0xDA, 0xDC, 0xDE), (0, 1, 4, 5, 6, 7)),
        ((0xD9, 0xDD), (0, 2, 3, 7)),
        ((0xDB,), (0, 2, 5, 7)),
        ((0xDF,), (0, 2, 4, 5, 6, 7)),
    )
    for escape in escapes
    for reg in regs
)


def program(rng: Random, length: int) -> bytes:
    """Instructions whose every effect the manual defines, operands at [edx + 16 n]."""
    code = b""
    for _ in range(length):
        pick = rng.randrange(10)
        if pick < 4:
            code += (rng.choice(REGISTER_FORMS) + rng.randrange(8)).to_bytes(2, "big")
        elif pick < 6:
            code += rng.choice(SINGLE).to_bytes(2, "big")
        else:
            escape, reg = rng.choice(MEMORY_FORMS)
            code += bytes((escape, 0x42 | reg << 3, rng.randrange(SLOTS) * SLOT))
    return code


def masked(r: Registers) -> Registers:
    return Registers(r.control | 0x3F, r.status, r.filled, r.stack, r.eflags)


def execute(engine: Engine, code: bytes, length: int, before: Registers, data: bytes) -> tuple[Registers, bytes]:
    ram = GuestMemory(4 << 20)
    try:
        processor = Processor(ram, engine)
        c = processor.cpu
        reset(c, processor.machine)
        enter_flat32(c, processor.machine, 0x10, 0x18, CODE)
        c.cr0, c.gpr[EDX] = c.cr0 | CR0_NE, OPERAND
        ram.write(CODE, code)
        ram.write(OPERAND, data)
        set_registers(c, before)
        assert processor.run(length) == EXIT_NONE
        assert c.eip == CODE + len(code)
        return get_registers(c), bytes(ram.read(OPERAND, len(data)))
    finally:
        processor.engine.flush_all()
        ram.close()


def check(engine: Engine, cases: int, length: int, seed: int) -> None:
    rng = Random(seed)
    for case in range(cases):
        code, before = program(rng, length), masked(registers(rng))
        kinds = (rng.choice(("real32", "real64", "bcd")) for _ in range(SLOTS))
        data = bytearray(b"".join(bytes(memory(rng, kind)).ljust(SLOT) for kind in kinds))
        for slot in range(0, SLOTS, 3):
            data[slot * SLOT : slot * SLOT + 10] = extended(rng).to_bytes(10, "little")
        start = bytes(data)
        expected = native_x87.run(code, before, data)
        actual, stored = execute(engine, code, length, before, start)
        assert actual == expected, f"seed {seed} case {case} {code.hex()}\nbefore {before}"
        assert stored == data, f"seed {seed} case {case} {code.hex()}"


def test_interpreter_in_plain_python_agrees_with_the_host_over_programs() -> None:
    check(PlainEngine(), 40, 12, SEED)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_compiled_interpreter_agrees_with_the_host_over_programs() -> None:

    check(engine_named("native"), 400, 40, SEED + 1)
