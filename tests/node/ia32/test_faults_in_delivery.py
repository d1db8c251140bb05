"""What becomes of a fault while another one is delivered: double faults and shutdown."""

import pytest

from node.ia32.state import (
    BR,
    DOUBLE,
    EXIT_SHUTDOWN,
    GP,
    LEAVE_EXIT,
    NP,
    PAGE,
    UD,
)
from tests.node.ia32.delivery_world import (
    HANDLER,
    INTERRUPT32,
    raise_and_deliver,
    world_at,
)
from tests.node.ia32.protected_world import (
    CODE,
    CODE0,
    CODE1,
    CODE3,
    DATA3,
    STACK0,
    STACK1,
    STACK3,
    World,
)


@pytest.mark.parametrize(
    ("first", "broken_gate_raises", "handled"),
    [
        (UD, NP, NP),  # benign, then contributory: in its own right
        (GP, NP, DOUBLE),  # contributory twice
        (PAGE, NP, DOUBLE),
        (BR, GP, GP),
    ],
)
def test_two_faults_combine_by_the_double_fault_table(first: int, broken_gate_raises: int, handled: int) -> None:
    world = World()
    world.gate(handled, CODE0, HANDLER, INTERRUPT32)
    world.gate(first, CODE0, 0x9999, 0x0E if broken_gate_raises == NP else 0x80)
    raise_and_deliver(world, first, 0 if first in (GP, PAGE) else -1)
    assert world.c.eip == HANDLER
    assert world.stack(1) == [0 if handled == DOUBLE else first * 8 + 3]
    assert (world.m.fault, world.m.leave) == (0, 0)


def test_a_page_fault_while_delivering_a_contributory_fault_is_handled_in_its_own_right() -> None:
    world = world_at(3, PAGE, INTERRUPT32)
    world.gate(GP, CODE1, 0x9999, INTERRUPT32)
    world.map_pages(absent={(STACK1 - 1) >> 12}, supervisor=set(), read_only=set())
    raise_and_deliver(world, GP, 0)
    assert (world.c.eip, world.c.cpl) == (HANDLER, 0)
    assert world.stack(3) == [2, CODE, CODE3]


def test_a_page_fault_during_a_page_fault_is_a_double_fault_and_during_that_shutdown() -> None:
    world = world_at(3, PAGE, INTERRUPT32)
    world.gate(DOUBLE, CODE1, HANDLER, INTERRUPT32)
    world.map_pages(absent={(STACK0 - 1) >> 12}, supervisor=set(), read_only=set())
    raise_and_deliver(world, PAGE, 4)  # level 0's stack is not there; level 1's is
    assert (world.c.eip, world.c.cpl) == (HANDLER, 1)
    assert world.stack(6) == [0, CODE, CODE3, 2, STACK3, DATA3]

    world = world_at(3, PAGE, INTERRUPT32)
    world.gate(DOUBLE, CODE0, HANDLER, INTERRUPT32)
    world.map_pages(absent={(STACK0 - 1) >> 12}, supervisor=set(), read_only=set())
    raise_and_deliver(world, PAGE, 4)
    assert (world.m.exit, world.m.leave, world.m.fault) == (EXIT_SHUTDOWN, LEAVE_EXIT, 0)


def test_an_empty_idt_shuts_down() -> None:
    world = World()
    world.c.idt_limit = 0
    raise_and_deliver(world, UD, -1)
    assert world.m.exit == EXIT_SHUTDOWN
