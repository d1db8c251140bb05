"""Interrupts and exceptions through gates: frames, stacks, flags, refusals, and what becomes of a fault on the way."""

import pytest

from node.ia32.exceptions import debug_trap, deliver_interrupt, deliver_nmi, deliver_pending
from node.ia32.faults import raise_fault
from node.ia32.flags import set_explicit
from node.ia32.semantics.interrupts import bound, int_1, int_3, int_n, into
from node.ia32.state import (
    BP,
    BR,
    CS,
    DB,
    DOUBLE,
    DS,
    ECX,
    ES,
    ESP,
    EXIT_SHUTDOWN,
    FS,
    GP,
    GS,
    IF,
    LEAVE_EXIT,
    NMI,
    NP,
    NT,
    OF,
    PAGE,
    RF,
    SS,
    SS_,
    TF,
    TR,
    TS_,
    UD,
    UNUSABLE,
    VM,
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
    World,
)

INTERRUPT32, TRAP32, INTERRUPT16, TRAP16, TASK = 0x8E, 0x8F, 0x86, 0x87, 0x85
OPEN = 0x60  # gate DPL 3
HANDLER = 0x0001_2345


def world_at(level: int, vector: int, access: int, selector: int = CODE0) -> World:
    world = World()
    world.gate(vector, selector, HANDLER, access)
    world.enter_level(level)
    return world


def raise_and_deliver(world: World, vector: int, error: int) -> None:
    world.m.fault = 0
    raise_fault(world.m, vector, error)
    deliver_pending(world.c, world.m)


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


# Faults while delivering


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


# Real mode


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
