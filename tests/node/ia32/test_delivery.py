"""Interrupts and exceptions through gates: frames, stacks, flags, and refusals."""

import pytest

from node.ia32.exceptions import deliver_interrupt
from node.ia32.semantics.interrupts import int_n
from node.ia32.state import (
    CS,
    ESP,
    GP,
    IF,
    NP,
    NT,
    PAGE,
    RF,
    SS,
    SS_,
    TF,
    TR,
    TS_,
)
from tests.node.ia32.delivery_world import (
    HANDLER,
    INTERRUPT16,
    INTERRUPT32,
    OPEN,
    TRAP32,
    raise_and_deliver,
    world_at,
)
from tests.node.ia32.protected_world import (
    CODE,
    CODE0,
    CODE1,
    CODE3,
    CONFORMING,
    DATA0,
    DATA1,
    DATA3,
    FLAT,
    SCRATCH,
    STACK0,
    STACK1,
    STACK3,
    TSS,
    TSS_SELECTOR,
)


def test_an_interrupt_at_the_same_level_pushes_three_words_and_clears_if_and_tf() -> None:
    world = world_at(0, 0x20, INTERRUPT32)
    world.c.flags |= IF | NT
    deliver_interrupt(world.c, world.m, 0x20)
    assert world.stack(3) == [CODE, CODE0, IF | NT | 2]
    assert (world.c.eip, world.c.selector[CS], world.c.gpr[ESP]) == (HANDLER, CODE0, STACK0 - 12)
    assert world.c.flags & (IF | NT | TF) == 0
    assert world.m.interrupts == 1


def test_a_trap_gate_keeps_interrupts_on() -> None:
    world = world_at(0, 0x20, TRAP32)
    world.c.flags |= IF
    deliver_interrupt(world.c, world.m, 0x20)
    assert world.c.flags & IF


def test_an_80286_gate_pushes_16_bit_words_and_takes_a_16_bit_offset() -> None:
    world = world_at(0, 13, INTERRUPT16)
    raise_and_deliver(world, GP, 0x18)
    assert world.stack(4, size=2) == [0x18, CODE, CODE0, 2]
    assert (world.c.eip, world.c.gpr[ESP]) == (HANDLER & 0xFFFF, STACK0 - 8)


def test_an_inner_level_takes_its_stack_from_the_tss_and_saves_the_outer_one() -> None:
    world = world_at(3, 0x80, TRAP32 | OPEN)
    assert world.do(int_n, imm=0x80) is None
    assert world.stack(5) == [CODE + 2, CODE3, 2, STACK3, DATA3]
    assert (world.c.cpl, world.c.selector[CS], world.c.selector[SS]) == (0, CODE0, DATA0)
    assert world.c.gpr[ESP] == STACK0 - 20


def test_level_1_has_its_own_stack_and_its_rpl_in_cs() -> None:
    world = world_at(3, 0x30, INTERRUPT32 | OPEN, CODE1)
    assert world.do(int_n, imm=0x30) is None
    assert (world.c.cpl, world.c.selector[CS], world.c.selector[SS]) == (1, CODE1, DATA1)
    assert world.c.gpr[ESP] == STACK1 - 20


def test_a_16_bit_tss_keeps_its_stacks_in_words() -> None:
    world = world_at(3, 0x30, INTERRUPT32 | OPEN)
    world.c.attr[TR], world.c.limit[TR] = 0x83, 0x2B
    world.poke(TSS + 2, 0x7000, 2)
    world.poke(TSS + 4, DATA0, 2)
    assert world.do(int_n, imm=0x30) is None
    assert (world.c.gpr[ESP], world.c.selector[SS]) == (0x7000 - 20, DATA0)


def test_a_conforming_handler_runs_at_the_level_of_the_interrupted_program() -> None:
    world = world_at(3, 0x30, INTERRUPT32 | OPEN, CONFORMING)
    assert world.do(int_n, imm=0x30) is None
    assert (world.c.cpl, world.c.selector[CS], world.c.gpr[ESP]) == (3, CONFORMING | 3, STACK3 - 12)


def test_faults_push_rf_and_their_error_code_but_software_interrupts_neither() -> None:
    world = world_at(0, GP, INTERRUPT32)
    raise_and_deliver(world, GP, 0x18)
    assert world.stack(4) == [0x18, CODE, CODE0, RF | 2]
    world = world_at(0, GP, INTERRUPT32)
    assert world.do(int_n, imm=GP) is None
    assert world.stack(3) == [CODE + 2, CODE0, 2]


