"""Far jumps, calls through gates, far returns and IRET between privilege levels and modes."""

import pytest

from node.ia32.flags import eflags
from node.ia32.semantics.far import far_direct, far_indirect, iret, return_far
from node.ia32.state import (
    AC,
    CF,
    CS,
    DS,
    ES,
    ESP,
    FS,
    GP,
    GS,
    ID,
    IF,
    IOPL_MASK,
    NP,
    NT,
    PAGE,
    RF,
    SS,
    SS_,
    TS_,
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
    DATA3,
    FLAT,
    LDT_SELECTOR,
    SCRATCH,
    STACK0,
    STACK3,
    TSS,
    World,
    gate,
)

JUMP, CALL = 0, 1
CALL_GATE32, CALL_GATE16 = 0x8C, 0x84
OPEN = 0x60


def far(world: World, selector: int, offset: int, call: int, size: int = 4) -> tuple[int, int] | None:
    return world.do(far_direct, size, call, length=7, imm=offset, disp=selector)


@pytest.mark.parametrize("call", [JUMP, CALL])
@pytest.mark.parametrize(
    ("level", "selector", "expected"),
    [
        (0, CODE0, None),
        (0, CODE0 | 3, (GP, CODE0)),  # RPL > CPL
        (3, CODE3 & 0xFFFC, None),
        (3, CODE0, (GP, CODE0)),
        (0, CODE3 & 0xFFFC, (GP, CODE3 & 0xFFFC)),
        (3, CONFORMING, None),
        (3, CONFORMING | 3, None),
        (0, DATA0, (GP, DATA0)),
        (0, 0, (GP, 0)),
        (0, 0x200, (GP, 0x200)),
        (0, LDT_SELECTOR, (GP, LDT_SELECTOR)),
    ],
)
def test_direct_transfers_stay_at_their_level(
    call: int, level: int, selector: int, expected: tuple[int, int] | None
) -> None:
    world = World()
    world.enter_level(level)
    assert far(world, selector, 0x1234, call) == expected
    if expected is None:
        assert (world.c.eip, world.c.cpl, world.c.selector[CS]) == (0x1234, level, selector & 0xFFFC | level)


def test_a_call_pushes_cs_and_eip_in_words_of_the_operand_size() -> None:
    world = World()
    assert far(world, CODE0, 0x1234, CALL) is None
    assert (world.stack(2), world.c.gpr[ESP]) == ([CODE + 7, CODE0], STACK0 - 8)
    world.c.eip = CODE
    assert far(world, CODE0, 0x1234, CALL, size=2) is None
    assert (world.stack(2, 2), world.c.gpr[ESP]) == ([CODE + 7, CODE0], STACK0 - 12)


def test_indirect_transfers_read_offset_then_selector() -> None:
    world = World()
    world.poke(0x7000, 0x4321)
    world.poke(0x7004, CODE0, 2)
    assert world.do(far_indirect, 4, JUMP, disp=0x7000) is None
    assert world.c.eip == 0x4321


def test_a_target_beyond_its_segment_is_refused_before_anything_is_pushed() -> None:
    world = World()
    world.describe(SCRATCH, 0, 0xFFF, 0x9B | 0x400)
    assert far(world, SCRATCH, 0x1000, CALL) == (GP, 0)
    assert far(world, SCRATCH, 0xFFF, CALL) is None


def test_an_absent_code_segment_raises_np() -> None:
    world = World()
    world.describe(SCRATCH, 0, 0xFFFFF, 0x1B | FLAT)
    assert far(world, SCRATCH, 0, JUMP) == (NP, SCRATCH)


def test_far_code_is_marked_accessed() -> None:
    world = World()
    world.describe(SCRATCH, 0, 0xFFFFF, 0x9A | FLAT)
    assert far(world, SCRATCH, 0, JUMP) is None
    assert world.get_descriptor(SCRATCH) >> 40 & 1


# Call gates


def gated(level: int, access: int, selector: int, parameters: int = 0, offset: int = 0x1_2345) -> World:
    world = World()
    world.put_descriptor(SCRATCH, gate(selector, offset, access, parameters))
    world.enter_level(level)
    return world


