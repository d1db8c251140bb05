"""FNSTENV, FLDENV, FNSAVE, FRSTOR: against the host, and against the manual's figures of the four formats."""

import platform
import struct
from random import Random

import pytest

from node.ia32.state import CR0_PE, VM
from tests.support import native_x87
from tests.support.native_x87 import Registers, registers_of
from tests.support.x87_values import ONE, extended, registers
from tests.support.x87_world import CODE, OPERAND, World

needs_oracle = pytest.mark.skipif(platform.machine() != "x86_64", reason="the oracle is the host's x87")
SEED = 7_091_993
CASES = 150
NARROW = {"32": b"", "16": b"\x66"}
SIZES = {("32", 0xD9): 28, ("32", 0xDD): 108, ("16", 0xD9): 14, ("16", 0xDD): 94}


def any_registers(rng: Random) -> Registers:
    """Exceptions may be pending, with ES and B as FRSTOR derives them."""
    r = registers(rng)
    status = r.status | rng.getrandbits(6)
    if status & ~r.control & 0x3F:
        status |= 0x8080
    return Registers(r.control, status, r.filled, r.stack, r.eflags)


def without_pointers(image: bytes | bytearray, width: str) -> bytes | bytearray:
    size = 4 if width == "32" else 2
    return image[: 3 * size] + image[7 * size :]


@needs_oracle
@pytest.mark.parametrize("width", NARROW)
@pytest.mark.parametrize("escape", (0xD9, 0xDD))
def test_stored_image_and_state_after_it_agree_with_the_host(width: str, escape: int) -> None:
    rng = Random(f"{SEED} {width} {escape}")
    code = NARROW[width] + bytes((escape, 0x32))
    for case in range(CASES):
        before, world = any_registers(rng), World()
        world.set_registers(before)
        expected = bytearray(SIZES[width, escape])
        after = native_x87.run(code, before, expected)
        assert world.step(code) == 0
        actual = world.read(OPERAND, len(expected))
        assert without_pointers(actual, width) == without_pointers(expected, width), f"seed {SEED} case {case} {before}"
        assert world.registers() == after, f"seed {SEED} case {case}"


@needs_oracle
@pytest.mark.parametrize("width", NARROW)
@pytest.mark.parametrize("escape", (0xD9, 0xDD))
def test_loading_any_image_agrees_with_the_host(width: str, escape: int) -> None:
    rng = Random(f"{SEED} load {width} {escape}")
    code = NARROW[width] + bytes((escape, 0x22))
    for case in range(CASES):
        before, world = registers(rng), World()
        image = bytearray(rng.randbytes(SIZES[width, escape]))
        world.set_registers(before)
        world.write(OPERAND, bytes(image))
        expected = native_x87.run(code, before, image)
        assert world.step(code) == 0
        assert world.registers() == expected, f"seed {SEED} case {case} {image.hex()}"


@needs_oracle
@pytest.mark.parametrize("code", ("d93a", "dd3a", "dbe0", "dbe1", "dbe2", "dbe3", "dbe4"))
def test_control_instructions_without_wait_agree_with_the_host_while_an_exception_is_pending(code: str) -> None:
    rng = Random(f"{SEED} {code}")
    for case in range(CASES):
        before, world, data = any_registers(rng), World(), bytearray(2)
        world.set_registers(before)
        expected = native_x87.run(bytes.fromhex(code), before, data)
        assert world.step(bytes.fromhex(code)) == 0
        assert world.registers() == expected, f"seed {SEED} case {case} {before}"
        assert world.read(OPERAND, 2) == data


@needs_oracle
def test_fldcw_agrees_with_the_host_for_any_word() -> None:
    rng = Random(f"{SEED} fldcw")
    for case in range(CASES):
        before, world, data = registers(rng), World(), bytearray(rng.randbytes(2))
        world.set_registers(before)
        world.write(OPERAND, bytes(data))
        expected = native_x87.run(b"\xd9\x2a", before, data)
        assert world.step(b"\xd9\x2a") == 0
        assert world.registers() == expected, f"seed {SEED} case {case} {before}"


