"""Where branches led is remembered two to a line of the host's cache: neither drives the other out, and neither is
believed when it no longer holds."""

import pytest

from node.ia32.blocks import JUMP_BYTES, JUMPS, code_written, dead_handler, op_at
from node.ia32.fetch import find_jump, jump_slot
from node.ia32.processor import LINE, Processor
from node.ia32.reset import enter_flat32, reset
from node.ia32.segments import refresh
from node.ia32.state import CR0_PG
from node.jitted import peek64
from node.memory.ram import GuestMemory
from tests.support.engine import engine_named

DIRECTORY, TABLE = 0x10000, 0x11000
FIRST, SECOND, THIRD = 0x4000, 0x14010, 0x24020  # of one place
ELSEWHERE = 0x30000
CODE = bytes.fromhex("90 f4")


class Jumps:
    def __init__(self) -> None:
        self.memory = GuestMemory(1 << 20)
        self.processor = Processor(self.memory, engine_named("plain"))
        self.c, self.m = self.processor.cpu, self.processor.machine
        reset(self.c, self.m)
        enter_flat32(self.c, self.m, 0x08, 0x10, FIRST)
        self.memory.write(DIRECTORY, (TABLE | 7).to_bytes(4, "little"))
        for page in range(256):
            self.map(page << 12, page << 12)
        self.c.cr3, self.c.cr0 = DIRECTORY, self.c.cr0 | CR0_PG
        refresh(self.c, self.m)
        for at in (FIRST, SECOND, THIRD, ELSEWHERE):
            self.memory.write(at, CODE)

    def map(self, linear: int, physical: int) -> None:
        self.memory.write(TABLE + (linear >> 12) * 4, (physical | 7).to_bytes(4, "little"))

    def find(self, linear: int) -> int:
        self.c.eip = linear
        return find_jump(self.c, self.m)

    def line(self) -> tuple[int, int]:
        """Whose places they are: that where native code looks, and the one beside it."""
        at = jump_slot(FIRST)
        return peek64(self.m.jumps + at), peek64(self.m.jumps + (at ^ JUMP_BYTES))


@pytest.fixture
def jumps() -> Jumps:
    return Jumps()


def test_the_places_of_a_line_lie_on_one(jumps: Jumps) -> None:
    assert jumps.m.jumps % LINE == 0 and LINE == 2 * JUMP_BYTES
    assert jump_slot(FIRST) == jump_slot(SECOND) == jump_slot(THIRD) < JUMPS * JUMP_BYTES


def test_two_jumps_of_one_place_are_both_remembered_and_the_last_is_found_first(jumps: Jumps) -> None:
    first, second = jumps.find(FIRST), jumps.find(SECOND)
    assert jumps.line() == (SECOND, FIRST)
    assert (jumps.find(FIRST), jumps.line()) == (first, (FIRST, SECOND))
    assert (jumps.find(SECOND), jumps.line()) == (second, (SECOND, FIRST))
    jumps.find(THIRD)
    assert jumps.line() == (THIRD, SECOND)


def test_what_lies_beside_is_not_believed_when_its_code_has_died(jumps: Jumps) -> None:
    first = jumps.find(FIRST)
    jumps.find(SECOND)
    code_written(jumps.m, FIRST, 1)
    assert op_at(first).handler == dead_handler(jumps.m)
    assert jumps.find(FIRST) not in (0, first)


def test_nor_when_its_page_is_another(jumps: Jumps) -> None:
    first = jumps.find(FIRST)
    jumps.find(SECOND)
    jumps.map(FIRST, ELSEWHERE)
    jumps.processor.engine.flush_all()
    moved = jumps.find(FIRST)
    assert moved not in (0, first) and jumps.line() == (FIRST, SECOND)


def test_nor_in_another_mode(jumps: Jumps) -> None:
    jumps.find(FIRST)
    jumps.find(SECOND)
    jumps.m.mode ^= 1 << 20
    jumps.find(FIRST)
    at = jumps.m.jumps + jump_slot(FIRST)
    assert peek64(at) == FIRST and peek64(at + 8) == jumps.m.mode
    assert jumps.line() == (FIRST, SECOND)
