"""The shadow behind STI in the middle of a block: it holds for one instruction, wherever runs end."""

import pytest

from node.ia32.processor import Processor
from node.ia32.reset import enter_flat32, reset
from node.ia32.segments import refresh
from node.ia32.state import ECX, EDX, EXIT_HALT, EXIT_INTERRUPT, EXIT_NONE, IF
from node.memory.ram import GuestMemory
from tests.support.engine import ENGINES, engine_named

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile

CODE, GDT = 0x1000, 0x3000
# 0: sti; 1: inc edx; 2: inc edx; 3: cli; 4: dec ecx; 5: jnz 0; 7: hlt
LOOP = bytes.fromhex("fb 42 42 fa 49 75f9 f4")
ROUND, BEHIND_STI, SHADOW_OVER = 6, CODE + 1, CODE + 2


def looping(engine: str, rounds: int) -> Processor:
    memory = GuestMemory(1 << 20)
    memory.write(CODE, LOOP)
    processor = Processor(memory, engine_named(engine))
    reset(processor.cpu, processor.machine)
    enter_flat32(processor.cpu, processor.machine, 0x08, 0x10, CODE)
    processor.cpu.gpr[ECX], processor.cpu.gpr[EDX] = rounds, 0
    refresh(processor.cpu, processor.machine)
    return processor


@pytest.mark.parametrize("engine", ENGINES)
def test_it_is_told_where_a_run_ends_behind_sti_and_nowhere_else(engine: str) -> None:
    processor = looping(engine, 40)
    c, seen = processor.cpu, set()
    for turn in range(1000):
        if processor.run(1 + turn % 4) != EXIT_NONE:
            break
        seen.add(c.eip)
        assert c.inhibit == (c.eip == BEHIND_STI), hex(c.eip)
        assert bool(c.flags & IF) == (c.eip in (CODE + 1, CODE + 2, CODE + 3)), hex(c.eip)
    assert (processor.machine.exit, c.gpr[EDX], c.inhibit) == (EXIT_HALT, 80, 0)
    assert seen >= {CODE + i for i in range(6)}


@pytest.mark.parametrize("before", range(ROUND))
@pytest.mark.parametrize("engine", ENGINES)
def test_an_interrupt_that_waits_comes_behind_the_instruction_that_follows_sti(engine: str, before: int) -> None:
    processor = looping(engine, 1000)
    assert processor.run(20 * ROUND + before) == EXIT_NONE
    processor.machine.interrupt_line = 1
    assert processor.run(1000) == EXIT_INTERRUPT
    asked_in = CODE + before  # one instruction each, the last two bytes apart
    expected = asked_in if asked_in in (CODE + 2, CODE + 3) else SHADOW_OVER
    assert (processor.cpu.eip, processor.cpu.inhibit) == (expected, 0)
