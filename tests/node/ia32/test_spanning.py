"""An instruction on two pages, executed again and again while its second page is written, exchanged and taken away."""

import pytest

from node.ia32.blocks import SPAN_BYTES
from node.ia32.processor import Processor
from node.ia32.reset import enter_flat32, reset
from node.ia32.segments import refresh
from node.ia32.state import CR0_PG, EAX, ECX, EDX, EXIT_HALT, EXIT_SHUTDOWN
from node.jitted import peek64
from node.memory.ram import GuestMemory
from tests.support.engine import ENGINES, engine_named

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile

DIRECTORY, TABLE = 0x10000, 0x11000
FIRST, SECOND, OTHER = 0x4000, 0x5000, 0x8000  # pages; OTHER in memory only
ENTRY = SECOND - 2
# mov eax, imm32, of which three bytes lie on the second page; add edx, eax; dec ecx; jnz back; hlt
MOV, LOW = 0xB8, 0x21
ROUNDS = 50


def on_second_page(upper: bytes) -> bytes:
    body = bytes.fromhex("01c2 49 75f6 f4")
    return upper + body


class TwoPages:
    def __init__(self, engine: str) -> None:
        self.memory = GuestMemory(1 << 20)
        self.processor = Processor(self.memory, engine_named(engine))
        self.c, self.m = self.processor.cpu, self.processor.machine
        reset(self.c, self.m)
        enter_flat32(self.c, self.m, 0x08, 0x10, ENTRY)
        self.memory.write(DIRECTORY, (TABLE | 7).to_bytes(4, "little"))
        for page in range(256):
            self.map(page << 12, page << 12)
        self.c.cr3, self.c.cr0 = DIRECTORY, self.c.cr0 | CR0_PG
        refresh(self.c, self.m)
        self.memory.write(ENTRY, bytes((MOV, LOW)))
        self.memory.write(SECOND, on_second_page(bytes.fromhex("000000")))
        self.memory.write(OTHER, on_second_page(bytes.fromhex("010000")))

    def map(self, linear: int, physical: int | None) -> None:
        entry = 0 if physical is None else physical | 7
        self.memory.write(TABLE + (linear >> 12) * 4, entry.to_bytes(4, "little"))
        self.processor.engine.flush_all()

    def sum(self) -> int:
        """Of what the instruction loads, ROUNDS times."""
        self.c.eip, self.c.halted = ENTRY, 0
        self.c.gpr[ECX], self.c.gpr[EDX] = ROUNDS, 0
        assert self.processor.run(10_000) == EXIT_HALT
        return int(self.c.gpr[EDX])

    @property
    def remembered(self) -> bool:
        return peek64(self.m.spans + (FIRST >> 12) * SPAN_BYTES) & 0xFFFF == ENTRY


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_executed_is_what_both_pages_hold_now(engine: str) -> None:
    world = TwoPages(engine)
    assert world.sum() == ROUNDS * 0x21 and world.remembered
    world.map(SECOND, OTHER)
    assert world.sum() == ROUNDS * 0x121
    world.map(SECOND, SECOND)
    assert world.sum() == ROUNDS * 0x21
    world.memory.write(SECOND, b"\2")
    world.processor.host_wrote_code()
    assert world.sum() == ROUNDS * 0x221
    world.memory.write(ENTRY + 1, b"\1")
    world.processor.host_wrote_code()
    assert world.sum() == ROUNDS * 0x201 and world.remembered


@pytest.mark.parametrize("engine", ENGINES)
def test_it_faults_on_its_second_page_and_stays_before_itself(engine: str) -> None:
    world = TwoPages(engine)
    world.sum()
    world.c.eip, world.c.halted, world.c.gpr[EAX] = ENTRY, 0, 7
    world.map(SECOND, None)
    assert world.processor.run(10) == EXIT_SHUTDOWN  # there is no handler
    assert (world.c.cr2, world.c.eip, world.c.gpr[EAX]) == (SECOND, ENTRY, 7)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_guest_that_writes_its_second_half_executes_what_it_wrote(engine: str) -> None:
    world = TwoPages(engine)
    # mov eax, imm32; add edx, eax; inc byte [SECOND]; dec ecx; jnz back; hlt
    body = bytes.fromhex("000000 01c2 fe05") + SECOND.to_bytes(4, "little") + bytes.fromhex("49 75f0 f4")
    world.memory.write(SECOND, body)
    assert world.sum() == sum(0x21 + (i << 8) for i in range(ROUNDS))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_branch_on_two_pages_leads_to_what_lies_there_after_everything_was_forgotten(engine: str) -> None:
    world = TwoPages(engine)
    # inc edx; dec ecx; jnz back, whose displacement is the second page's first byte; hlt
    world.memory.write(SECOND - 3, bytes.fromhex("42 49 75 fc f4"))
    other = bytes.fromhex("43") * 40 + b"\xf4"  # inc ebx
    world.memory.write(OTHER, other)
    for _ in range(3):
        world.c.eip, world.c.halted, world.c.gpr[ECX], world.c.gpr[EDX] = SECOND - 3, 0, ROUNDS, 0
        assert world.processor.run(10_000) == EXIT_HALT
        assert world.c.gpr[EDX] == ROUNDS
        world.processor.host_wrote_code()
        world.c.eip, world.c.halted = OTHER, 0
        assert world.processor.run(10_000) == EXIT_HALT
