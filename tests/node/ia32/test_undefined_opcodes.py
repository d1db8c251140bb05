"""What the opcode table does not have raises #UD before anything happens; and it has everything that the host has, but
for what came after the Pentium 4: SSE3 and its successors, and the instructions of 64-bit and virtual machines."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from node.ia32.decode import (
    BY_PREFIX,
    BY_RM,
    HAS_MODRM,
    PREFIX_TABLE,
    PREFIXED_ENTRIES,
    REGISTER_ONLY,
    table_index,
)
from node.ia32.decoder_table import decoder_table
from node.ia32.encodings import PREFIXES
from node.ia32.models import MODELS
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

PREFIX_BYTES = {*SEGMENT_PREFIX.values(), 0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x0F}
SYSTEM_CALLS = {0x05, 0x07, 0x34}  # SYSCALL, SYSRET, SYSENTER: the host would do them
# Second bytes of 0F: SSE3 and what followed; virtual machines, XSAVE, and the instructions on 4-byte opcodes
LATER = {0x01, 0x12, 0x16, 0x38, 0x3A, 0x78, 0x79, 0x7C, 0x7D, 0xAE, 0xB8, 0xBC, 0xBD, 0xC7, 0xD0, 0xD6, 0xE6, 0xF0}
LATER_X87 = {(0xDB, 1), (0xDD, 1), (0xDF, 1)}  # FISTTP, with a memory operand
TRANSACTIONS = {(0xC6, 7), (0xC7, 7)}  # XABORT and XBEGIN, as with a register operand
NOTHING = Row("90", "", nop)


def undefined_encodings(prefix: int) -> Iterator[tuple[int, int, int]]:
    """(opcode, modrm.reg, 0 for a register operand and 1 for memory); opcodes of the second map count from 256.
    `prefix`: an index into PREFIXES."""
    packed = decoder_table()
    for opcode in range(512):
        if opcode in PREFIX_BYTES or opcode - 256 in SYSTEM_CALLS:
            continue
        for reg in range(8):
            entry = packed[table_index(opcode, reg, 1 if prefix == 1 else 0)]
            first = packed[table_index(opcode, 0, 0)]
            if first[5] & BY_PREFIX:
                group = int(first[0]) | int(first[1]) << 8
                entry = packed[PREFIX_TABLE + group * PREFIXED_ENTRIES + prefix * 8 + reg]
            has_memory_form = entry[5] & HAS_MODRM and not entry[5] & REGISTER_ONLY
            for form in (0, 1) if has_memory_form else (0,):
                handler = int(entry[2 * form]) | int(entry[2 * form + 1]) << 8
                if handler == 0 and not entry[5] & BY_RM:
                    yield opcode, reg, form


def case_of(rng: Random, opcode: int, reg: int, form: int, prefix: int) -> Case:
    """[EAX] is in the window, so that a memory form would find its operand."""
    head = (0x0F, opcode - 256) if opcode >= 256 else (opcode,)
    code = bytearray((*((), (0x66,), (0xF3,), (0xF2,))[prefix], *head, (0 if form else 0xC0) | reg << 3, *bytes(6)))
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
    for prefix in range(len(PREFIXES)):
        for opcode, reg, form in rng.sample(list(undefined_encodings(prefix)), 200):
            case = case_of(rng, opcode, reg, form, prefix)
            outcome = ours.run(case)
            assert (outcome.vector, outcome.gpr, outcome.eip) == (UD, case.gpr, case.eip), case
            assert outcome.window == case.window


@pytest.mark.parametrize("prefix", range(len(PREFIXES)), ids=PREFIXES)
def test_the_host_knows_no_older_instruction_than_the_table(ours: UserWorld, host: HostCpu, prefix: int) -> None:
    rng = random_for(f"older opcodes {prefix}")
    for opcode, reg, form in undefined_encodings(prefix):
        later = (opcode, reg) in (LATER_X87 if form else TRANSACTIONS)
        if opcode - 256 in LATER or later:
            continue
        case = case_of(rng, opcode, reg, form, prefix)
        found = differences(case, host.run(case), ours.run(case), STATUS_FLAGS | DF)
        assert not found, f"{case}: {found}"


@pytest.mark.parametrize(
    ("model", "has", "lacks"),
    [
        (
            "pentium",
            ("0f 31", "0f fc c1", "0f c7 0d 00 00 03 00"),
            ("0f 40 c1", "0f 34", "0f 1f c0", "db e9", "0f ae 05"),
        ),
        ("i686", ("0f 40 c1", "0f 1f c0", "db e9"), ("0f fc c1", "0f 77", "0f ae 05", "0f 58 c1")),
        ("pentium2", ("0f fc c1", "0f 77"), ("0f 58 c1", "0f 70 c1 00", "0f ae f8", "66 0f fc c1")),
        ("pentium3", ("0f 58 c1", "0f 70 c1 00", "0f ae f8"), ("66 0f 58 c1", "f2 0f 58 c1", "0f d4 c1", "0f ae e8")),
        (
            "pentium4",
            ("66 0f 58 c1", "f2 0f 58 c1", "0f d4 c1", "0f ae e8", "66 0f fc c1"),
            ("f2 0f f0 00", "f2 0f d0 c1"),
        ),
    ],
)
def test_a_model_lacks_what_came_after_it(model: str, has: tuple[str, ...], lacks: tuple[str, ...]) -> None:
    world = UserWorld(engine_named("plain"), MODELS[model])
    for text in (*has, *lacks):
        usual = case_of(random_for(text), 0x90, 0, 0, 0)
        made = replace(usual.instruction, code=bytearray.fromhex(text))
        assert (world.run(replace(usual, instruction=made)).vector == UD) == (text in lacks), text
    world.close()
