"""Which blocks are worth a copy of their stencils, and a translation: those that are soon come back to, however often
others have run."""

import pytest

from node.boot.entry import Entry
from node.ia32.blocks import ENTRY_HANDLER, block_numbered, handler_numbered, lookup, op_at
from node.ia32.fetch import WIDE_KEY
from node.ia32.state import Op
from node.jit.native import load
from node.jit.regions.settings import Settings
from node.vmm.machine import Machine, MachineConfig
from tests.support.engine import cache_directory

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile

CODE, GDT = 0x10_0000, 0x3000
# 0: mov ecx, 3000; 5: dec ecx; jnz 5; 8: inc edx; jmp 0
LOOPS = bytes.fromhex("b9b80b0000 49 75fd 42 ebf5")
INNER, OUTER = 5, 0  # a block goes on behind a conditional branch
OUTER_INSTRUCTIONS = 6003


def run(*, outer: int, copy_within: int = 0, note_within: int = 0) -> Machine:
    engine = load(cache_directory())
    engine.translate(
        Settings(look_every=4, copy_within=copy_within, note_within=note_within, glance=16, patience=1 << 30)
    )
    machine = Machine(MachineConfig(16 << 20, clock="virtual"), engine=engine, monotonic_ns=lambda: 0)
    machine.memory.write(CODE, LOOPS)
    machine.memory.write(GDT + 8, bytes.fromhex("ffff0000009bcf00"))
    machine.enter(Entry(mode="flat32", eip=CODE, cs=8, data_selector=16, gdt_base=GDT, gdt_limit=0xF))
    machine.run_until(outer * OUTER_INSTRUCTIONS)
    return machine


def first_op(machine: Machine, at: int) -> Op:
    m = machine.processor.machine
    number = lookup(m, CODE + at | WIDE_KEY)
    assert number, "it was never entered"
    return op_at(block_numbered(m, number).ops)


def is_copied(machine: Machine, at: int) -> bool:
    return bool(first_op(machine, at).handler != handler_numbered(machine.processor.machine, ENTRY_HANDLER))


def is_noted(machine: Machine, at: int) -> bool:
    return int(first_op(machine, at).a) > 0


def test_a_loop_is_copied_and_what_runs_as_often_as_that_but_seldom_in_between_is_not() -> None:
    machine = run(copy_within=100, outer=50)
    assert is_copied(machine, INNER) and not is_copied(machine, OUTER)


def test_what_is_copied_is_only_noted_for_translation_if_it_is_come_back_to_still_sooner() -> None:
    machine = run(copy_within=OUTER_INSTRUCTIONS, note_within=100, outer=50)
    assert is_copied(machine, OUTER) and not is_noted(machine, OUTER)
    assert is_noted(machine, INNER)
    assert is_noted(run(note_within=OUTER_INSTRUCTIONS, outer=50), OUTER)


def test_it_is_copied_where_so_long_an_absence_is_short() -> None:
    assert is_copied(run(copy_within=OUTER_INSTRUCTIONS, outer=50), OUTER)


def test_a_block_that_has_become_hot_is_copied_after_two_looks() -> None:
    machine = run(copy_within=OUTER_INSTRUCTIONS // 2, outer=50)
    assert not is_copied(machine, OUTER)
    machine.memory.write(CODE + 1, b"\x03\0")  # three rounds of the inner loop from now on
    machine.processor.host_wrote_code()
    machine.run_until(machine.instructions + 2 * OUTER_INSTRUCTIONS)
    assert is_copied(machine, OUTER)