def test_a_call_gate_to_an_inner_level_copies_its_parameters_to_the_new_stack() -> None:
    world = gated(3, CALL_GATE32 | OPEN, CODE0, 3)
    world.c.gpr[ESP] = STACK3 - 12
    for i, value in enumerate((11, 22, 33)):
        world.poke(STACK3 - 12 + 4 * i, value)
    assert far(world, SCRATCH | 3, 0xDEAD, CALL) is None
    assert world.stack(7) == [CODE + 7, CODE3, 11, 22, 33, STACK3 - 12, DATA3]
    assert (world.c.eip, world.c.cpl, world.c.selector[CS]) == (0x1_2345, 0, CODE0)


def test_a_16_bit_call_gate_uses_words_whatever_the_operand_size() -> None:
    world = gated(3, CALL_GATE16 | OPEN, CODE0, 2)
    world.c.gpr[ESP] = STACK3 - 4
    world.poke(STACK3 - 4, 0x2222_1111)
    assert far(world, SCRATCH, 0, CALL) is None
    assert world.stack(6, 2) == [CODE + 7, CODE3, 0x1111, 0x2222, STACK3 - 4, DATA3]
    assert world.c.eip == 0x2345


def test_a_call_and_a_far_return_with_parameters_restore_both_stacks() -> None:
    world = gated(3, CALL_GATE32 | OPEN, CODE0, 2)
    world.c.gpr[ESP] = STACK3 - 8
    assert far(world, SCRATCH, 0, CALL) is None
    assert world.do(return_far, 4, imm=8) is None
    assert (world.c.eip, world.c.cpl, world.c.selector[CS]) == (CODE + 7, 3, CODE3)
    assert (world.c.selector[SS], world.c.gpr[ESP]) == (DATA3, STACK3)


@pytest.mark.parametrize(
    ("level", "access", "selector", "call", "expected"),
    [
        (3, CALL_GATE32, CODE0, CALL, (GP, SCRATCH)),  # gate DPL
        (3, 0x0C | OPEN, CODE0, CALL, (NP, SCRATCH)),
        (3, CALL_GATE32 | OPEN, 0, CALL, (GP, 0)),
        (3, CALL_GATE32 | OPEN, 0x200, CALL, (GP, 0x200)),
        (3, CALL_GATE32 | OPEN, DATA3, CALL, (GP, DATA3 & 0xFFFC)),
        (0, CALL_GATE32 | OPEN, CODE3, CALL, (GP, CODE3 & 0xFFFC)),  # to less privilege
        (3, CALL_GATE32 | OPEN, CODE0, JUMP, (GP, CODE0)),  # a jump does not change level
        (3, CALL_GATE32 | OPEN, CODE3, JUMP, None),
        (3, CALL_GATE32 | OPEN, CONFORMING, JUMP, None),
        (3, CALL_GATE32 | OPEN, CONFORMING, CALL, None),
    ],
)
def test_call_gates_are_checked_before_and_behind(
    level: int, access: int, selector: int, call: int, expected: tuple[int, int] | None
) -> None:
    world = gated(level, access, selector)
    assert far(world, SCRATCH, 0, call) == expected
    assert world.c.cpl == level


def test_the_rpl_of_a_gates_selector_counts() -> None:
    world = gated(0, CALL_GATE32, CODE0)
    assert far(world, SCRATCH | 1, 0, CALL) == (GP, SCRATCH)


def test_parameters_that_the_caller_may_not_read_fault_on_the_old_stack() -> None:
    world = gated(3, CALL_GATE32 | OPEN, CODE0, 2)
    world.map_pages(absent={STACK3 >> 12}, supervisor=set(), read_only=set())
    world.c.gpr[ESP] = STACK3 - 4
    assert far(world, SCRATCH, 0, CALL) == (PAGE, 4)
    assert world.c.cr2 == STACK3


def test_a_gate_frame_that_overflows_the_inner_stack_raises_ss_with_its_selector() -> None:
    world = gated(3, CALL_GATE32 | OPEN, CODE0, 4)
    world.describe(0x60, 0x7000, 23, 0x93 | 0x400)
    world.poke(TSS + 8, 0x60)
    world.poke(TSS + 4, 24)
    assert far(world, SCRATCH, 0, CALL) == (SS_, 0x60)


def test_a_bad_inner_stack_raises_ts() -> None:
    world = gated(3, CALL_GATE32 | OPEN, CODE1)
    world.poke(TSS + 16, DATA0)
    assert far(world, SCRATCH, 0, CALL) == (TS_, DATA0)


# Far returns


def framed(level: int, words: list[int], size: int = 4) -> World:
    """A stack of `level` with these words on top."""
    world = World()
    world.enter_level(level)
    world.c.gpr[ESP] -= len(words) * size
    for i, word in enumerate(words):
        world.poke(int(world.c.gpr[ESP]) + i * size, word, size)
    return world


