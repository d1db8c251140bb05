"""Loading segment registers: which descriptors are refused and how, what is cached, what is derived."""

import pytest

from node.ia32.segments import load_segment, refresh
from node.ia32.semantics.segmentation import (
    load_far_pointer,
    load_selector,
    load_ss,
    pop_segment,
    pop_ss,
    store_selector,
)
from node.ia32.state import CR0_PE, DS, EAX, ES, ESP, GP, GS, M16, M32, NP, PAGE, SS, SS_, UD, UNUSABLE
from tests.node.ia32.protected_world import (
    CODE0,
    CODE3,
    CONFORMING,
    DATA0,
    DATA3,
    FLAT,
    GDT,
    LEVEL3,
    SCRATCH,
    STACK0,
    TSS_SELECTOR,
    World,
)

REG, MEM = 0, 1


@pytest.mark.parametrize(
    ("level", "seg", "selector", "expected"),
    [
        (0, DS, DATA3, None),
        (3, DS, DATA3, None),
        (3, DS, DATA0, (GP, DATA0)),
        (0, DS, DATA0 | 3, (GP, DATA0)),
        (3, DS, CODE3, None),
        (3, DS, CONFORMING | 3, None),
        (0, DS, TSS_SELECTOR, (GP, TSS_SELECTOR)),
        (0, DS, 0x100, (GP, 0x100)),
        (0, DS, 0x104, (GP, 0x104)),
        (0, DS, 3, None),
        (0, SS, 0, (GP, 0)),
        (0, SS, DATA0, None),
        (0, SS, DATA3, (GP, DATA3 & 0xFFFC)),
        (3, SS, DATA3, None),
        (3, SS, DATA3 & 0xFFFC, (GP, DATA3 & 0xFFFC)),
        (0, SS, CODE0, (GP, CODE0)),
        (0, SS, 0x100, (GP, 0x100)),
    ],
)
def test_protected_mode_accepts_a_selector_exactly_when_the_manual_does(
    level: int, seg: int, selector: int, expected: tuple[int, int] | None
) -> None:
    world = World()
    world.enter_level(level)
    world.c.gpr[EAX] = 0xABCD_0000 | selector
    semantic = load_ss if seg == SS else load_selector
    assert world.do(semantic, REG, a=seg, b=EAX) == expected
    if expected is None:
        assert world.c.selector[seg] == selector


@pytest.mark.parametrize(("seg", "vector"), [(DS, NP), (SS, SS_)])
def test_absent_segments_raise_np_and_absent_stacks_raise_ss(seg: int, vector: int) -> None:
    world = World()
    world.describe(SCRATCH, 0, 0xFFFFF, 0x13 | FLAT)
    world.c.gpr[EAX] = SCRATCH
    assert world.do(load_ss if seg == SS else load_selector, REG, a=seg, b=EAX) == (vector, SCRATCH)


@pytest.mark.parametrize("access", [0x99, 0x9D, 0x82, 0x8C, 0x8E, 0x85])
def test_ds_refuses_execute_only_code_and_system_descriptors(access: int) -> None:
    world = World()
    world.describe(SCRATCH, 0, 0xFFFFF, access | FLAT)
    world.c.gpr[EAX] = SCRATCH
    assert world.do(load_selector, REG, a=DS, b=EAX) == (GP, SCRATCH)


def test_ss_refuses_data_that_cannot_be_written() -> None:
    world = World()
    world.describe(SCRATCH, 0, 0xFFFFF, 0x91 | FLAT)
    world.c.gpr[EAX] = SCRATCH
    assert world.do(load_ss, REG, b=EAX) == (GP, SCRATCH)


def test_a_null_selector_leaves_the_register_unusable() -> None:
    world = World()
    assert world.do(load_selector, REG, a=ES, b=EAX) is None
    assert (world.c.selector[ES], world.c.attr[ES], world.m.seg_ok[ES]) == (0, UNUSABLE, 0)


def test_a_descriptor_is_cached_with_base_limit_and_granularity() -> None:
    world = World()
    world.describe(SCRATCH, 0x1234_5678, 0xABCDE, 0x93 | 0x900)  # G and AVL
    load_segment(world.c, world.m, GS, SCRATCH)
    assert (world.c.base[GS], world.c.limit[GS], world.c.attr[GS]) == (0x1234_5678, 0xABCD_EFFF, 0x993)
    world.describe(SCRATCH, 0x1234_5678, 0xABCDE, 0x93)
    load_segment(world.c, world.m, GS, SCRATCH)
    assert world.c.limit[GS] == 0xABCDE


def test_loading_sets_the_accessed_bit_in_memory_and_in_the_register() -> None:
    world = World()
    world.describe(SCRATCH, 0, 0xFFFFF, 0x92 | FLAT)
    world.memory.dirty[:] = 0
    load_segment(world.c, world.m, DS, SCRATCH)
    assert world.get_descriptor(SCRATCH) >> 40 & 0xFF == 0x93
    assert world.c.attr[DS] & 0xFF == 0x93
    assert world.memory.dirty[GDT >> 12] == 1