@pytest.mark.parametrize(
    ("access", "selector", "expected"),
    [
        (INTERRUPT32, CODE0, (GP, 0x30 * 8 + 2)),  # DPL 0 gate from level 3
        (0x0E | OPEN, CODE0, (NP, 0x30 * 8 + 2)),
        (0x8C | OPEN, CODE0, (GP, 0x30 * 8 + 2)),  # a call gate
        (0x9E | OPEN, CODE0, (GP, 0x30 * 8 + 2)),  # S set
        (INTERRUPT32 | OPEN, 0, (GP, 0)),
        (INTERRUPT32 | OPEN, 0x200, (GP, 0x200)),
        (INTERRUPT32 | OPEN, DATA0, (GP, DATA0)),
    ],
)
def test_bad_gates_are_refused_with_the_code_of_what_is_bad(
    access: int, selector: int, expected: tuple[int, int]
) -> None:
    world = world_at(3, 0x30, access, selector)
    assert world.do(int_n, imm=0x30) == expected


def test_a_handler_at_an_outer_level_is_refused() -> None:
    world = world_at(0, 0x30, INTERRUPT32 | OPEN, CODE3)
    assert world.do(int_n, imm=0x30) == (GP, CODE3 & 0xFFFC)


def test_an_absent_handler_segment_raises_np() -> None:
    world = world_at(0, 0x30, INTERRUPT32, SCRATCH)
    world.describe(SCRATCH, 0, 0xFFFFF, 0x1B | FLAT)
    assert world.do(int_n, imm=0x30) == (NP, SCRATCH)


def test_a_vector_beyond_the_idt_is_refused() -> None:
    world = world_at(0, 0x30, INTERRUPT32)
    world.c.idt_limit = 0x30 * 8 + 6
    assert world.do(int_n, imm=0x30) == (GP, 0x30 * 8 + 2)


def test_an_offset_beyond_the_handlers_segment_is_refused() -> None:
    world = world_at(0, 0x30, INTERRUPT32, SCRATCH)
    world.describe(SCRATCH, 0, HANDLER - 1, 0x9B | 0x400)
    assert world.do(int_n, imm=0x30) == (GP, 0)


@pytest.mark.parametrize(
    ("ss0", "expected"),
    [
        (0, (TS_, 0)),
        (0x200, (TS_, 0x200)),
        (DATA3, (TS_, DATA3 & 0xFFFC)),
        (DATA0 | 1, (TS_, DATA0)),
        (CODE0, (TS_, CODE0)),
        (SCRATCH, (SS_, SCRATCH)),  # not present
    ],
)
def test_a_bad_inner_stack_in_the_tss_raises_ts(ss0: int, expected: tuple[int, int]) -> None:
    world = world_at(3, 0x30, INTERRUPT32 | OPEN)
    world.describe(SCRATCH, 0, 0xFFFFF, 0x13 | FLAT)
    world.poke(TSS + 8, ss0)
    assert world.do(int_n, imm=0x30) == expected


def test_a_tss_too_small_for_the_stack_pointer_raises_ts_with_its_own_selector() -> None:
    world = world_at(3, 0x30, INTERRUPT32 | OPEN)
    world.c.limit[TR] = 8
    assert world.do(int_n, imm=0x30) == (TS_, TSS_SELECTOR)


def test_a_frame_that_does_not_fit_raises_ss_and_nothing_moves() -> None:
    world = world_at(3, 0x30, INTERRUPT32 | OPEN)
    world.describe(SCRATCH, 0, 0xFFFF, 0x93 | 0x400)
    world.poke(TSS + 8, SCRATCH)
    world.poke(TSS + 4, 8)  # room for two words below offset 8, then the pointer wraps beyond the limit
    assert world.do(int_n, imm=0x30) == (SS_, SCRATCH)


def test_a_same_level_frame_that_does_not_fit_raises_ss_0() -> None:
    world = world_at(0, 0x30, INTERRUPT32)
    world.describe(SCRATCH, 0, 0xFFFF, 0x93 | 0x400)
    world.c.limit[SS], world.c.gpr[ESP], world.m.seg_ok[SS] = 0xFFFF, 8, 0
    assert world.do(int_n, imm=0x30) == (SS_, 0)


def test_a_page_fault_on_the_inner_stack_happens_with_supervisor_rights_and_changes_nothing() -> None:
    world = world_at(3, 0x30, INTERRUPT32 | OPEN)
    world.map_pages(absent={(STACK0 - 1) >> 12}, supervisor=set(), read_only=set())
    assert world.do(int_n, imm=0x30) == (PAGE, 2)
    assert world.c.cr2 == STACK0 - 4


def test_a_supervisor_only_inner_stack_is_reachable_from_level_3() -> None:
    world = world_at(3, 0x30, INTERRUPT32 | OPEN)
    world.map_pages(absent=set(), supervisor={(STACK0 - 1) >> 12, 1, 2, 3}, read_only=set())
    assert world.do(int_n, imm=0x30) is None
    assert world.c.cpl == 0


def test_external_events_set_ext_in_the_code_of_a_fault_on_the_way() -> None:
    world = world_at(0, 0x20, 0x0E)
    world.gate(NP, CODE0, 0x9000, INTERRUPT32)
    deliver_interrupt(world.c, world.m, 0x20)
    assert world.stack(1) == [0x20 * 8 + 3]
    assert world.c.eip == 0x9000