@pytest.mark.parametrize(
    ("level", "words", "expected"),
    [
        (0, [1, CODE0], None),
        (0, [1, 0], (GP, 0)),
        (0, [1, 3], (GP, 0)),
        (0, [1, DATA0], (GP, DATA0)),
        (3, [1, CODE0], (GP, CODE0)),  # to more privilege
        (0, [1, CODE0 | 3, STACK3, DATA3], (GP, CODE0)),  # RPL is not DPL
        (0, [1, CODE3, STACK3, 0], (GP, 0)),
        (0, [1, CODE3, STACK3, DATA0], (GP, DATA0)),
        (0, [1, CODE3, STACK3, DATA3 & 0xFFFC], (GP, DATA3 & 0xFFFC)),
        (0, [1, CODE3, STACK3, 0x203], (GP, 0x200)),
        (0, [1, CODE3, STACK3, SCRATCH | 3], (SS_, SCRATCH)),
        (0, [1, CONFORMING | 3, STACK3, DATA3], None),
        (0, [1, CODE3, STACK3, DATA3], None),
    ],
)
def test_far_returns_check_code_and_stack(level: int, words: list[int], expected: tuple[int, int] | None) -> None:
    world = framed(level, words)
    world.describe(SCRATCH, 0, 0xFFFFF, 0x73 | FLAT)
    assert world.do(return_far, 4) == expected
    if expected is None:
        assert (world.c.eip, world.c.cpl, world.c.selector[CS]) == (1, words[1] & 3, words[1])


def test_returning_outward_makes_segments_null_that_the_outer_level_may_not_use() -> None:
    world = framed(0, [1, CODE3, STACK3, DATA3])
    world.c.selector[ES], world.c.attr[ES] = DATA3, 0xF3 | FLAT
    world.c.selector[FS], world.c.attr[FS] = CONFORMING, 0x9F | FLAT
    assert world.do(return_far, 4) is None
    unusable = [bool(world.c.attr[seg] & UNUSABLE) for seg in (DS, ES, FS, GS)]
    assert unusable == [True, False, False, True]
    assert (world.c.selector[DS], world.m.seg_ok[DS], world.c.selector[FS]) == (0, 0, CONFORMING)


# IRET


def test_iret_takes_back_what_an_interrupt_pushed() -> None:
    world = framed(0, [0x1234, CODE0, IF | CF | NT | AC | ID | IOPL_MASK | RF | 2])
    assert world.do(iret, 4) is None
    assert (world.c.eip, eflags(world.c)) == (0x1234, IF | CF | NT | AC | ID | IOPL_MASK | RF | 2)
    assert world.c.gpr[ESP] == STACK0


@pytest.mark.parametrize(("iopl", "taken"), [(0, CF), (3, CF | IF)])
def test_iret_at_level_3_changes_if_only_with_io_privilege_and_never_iopl(iopl: int, taken: int) -> None:
    world = framed(3, [0x1234, CODE3, CF | IF | (IOPL_MASK ^ iopl << 12) | 2])
    world.c.flags |= iopl << 12
    assert world.do(iret, 4) is None
    assert eflags(world.c) == taken | iopl << 12 | 2


def test_a_16_bit_iret_leaves_the_upper_flags() -> None:
    world = framed(0, [0x1234, CODE0, CF | 2], size=2)
    world.c.flags |= AC | ID
    assert world.do(iret, 2) is None
    assert eflags(world.c) == AC | ID | CF | 2


def test_iret_to_an_outer_level_pops_the_stack_too_and_unmasks_nmi() -> None:
    world = framed(0, [0x1234, CODE3, 2, 0x9000, DATA3])
    world.c.nmi_masked = 1
    assert world.do(iret, 4) is None
    assert (world.c.cpl, world.c.gpr[ESP], world.c.selector[SS], world.c.nmi_masked) == (3, 0x9000, DATA3, 0)


def test_a_return_to_a_16_bit_stack_loads_only_sp() -> None:
    world = framed(0, [0x1234, CODE3, 2, 0xABCD_9000, SCRATCH | 3])
    world.describe(SCRATCH, 0, 0xFFFF, 0xF3)
    world.describe(0x60, 0xFFFF_0000, 0xFFFFF, 0x93 | FLAT)
    world.c.gpr[ESP] = 0x0001_8000 - 20
    for i, word in enumerate([0x1234, CODE3, 2, 0xABCD_9000, SCRATCH | 3]):
        world.poke(0x1_8000 - 20 + 4 * i, word)
    assert world.do(iret, 4) is None
    assert world.c.gpr[ESP] == 0x0001_9000


