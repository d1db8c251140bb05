"""Pairs of instructions whose handlers native code joins: executed as if they were not, wherever a budget or a fault
parts them."""

import ctypes
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from node.ia32 import pairs
from node.ia32.encodings import rows
from node.ia32.handlers import handlers
from node.ia32.pairs import SECONDS, Joined
from node.ia32.semantics.stack import push_reg
from node.ia32.state import DS, EBX, ESP, OP, OP_BYTES, STATUS_FLAGS
from tests.support.cpu_case import CODE, DB, PAGE, PAGE_FAULT, WINDOW, WINDOW_BYTES, Case
from tests.support.encode import Instruction
from tests.support.engine import engine_named
from tests.support.user_world import UserWorld

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile

# Operands in memory lie at EBX
CODES = {
    "PUSH_R": "56", "POP_R": "5f", "CALL": "e803000000", "RET": "c3", "LEA": "8d7c8b04",
    "MOV_RR": "89c1", "MOV_MR": "894310", "MOV_RM": "8b4b08", "MOV_RM8": "8a4b05", "MOV_RI": "c7c078563412",
    "MOVZX_RM16": "0fb74306", "ADD_RR": "01c8", "ADD_RM": "034b08", "ADD_RI": "83c105",
    "AND_RR": "21c8", "AND_RI": "83e13c", "AND_EAX_I": "25f0f0f000", "SUB_RM": "2b4b0c", "SUB_RI": "83e901",
    "XOR_RR": "31c8", "INC_R": "41", "DEC_M": "ff4b10", "NOT_R": "f7d0", "ROL_RI": "c1c005",
    "ROR_RI": "c1c807", "SHR_RI": "c1e803",
    "CMP_RR": "39c8", "CMP_RI": "83f800", "CMP_MR": "394310", "CMP_MI8": "807b0341", "CMP_MR8": "384305",
    "CMP_RM8": "3a4305", "TEST_RR": "85c0", "TEST_RR8": "84c0", "TEST_RI8": "f6c141",
    "JMP": "eb02", "JNB": "7302", "JZ": "7402", "JNZ": "7502",
}  # fmt: skip
BEHIND = b"\x90" * 6 + b"\xeb\xfe"
NAMES: dict[Joined, str] = {getattr(pairs, name): name for name in CODES}
LISTED = [(first, second) for first, seconds in SECONDS.items() for second in seconds]
ON_STACK = {pairs.PUSH_R, pairs.POP_R, pairs.CALL, pairs.RET}
NOWHERE = 0x5_0000
# EBX and ESP: all is mapped; nothing at EBX
PLACES = ((WINDOW + 0x100, WINDOW + PAGE), (NOWHERE, WINDOW + PAGE))
# Nothing below the stack; nothing above it
ENDS_OF_STACK = ((WINDOW + 0x100, WINDOW), (WINDOW + 0x100, WINDOW + WINDOW_BYTES))
BUDGETS = (1, 2, 8)


@pytest.fixture(scope="module")
def worlds() -> Iterator[tuple[UserWorld, UserWorld]]:
    two = UserWorld(engine_named("plain")), UserWorld(engine_named("native"))
    yield two
    for world in two:
        world.close()


def case(code: bytes, place: tuple[int, int], status: int) -> Case:
    gpr = [0x1234_5600 * (i + 1) & 0xFFFF_FFFF for i in range(8)]
    gpr[EBX], gpr[ESP] = place
    row = next(row for row in rows() if row.semantic is push_reg)
    instruction = Instruction(row, bytearray(code), 4, 32, None, None, None, DS, locked=False, repeated=0)
    window = CODE.to_bytes(4, "little") * (WINDOW_BYTES // 4)  # where RET leads, too
    return Case(instruction, "flat", tuple(gpr), CODE, status | 2, window)


def joined_handlers(world: UserWorld) -> set[int]:
    """Of all Ops that have been decoded."""
    m = world.processor.machine
    ops = np.frombuffer((ctypes.c_char * (m.ops_used * OP_BYTES)).from_address(m.ops), OP)
    return set(ops["handler"].tolist())


@pytest.mark.parametrize(("first", "second"), LISTED, ids=lambda joined: NAMES[joined])
def test_a_pair_is_executed_as_its_instructions_one_by_one(
    first: Joined, second: Joined, worlds: tuple[UserWorld, UserWorld]
) -> None:
    code = bytes.fromhex(CODES[NAMES[first]] + CODES[NAMES[second]]) + BEHIND
    vectors = set()
    places = PLACES + ENDS_OF_STACK if {first, second} & ON_STACK else PLACES
    for place, status, budget in product(places, (0, STATUS_FLAGS), BUDGETS):
        one = case(code, place, status)
        plain, native = (world.run_many(one, budget) for world in worlds)
        assert plain == native, (place, status, budget)
        vectors.add(plain.vector)
    assert DB in vectors and vectors <= {DB, PAGE_FAULT}
    processor = worlds[1].processor
    number = len(handlers()) + LISTED.index((first, second))
    address = ctypes.c_int64.from_address(processor.machine.handlers + 8 * number).value
    assert address in joined_handlers(worlds[1])


def test_every_pair_begins_with_an_instruction_that_goes_on_behind_itself() -> None:
    for first, _ in pairs.pairs():
        handler = handlers()[first]
        assert handler is not None and handler.ends == ""
