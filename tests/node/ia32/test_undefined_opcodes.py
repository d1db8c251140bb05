"""What the opcode table does not have raises #UD before anything happens; and it has everything that the host has, but
for what came after the i686: MMX, SSE and their successors, and the instructions of 64-bit and virtual machines."""

from collections.abc import Iterator
from random import Random

import pytest

from node.ia32.decode import BY_RM, HAS_MODRM, REGISTER_ONLY, table_index
from node.ia32.encodings import tables
from node.ia32.rows import Row
from node.ia32.semantics.move import nop
from node.ia32.state import DF, DS, STATUS_FLAGS, UD
from tests.support.cpu_case import CODE, WINDOW, Case, differences
from tests.support.encode import SEGMENT_PREFIX, Instruction
from tests.support.engine import engine_named
from tests.support.host_cpu import HostCpu
from tests.support.random_case import random_case
from tests.support.seeds import random_for
from tests.support.user_world import UserWorld

PREFIXES = {*SEGMENT_PREFIX.values(), 0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x0F}
SYSTEM_CALLS = {0x05, 0x07, 0x34}  # SYSCALL, SYSRET, SYSENTER: the host would do them
LATER = {  # second bytes of 0F
    0x01, 0x38, 0xAE,
    *range(0x10, 0x18), *range(0x28, 0x30), *range(0x50, 0x80), *range(0xC2, 0xC8), *range(0xD0, 0x100),
}  # fmt: skip
LATER_X87 = {(0xDB, 1), (0xDD, 1), (0xDF, 1)}  # FISTTP
TRANSACTIONS = {(0xC6, 7), (0xC7, 7)}  # XABORT, XBEGIN
NOTHING = Row("90", "", nop)


def undefined_encodings() -> Iterator[tuple[int, int, int]]:
    """(opcode, modrm.reg, 0 for a register operand and 1 for memory); opcodes of the second map count from 256."""
    packed = tables().packed
    for opcode in range(512):
        if opcode in PREFIXES or opcode - 256 in SYSTEM_CALLS:
            continue
        for reg in range(8):
            entry = packed[table_index(opcode, reg, 0)]
            has_memory_form = entry[5] & HAS_MODRM and not entry[5] & REGISTER_ONLY
            for form in (0, 1) if has_memory_form else (0,):
                handler = int(entry[2 * form]) | int(entry[2 * form + 1]) << 8
                if handler == 0 and not entry[5] & BY_RM:
                    yield opcode, reg, form


def case_of(rng: Random, opcode: int, reg: int, form: int) -> Case:
    """[EAX] is in the window, so that a memory form would find its operand."""
    head = (0x0F, opcode - 256) if opcode >= 256 else (opcode,)
    code = bytearray((*head, (0 if form else 0xC0) | reg << 3, *bytes(6)))
    usual = random_case(rng, NOTHING, "flat")
    made = Instruction(NOTHING, code, 4, 32, None, None, None, DS, False, 0)
    return Case(made, "flat", (WINDOW + 0x800, *usual.gpr[1:]), CODE + 0x123, usual.eflags, usual.window)


@pytest.fixture(scope="module")
def ours() -> Iterator[UserWorld]:
    world = UserWorld(engine_named("plain"))
    yield world
    world.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostCpu]:
    cpu = HostCpu(tmp_path_factory.mktemp("host"))
    yield cpu
    cpu.close()


def test_undefined_opcodes_raise_ud_and_change_nothing(ours: UserWorld) -> None:
    rng = random_for("undefined opcodes")
    for opcode, reg, form in rng.sample(list(undefined_encodings()), 600):
        case = case_of(rng, opcode, reg, form)
        outcome = ours.run(case)
        assert (outcome.vector, outcome.gpr, outcome.eip) == (UD, case.gpr, case.eip), case
        assert outcome.window == case.window


def test_the_host_knows_no_older_instruction_than_the_table(ours: UserWorld, host: HostCpu) -> None:
    rng = random_for("older opcodes")
    for opcode, reg, form in undefined_encodings():
        later = LATER_X87 if form else TRANSACTIONS
        if opcode - 256 in LATER or (opcode, reg) in later:
            continue
        case = case_of(rng, opcode, reg, form)
        found = differences(case, host.run(case), ours.run(case), STATUS_FLAGS | DF)
        assert not found, f"{case}: {found}"
