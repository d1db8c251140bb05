"""INT n, INT3, INTO, INT1 and BOUND, interrupts out of virtual-8086 mode, debug traps and NMIs."""

import pytest

from node.ia32.exceptions import debug_trap, deliver_interrupt, deliver_nmi
from node.ia32.flags import set_explicit
from node.ia32.semantics.interrupts import bound, int_1, int_3, int_n, into
from node.ia32.state import (
    BP,
    BR,
    DB,
    DS,
    ECX,
    ES,
    ESP,
    FS,
    GP,
    GS,
    NMI,
    OF,
    TF,
    UNUSABLE,
    VM,
)
from tests.node.ia32.delivery_world import (
    HANDLER,
    INTERRUPT32,
    OPEN,
    raise_and_deliver,
    world_at,
)
from tests.node.ia32.protected_world import (
    CODE,
    CODE0,
    CODE1,
    CODE3,
    CONFORMING,
    STACK0,
    World,
)

# Virtual-8086 mode


def test_leaving_v86_pushes_the_data_segments_and_makes_them_null() -> None:
    world = world_at(0, 0x20, INTERRUPT32)
    world.enter_v86()
    deliver_interrupt(world.c, world.m, 0x20)
    assert world.stack(9) == [0, 0x500, VM | 2, 0x1000, 0x900, 0x100, 0x200, 0x300, 0x400]
    assert world.c.flags & VM == 0
    assert [int(world.c.attr[seg]) for seg in (ES, DS, FS, GS)] == [UNUSABLE] * 4
    assert (world.c.cpl, world.c.gpr[ESP]) == (0, STACK0 - 36)


@pytest.mark.parametrize("selector", [CODE1, CODE3, CONFORMING])
def test_v86_interrupts_must_go_to_nonconforming_level_0_code(selector: int) -> None:
    world = world_at(0, 0x20, INTERRUPT32 | OPEN, selector)
    world.enter_v86(iopl=3)
    assert world.do(int_n, imm=0x20) == (GP, selector & 0xFFFC)


def test_int_n_in_v86_needs_iopl_3_but_int3_does_not() -> None:
    world = world_at(0, 0x20, INTERRUPT32 | OPEN)
    world.gate(BP, CODE0, HANDLER, INTERRUPT32 | OPEN)
    world.enter_v86(iopl=2)
    assert world.do(int_n, imm=0x20) == (GP, 0)
    assert world.do(int_3, length=1) is None
    assert world.stack(1) == [1]


# Software interrupts of their own


def test_into_interrupts_only_on_overflow() -> None:
    world = world_at(3, 4, INTERRUPT32 | OPEN)
    assert world.do(into, length=1) is None
    assert (world.c.eip, world.c.cpl) == (CODE + 1, 3)
    set_explicit(world.c, OF)
    world.c.eip = CODE
    assert world.do(into, length=1) is None
    assert (world.c.eip, world.stack(1)) == (HANDLER, [CODE + 1])


def test_int1_ignores_the_gates_dpl() -> None:
    world = world_at(3, DB, INTERRUPT32)
    assert world.do(int_1, length=1) is None
    assert world.c.eip == HANDLER


@pytest.mark.parametrize(("index", "raised"), [(-5, True), (-4, False), (0, False), (7, False), (8, True)])
@pytest.mark.parametrize("size", [2, 4])
def test_bound_compares_signed(index: int, raised: bool, size: int) -> None:
    world = World()
    mask = (1 << size * 8) - 1
    world.poke(0x7000, -4 & mask, size)
    world.poke(0x7000 + size, 7, size)
    world.c.gpr[ECX] = index & mask
    assert world.do(bound, size, a=ECX, disp=0x7000) == ((BR, -1) if raised else None)


# Debug traps


def test_single_stepping_traps_after_the_instruction_and_says_so_in_dr6() -> None:
    world = world_at(0, DB, INTERRUPT32)
    world.c.flags |= TF
    debug_trap(world.c, world.m, 1)
    assert world.stack(3) == [CODE, CODE0, TF | 2]
    assert world.c.dr[6] & 0x4000
    assert world.c.flags & TF == 0


def test_no_single_step_trap_follows_int_n() -> None:
    world = world_at(0, 0x30, INTERRUPT32)
    world.c.flags |= TF
    assert world.do(int_n, imm=0x30) is None
    debug_trap(world.c, world.m, 1)
    assert world.c.eip == HANDLER


def test_entering_the_debug_handler_clears_general_detect() -> None:
    world = world_at(0, DB, INTERRUPT32)
    world.c.dr[7] |= 0x2000
    raise_and_deliver(world, DB, -1)
    assert world.c.dr[7] == 0x400


def test_an_nmi_wakes_the_processor_and_masks_the_next() -> None:
    world = world_at(0, NMI, INTERRUPT32)
    world.c.halted = world.c.nmi_pending = 1
    deliver_nmi(world.c, world.m)
    assert (world.c.halted, world.c.nmi_pending, world.c.nmi_masked, world.c.eip) == (0, 0, 1, HANDLER)