def test_an_ldt_selector_is_found_in_the_local_table_within_its_limit() -> None:
    world = World()
    world.describe(0x0C, 0x7000, 0xFFF, 0x93)
    load_segment(world.c, world.m, DS, 0x0C)
    assert (world.m.fault, world.c.base[DS]) == (0, 0x7000)
    world.c.limit[6] = 0x0E  # the descriptor's last byte is at 0F
    world.c.gpr[EAX] = 0x0C
    assert world.do(load_selector, REG, a=DS, b=EAX) == (GP, 0x0C)


def test_reading_a_descriptor_may_page_fault_with_supervisor_rights() -> None:
    world = World()
    world.enter_level(3)
    world.map_pages(absent={GDT >> 12}, supervisor=set(), read_only=set())
    world.c.gpr[EAX] = DATA3
    assert world.do(load_selector, REG, a=DS, b=EAX) == (PAGE, 0)
    assert world.c.cr2 == GDT + (DATA3 & 0xFFF8)


def test_marking_a_write_protected_descriptor_accessed_faults_before_the_load() -> None:
    world = World()
    world.describe(SCRATCH, 0, 0xFFFFF, 0x92 | FLAT)
    world.map_pages(absent=set(), supervisor=set(), read_only={GDT >> 12})
    world.c.gpr[EAX] = SCRATCH
    assert world.do(load_selector, REG, a=DS, b=EAX) == (PAGE, 3)


@pytest.mark.parametrize(
    ("attr", "limit", "ok"),
    [
        (0x93 | FLAT, M32, 3),
        (0x91 | FLAT, M32, 1),
        (0x9B | FLAT, M32, 1),
        (0x99 | FLAT, M32, 0),
        (0x97 | FLAT, M32, 0),
        (0x93 | FLAT, M32 - 1, 0),
        (UNUSABLE, M32, 0),
    ],
)
def test_only_flat_segments_skip_the_segment_checks(attr: int, limit: int, ok: int) -> None:
    world = World()
    world.c.attr[DS], world.c.limit[DS] = attr, limit
    refresh(world.c, world.m)
    assert world.m.seg_ok[DS] == ok


def test_real_mode_loads_change_the_base_and_keep_a_big_limit() -> None:
    world = World()
    world.describe(SCRATCH, 0, 0xFFFFF, 0x93 | FLAT)
    load_segment(world.c, world.m, DS, SCRATCH)
    world.c.cr0 &= ~CR0_PE
    load_segment(world.c, world.m, DS, 0xB800)
    assert (world.c.base[DS], world.c.limit[DS], world.m.seg_ok[DS]) == (0xB8000, M32, 3)


def test_v86_loads_are_64_kib_at_level_3_whatever_the_tables_say() -> None:
    world = World()
    world.enter_v86()
    load_segment(world.c, world.m, DS, 0xFFFF)
    assert (world.c.base[DS], world.c.limit[DS], world.c.attr[DS]) == (0xFFFF0, M16, 0xF3)


def test_mov_to_ss_holds_interrupts_and_traps_but_lss_does_not() -> None:
    world = World()
    world.c.gpr[EAX] = DATA0
    assert world.do(load_ss, REG, b=EAX, at=4) is None
    assert (world.c.inhibit, world.c.eip) == (2, 0x5006)
    world.c.inhibit = 0
    world.poke(0x7000, 0x1234)
    world.poke(0x7004, DATA0, 2)
    assert world.do(load_far_pointer, 4, SS, a=ESP, disp=0x7000) is None
    assert (world.c.inhibit, world.c.gpr[ESP]) == (0, 0x1234)


def test_pop_ss_moves_the_pointer_by_the_old_stack_width() -> None:
    world = World()
    world.describe(SCRATCH, 0, 0xFFFF, 0x93)
    world.c.gpr[ESP] = 0x1_FFFC
    world.poke(0x1_FFFC, SCRATCH)
    assert world.do(pop_ss, 4) is None
    assert (world.c.gpr[ESP], world.m.stack_mask, world.c.inhibit) == (0x2_0000, M16, 2)


def test_a_refused_pop_leaves_the_stack_pointer() -> None:
    world = World()
    world.c.gpr[ESP] = STACK0 - 4
    world.poke(STACK0 - 4, DATA0 | 3)
    assert world.do(pop_segment, 4, DS) == (GP, DATA0)


def test_storing_a_selector_writes_16_bits_to_memory_and_zero_extends_to_a_register() -> None:
    world = World()
    world.c.gpr[EAX] = M32
    assert world.do(store_selector, 4, REG, a=DS, b=EAX) is None
    assert world.c.gpr[EAX] == DATA0
    world.c.gpr[EAX] = M32
    assert world.do(store_selector, 2, REG, a=DS, b=EAX) is None
    assert world.c.gpr[EAX] == 0xFFFF_0000 | DATA0
    world.poke(0x7000, M32)
    assert world.do(store_selector, 4, MEM, a=DS, disp=0x7000) is None
    assert world.peek(0x7000) == 0xFFFF_0000 | DATA0
    assert world.do(store_selector, 4, REG, a=6, b=EAX) == (UD, -1)


def test_dpl_3_data_stays_loaded_at_both_levels() -> None:
    world = World()
    world.enter_level(3)
    assert world.c.attr[DS] & 0x60 == LEVEL3