def test_iret_from_level_0_enters_v86_with_nine_words() -> None:
    world = framed(0, [0x77, 0x500, VM | IF | 2, 0x1000, 0x900, 0x100, 0x200, 0x300, 0x400])
    assert world.do(iret, 4) is None
    c = world.c
    assert [int(c.selector[seg]) for seg in (CS, SS, ES, DS, FS, GS)] == [0x500, 0x900, 0x100, 0x200, 0x300, 0x400]
    assert (c.eip, c.gpr[ESP], c.cpl, c.flags & (VM | IF)) == (0x77, 0x1000, 3, VM | IF)
    assert (c.base[CS], c.limit[CS]) == (0x5000, 0xFFFF)


def test_level_3_cannot_enter_v86_by_iret() -> None:
    world = framed(3, [0x77, CODE3, VM | 2])
    assert world.do(iret, 4) is None
    assert world.c.flags & VM == 0


def test_an_entry_point_beyond_64_kib_is_refused_in_v86() -> None:
    world = framed(0, [0x1_0000, 0x500, VM | 2, 0x1000, 0x900, 0, 0, 0, 0])
    assert world.do(iret, 4) == (GP, 0)


def test_iret_within_v86_needs_iopl_3_and_keeps_iopl() -> None:
    world = World()
    world.enter_v86(iopl=2)
    assert world.do(iret, 2) == (GP, 0)
    world = World()
    world.enter_v86(iopl=3)
    for i, word in enumerate((0x10, 0x600, IF | CF | 2)):
        world.poke(0x9000 + 0x1000 + 2 * i, word, 2)
    assert world.do(iret, 2) is None
    assert (world.c.eip, world.c.selector[CS], world.c.base[CS]) == (0x10, 0x600, 0x6000)
    assert eflags(world.c) == VM | IF | CF | IOPL_MASK | 2


# Real mode


def test_real_mode_far_calls_and_returns() -> None:
    world = World()
    world.enter_real()
    assert world.do(far_direct, 2, CALL, length=5, imm=0x20, disp=0xF000) is None
    assert (world.c.eip, world.c.base[CS], world.stack(2, 2)) == (0x20, 0xF0000, [5, 0x500])
    assert world.do(return_far, 2, imm=6) is None
    assert (world.c.eip, world.c.selector[CS], world.c.gpr[ESP]) == (5, 0x500, 0x1006)


def test_a_real_mode_target_beyond_64_kib_is_refused() -> None:
    world = World()
    world.enter_real()
    assert world.do(far_direct, 4, CALL, length=8, imm=0x1_0000, disp=0xF000) == (GP, 0)


def test_real_mode_iret_may_change_iopl_but_not_vm() -> None:
    world = World()
    world.enter_real()
    for i, word in enumerate((0x10, 0x600, IF | IOPL_MASK | VM | AC | 2)):
        world.poke(0xA000 + 4 * i, word)
    assert world.do(iret, 4) is None
    assert eflags(world.c) == IF | IOPL_MASK | AC | 2


@pytest.mark.parametrize("esp", [1, 3])
def test_a_real_mode_call_that_splits_a_word_at_64_kib_changes_nothing(esp: int) -> None:
    world = World()
    world.enter_real()
    world.c.gpr[ESP] = esp
    assert world.do(far_direct, 2, CALL, length=5, imm=0x20, disp=0xF000) == (SS_, 0)


def test_indirect_operands_beyond_their_segment_are_refused() -> None:
    world = World()
    world.enter_real()
    assert world.do(far_indirect, 2, JUMP, disp=0xFFFF, scale=4) == (GP, 0)
    assert world.do(far_indirect, 2, JUMP, disp=0xFFFD, scale=4) == (GP, 0)
    world.c.gpr[ESP] = 0xFFFF
    assert world.do(return_far, 2) == (SS_, 0)
    assert world.do(iret, 2) == (SS_, 0)


def test_a_wide_real_mode_return_beyond_the_segment_is_refused() -> None:
    world = World()
    world.enter_real()
    world.poke(0xA000, 0x1_0000)
    world.poke(0xA004, 0x500)
    assert world.do(return_far, 4) == (GP, 0)
    assert world.do(iret, 4) == (GP, 0)
