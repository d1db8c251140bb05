"""PUSH and POP of registers in runs: whatever executes several at once must end as if they came one by one."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from node.ia32.encodings import rows
from node.ia32.semantics.stack import push_reg
from node.ia32.state import DS, EBP, EBX, ECX, EDI, EDX, ESI, ESP, STATUS_FLAGS
from tests.support.cpu_case import CODE, DB, PAGE, PAGE_FAULT, WINDOW, WINDOW_BYTES, Case, Outcome
from tests.support.encode import Instruction
from tests.support.engine import engine_named
from tests.support.user_world import HANDLER_BYTES, HANDLERS, UserWorld

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile

PUSH, POP = 0x50, 0x58
RUNS = (
    (EBX, EBP),
    (EBP, EDI, ESI),
    (EBP, EDI, ESI, EBX),
    (EBX, ECX, EDX, ESI, EDI, EBP),
    (EBX, ESP, ECX, EDX),
    (ECX, ECX, ESP),
    (EDX,) * 4,
)
EDGES = {"a page between": WINDOW + PAGE, "nothing below": WINDOW, "nothing above": WINDOW + WINDOW_BYTES}
DISTANCES = (-13, -8, -4, -1, 0, 3, 8, 16)
TURNS = 20  # instructions: the run, and then on the spot


@pytest.fixture(scope="module")
def worlds() -> Iterator[tuple[UserWorld, UserWorld]]:
    pair = UserWorld(engine_named("plain")), UserWorld(engine_named("copied"))
    for world in pair:
        world.memory.write(HANDLERS + PAGE_FAULT * HANDLER_BYTES, jump_to_self(0))
    yield pair
    assert pair[1].processor.engine.stats()["copied_bytes"] > 0
    for world in pair:
        world.close()


def jump_to_self(displacement: int) -> bytes:
    """JMP to itself, or to that many bytes before."""
    return bytes((0xEB, 0xFE + displacement))


def case(opcode: int, registers: tuple[int, ...], esp: int, end: bytes = jump_to_self(0)) -> Case:
    gpr = [0x1111_1111 * (i + 1) for i in range(8)]
    gpr[ESP] = esp
    code = bytearray(opcode + register for register in registers) + end
    window = bytes(i * 7 & 0xFF for i in range(WINDOW_BYTES))
    row = next(row for row in rows() if row.semantic is push_reg)
    instruction = Instruction(row, code, 4, 32, None, None, None, DS, locked=False, repeated=0)
    return Case(instruction, "flat", tuple(gpr), CODE, STATUS_FLAGS | 2, window)


def run_until_fault(world: UserWorld, one: Case) -> Outcome:
    world.memory.write(HANDLERS + PAGE_FAULT * HANDLER_BYTES, jump_to_self(0))
    return world.run_many(one, 1000)


def both(worlds: tuple[UserWorld, UserWorld], one: Case, instructions: int) -> Outcome:
    plain, copied = (world.run_many(one, instructions) for world in worlds)
    assert plain == copied, one
    return plain


@pytest.mark.parametrize("opcode", [PUSH, POP])
@pytest.mark.parametrize("edge", EDGES)
def test_a_run_ends_as_its_instructions_do_one_by_one(
    edge: str, opcode: int, worlds: tuple[UserWorld, UserWorld]
) -> None:
    ends = {
        both(worlds, case(opcode, registers, EDGES[edge] + distance), TURNS).vector
        for registers, distance in product(RUNS, DISTANCES)
    }
    assert ends >= ({DB} if edge == "a page between" else {DB, PAGE_FAULT})


@pytest.mark.parametrize("engine", ["copied", "translated"])
@pytest.mark.parametrize("opcode", [PUSH, POP])
def test_a_loop_of_runs_faults_at_the_end_of_the_stack(opcode: int, engine: str) -> None:
    edge, away = (WINDOW, 600) if opcode == PUSH else (WINDOW + WINDOW_BYTES, -600)
    stepwise, at_once = (UserWorld(engine_named(name)) for name in ("native", engine))
    for registers, unaligned in product(RUNS[:4], range(4)):
        one = case(opcode, registers, edge + away + unaligned, jump_to_self(-len(registers)))
        outcomes = [run_until_fault(world, one) for world in (stepwise, at_once)]
        assert outcomes[0] == outcomes[1] and outcomes[0].vector == PAGE_FAULT, one
    figures = at_once.processor.engine.stats()
    assert figures["copied_bytes" if engine == "copied" else "instructions_translated"] > 0, figures
    for world in (stepwise, at_once):
        world.close()


@pytest.mark.parametrize("opcode", [PUSH, POP])
def test_a_budget_ends_within_a_run(opcode: int, worlds: tuple[UserWorld, UserWorld]) -> None:
    one = case(opcode, RUNS[3], WINDOW + PAGE)
    for executed in range(1, len(RUNS[3])):
        assert both(worlds, one, executed).eip == CODE + executed


def test_what_is_pushed_over_the_code_that_follows_is_executed(worlds: tuple[UserWorld, UserWorld]) -> None:
    """The run's own bytes, and those behind it, are on the page that it writes to."""
    code = case(PUSH, RUNS[2], CODE + 4 * len(RUNS[2]) + 4)
    inc_then_spin = int.from_bytes(b"\x40" + jump_to_self(0) + b"\x90", "little")
    one = replace(code, gpr=tuple(inc_then_spin if i == EBX else value for i, value in enumerate(code.gpr)))
    outcome = both(worlds, one, TURNS)
    assert (outcome.gpr[0], outcome.eip) == (one.gpr[0] + 1, CODE + 5)
