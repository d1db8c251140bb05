"""Interrupts and exceptions through the vector table of real mode."""

import pytest

from node.ia32.semantics.interrupts import int_n
from node.ia32.state import (
    CS,
    ESP,
    EXIT_SHUTDOWN,
    GP,
    IF,
    SS_,
    TF,
    UD,
)
from tests.node.ia32.delivery_world import (
    raise_and_deliver,
)
from tests.node.ia32.protected_world import (
    World,
)


def test_real_mode_goes_through_the_vector_table_without_error_codes() -> None:
    world = World()
    world.enter_real()
    world.c.flags |= IF | TF
    world.poke(0x2000 + GP * 4, 0xF000_1234)
    raise_and_deliver(world, GP, 0x55)
    assert world.stack(3, size=2) == [0, 0x500, IF | TF | 2]
    assert (world.c.eip, world.c.selector[CS], world.c.base[CS]) == (0x1234, 0xF000, 0xF0000)
    assert world.c.flags & (IF | TF) == 0


def test_a_real_mode_frame_wraps_the_stack_at_64_kib_but_not_a_word() -> None:
    world = World()
    world.enter_real()
    world.c.gpr[ESP] = 0xABCD_0002
    assert world.do(int_n, imm=0x10) is None
    assert world.c.gpr[ESP] == 0xABCD_FFFC
    world.c.gpr[ESP], world.c.eip = 3, 0
    assert world.do(int_n, imm=0x10) == (SS_, 0)


def test_real_mode_vectors_beyond_the_table_shut_down_in_the_end() -> None:
    world = World()
    world.enter_real()
    world.c.idt_limit = 3
    raise_and_deliver(world, UD, -1)
    assert world.m.exit == EXIT_SHUTDOWN


@pytest.mark.parametrize(("limit", "handled"), [(0x10 * 4 + 3, True), (0x10 * 4 + 2, False)])
def test_a_real_mode_vector_must_lie_whole_within_the_table(limit: int, handled: bool) -> None:
    world = World()
    world.enter_real()
    world.c.idt_limit = limit
    assert world.do(int_n, imm=0x10) == (None if handled else (GP, 0))


def test_a_real_mode_handler_beyond_the_code_limit_is_refused() -> None:
    world = World()
    world.enter_real()
    world.poke(0x2000 + 0x10 * 4, 0xF000_1234)
    world.c.limit[CS] = 0x1233
    assert world.do(int_n, imm=0x10) == (GP, 0)