def ready(fip: int = 0x1234_5678, fdp: int = 0x9ABC_DEF0) -> World:
    world = World()
    c = world.c
    c.fip, c.fcs, c.fdp, c.fds, c.fop = fip, 0x23, fdp, 0x2B, 0x5D2
    return world


def words(world: World, count: int, size: int) -> list[int]:
    return list(struct.unpack(f"<{count}{'I' if size == 4 else 'H'}", world.read(OPERAND, count * size)))


def test_protected_32_bit_format_has_selectors_and_opcode() -> None:
    world = ready()
    world.step(b"\xd9\x32")
    assert words(world, 7, 4)[3:] == [0x1234_5678, 0x05D2_0023, 0x9ABC_DEF0, 0xFFFF_002B]


def test_protected_16_bit_format_has_selectors_without_opcode() -> None:
    world = ready()
    world.step(b"\x66\xd9\x32")
    assert words(world, 7, 2) == [0x37F, 0, 0xFFFF, 0x5678, 0x23, 0xDEF0, 0x2B]


@pytest.mark.parametrize("mode", ("real", "virtual-8086"))
def test_real_formats_have_linear_addresses(mode: str) -> None:
    for code, size in ((b"\xd9\x32", 4), (b"\x66\xd9\x32", 2)):
        world = ready(fip=0x8001, fdp=0x9002)
        c = world.c
        c.fcs, c.fds = 0xF100, 0x2200  # linear 0xF9001 and 0x2B002
        if mode == "real":
            c.cr0 &= ~CR0_PE
        else:
            c.flags |= VM
        world.step(code)
        assert words(world, 7, size)[3:] == [0x9001, 0xF5D2, 0xB002, 0x2000]


@pytest.mark.parametrize("code", (b"\xd9", b"\x66\xd9"))
@pytest.mark.parametrize("mode", ("protected", "real"))
def test_environment_survives_a_round_trip_in_every_format(code: bytes, mode: str) -> None:
    world = ready(fip=0x8001, fdp=0x9002)
    if mode == "real":
        world.c.cr0 &= ~CR0_PE
    world.step(code + b"\x32")
    first = world.read(OPERAND, 28)
    world.step(b"\xdb\xe3")
    world.step(code + b"\x22")
    world.step(code + b"\x32")
    assert world.read(OPERAND, 28) == first


def test_pointers_name_the_last_instruction_that_was_not_control() -> None:
    world = World()
    world.set_registers(Registers(0x37F, 0, 0x7F, (ONE,) * 8))
    world.c.eip = CODE + 0x40
    world.step(b"\xd8\x02")  # fadd m32 [edx]
    for control in (b"\xd9\x3a", b"\xdf\xe0", b"\xdb\xe2", b"\x9b", b"\xd9\x2a"):
        world.c.eip += 2
        assert world.step(control) == 0
    c = world.c
    assert (c.fip, c.fcs, c.fdp, c.fds) == (CODE + 0x40, 0x10, OPERAND, 0x18)
    world.step(b"\xd9\xe8")  # fld1: no memory operand
    assert (c.fip, c.fdp) == (CODE + 0x4A, OPERAND)


def test_saved_registers_are_in_stack_order_and_tags_in_physical_order() -> None:
    rng, world = Random(SEED), World()
    stack = (ONE, 0, 0x7FFF << 64, *(extended(rng) for _ in range(5)))
    world.set_registers(Registers(0x37F, 5 << 11, 0b1110_0000, stack))
    world.step(b"\xdd\x32")
    image = world.read(OPERAND, 108)
    assert registers_of(image, 0).stack == stack
    assert struct.unpack_from("<H", image, 8)[0] == 0b10_01_00_11_11_11_11_11
