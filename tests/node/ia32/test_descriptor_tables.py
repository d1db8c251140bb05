"""Table registers, LTR and LLDT, and the questions that programs may ask about selectors."""

import pytest

from node.ia32.flags import set_explicit, zero
from node.ia32.semantics.descriptor_tables import (
    arpl,
    lar,
    lldt,
    load_table,
    lsl,
    ltr,
    store_system_selector,
    store_table,
    verify,
)
from node.ia32.state import CF, EAX, EBX, GP, LDTR, M32, NP, OF, PAGE, TR, UD, UNUSABLE
from tests.node.ia32.protected_world import (
    CODE0,
    CODE3,
    CONFORMING,
    DATA0,
    DATA3,
    FLAT,
    GDT,
    LDT_SELECTOR,
    SCRATCH,
    TSS2,
    TSS2_SELECTOR,
    TSS_SELECTOR,
    World,
    gate,
)

REG, MEM = 0, 1
GDT_, IDT_ = 0, 1


def with_operand(world: World, selector: int) -> World:
    world.c.gpr[EBX] = selector
    return world


@pytest.mark.parametrize(("size", "base"), [(4, 0x1234_5678), (2, 0x34_5678)])
def test_table_registers_load_24_or_32_bits_of_base_and_store_32(size: int, base: int) -> None:
    world = World()
    world.memory.write(0x7000, bytes.fromhex("ff0778563412"))
    assert world.do(load_table, size, IDT_, disp=0x7000) is None
    assert (world.c.idt_limit, world.c.idt_base, world.c.gdt_base) == (0x7FF, base, GDT)
    world.enter_level(3)
    assert world.do(store_table, IDT_, disp=0x7010) is None
    assert world.memory.read(0x7010, 6) == b"\xff\x07" + base.to_bytes(4, "little")
    assert world.do(load_table, size, GDT_, disp=0x7000) == (GP, 0)


def test_a_table_load_whose_operand_faults_half_way_changes_nothing() -> None:
    world = World()
    world.map_pages(absent={8}, supervisor=set(), read_only=set())
    assert world.do(load_table, 4, GDT_, disp=0x7FFD) == (PAGE, 0)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (LDT_SELECTOR, None),
        (3, None),
        (CODE0, (GP, CODE0)),
        (0x200, (GP, 0x200)),
        (0x0C, (GP, 0x0C)),
        (SCRATCH, (NP, SCRATCH)),
    ],
)
def test_lldt_takes_null_or_a_present_ldt_of_the_gdt(selector: int, expected: tuple[int, int] | None) -> None:
    world = with_operand(World(), selector)
    world.describe(SCRATCH, 0x6000, 0xFF, 0x02)
    assert world.do(lldt, REG, b=EBX) == expected
    if expected is None:
        assert (world.c.selector[LDTR], world.c.attr[LDTR]) == (selector, UNUSABLE if selector == 3 else 0x82)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (TSS2_SELECTOR, None),
        (0, (GP, 0)),
        (TSS_SELECTOR, (GP, TSS_SELECTOR)),  # busy
        (DATA0, (GP, DATA0)),
        (SCRATCH, (NP, SCRATCH)),
    ],
)
def test_ltr_takes_an_available_tss_and_marks_it_busy(selector: int, expected: tuple[int, int] | None) -> None:
    world = with_operand(World(), selector)
    world.describe(SCRATCH, TSS2, 0x67, 0x09)
    assert world.do(ltr, REG, b=EBX) == expected
    if expected is None:
        assert (world.c.selector[TR], world.c.base[TR], world.c.attr[TR]) == (selector, TSS2, 0x8B)
        assert world.get_descriptor(selector) >> 40 & 0xFF == 0x8B


def test_sldt_and_str_work_at_every_level_of_protected_mode() -> None:
    world = World()
    world.enter_level(3)
    world.c.gpr[EAX] = M32
    assert world.do(store_system_selector, 4, REG, TR, b=EAX) is None
    assert world.c.gpr[EAX] == TSS_SELECTOR
    world.poke(0x7000, M32)
    assert world.do(store_system_selector, 4, MEM, LDTR, disp=0x7000) is None
    assert world.peek(0x7000) == 0xFFFF_0000 | LDT_SELECTOR


@pytest.mark.parametrize("mode", ["real", "v86"])
def test_descriptor_instructions_do_not_exist_outside_protected_mode(mode: str) -> None:
    world = World()
    if mode == "real":
        world.enter_real()
    else:
        world.enter_v86(iopl=3)
    for semantic, constants in (
        (lldt, (REG,)), (ltr, (REG,)), (arpl, (REG,)), (verify, (REG, 0)), (lar, (4, REG)), (lsl, (4, REG)),
        (store_system_selector, (4, REG, TR)),
    ):  # fmt: skip
        assert world.do(semantic, *constants) == (UD, -1), semantic.__name__


@pytest.mark.parametrize(
    ("level", "selector", "readable", "writable"),
    [
        (0, DATA0, True, True),
        (0, DATA0 | 3, False, False),
        (3, DATA0, False, False),
        (3, DATA3, True, True),
        (3, CODE3, True, False),
        (3, CONFORMING, True, False),
        (0, TSS_SELECTOR, False, False),
        (0, 0, False, False),
        (0, 0x200, False, False),
        (0, SCRATCH, False, False),
    ],
)
def test_verr_and_verw_answer_in_zf(level: int, selector: int, readable: bool, writable: bool) -> None:
    world = with_operand(World(), selector)
    world.describe(SCRATCH, 0, 0xFFFFF, 0x99 | FLAT)  # execute only
    world.enter_level(level)
    set_explicit(world.c, CF | OF)
    for write, expected in ((0, readable), (1, writable)):
        assert world.do(verify, REG, write, b=EBX) is None
        assert zero(world.c) == expected
        assert world.c.cc_src & (CF | OF) == CF | OF


@pytest.mark.parametrize("kind", range(16))
def test_lar_and_lsl_know_which_system_types_have_rights_and_limits(kind: int) -> None:
    world = with_operand(World(), SCRATCH)
    world.put_descriptor(SCRATCH, 0x1234_5678 | (0x00DA_0055 | (0x80 | kind) << 8) << 32)
    has_rights = kind in (1, 2, 3, 4, 5, 9, 0xB, 0xC)
    has_limit = kind in (1, 2, 3, 9, 0xB)
    world.c.gpr[EAX] = 77
    assert world.do(lar, 4, REG, a=EAX, b=EBX) is None
    assert (zero(world.c), world.c.gpr[EAX]) == ((1, 0x00D0_0000 | (0x80 | kind) << 8) if has_rights else (0, 77))
    world.c.gpr[EAX] = 77
    assert world.do(lsl, 4, REG, a=EAX, b=EBX) is None
    assert (zero(world.c), world.c.gpr[EAX]) == ((1, 0xA567_8FFF) if has_limit else (0, 77))


def test_lsl_in_16_bits_truncates_the_limit() -> None:
    world = with_operand(World(), DATA0)
    world.c.gpr[EAX] = 0x1111_1111
    assert world.do(lsl, 2, REG, a=EAX, b=EBX) is None
    assert world.c.gpr[EAX] == 0x1111_FFFF


def test_a_gate_has_rights_but_no_limit() -> None:
    world = with_operand(World(), SCRATCH)
    world.put_descriptor(SCRATCH, gate(CODE0, 0, 0x8C))
    assert world.do(lar, 4, REG, a=EAX, b=EBX) is None
    assert (zero(world.c), world.c.gpr[EAX]) == (1, 0x8C00)


def test_a_question_may_page_fault_on_the_table() -> None:
    world = with_operand(World(), DATA0)
    world.map_pages(absent={1}, supervisor=set(), read_only=set())
    assert world.do(verify, REG, 0, b=EBX) == (PAGE, 0)


@pytest.mark.parametrize(
    ("target", "source", "result", "raised"), [(0x10, 3, 0x13, 1), (0x13, 0, 0x13, 0), (8, 8, 8, 0)]
)
@pytest.mark.parametrize("form", [REG, MEM])
def test_arpl_raises_a_lower_rpl(target: int, source: int, result: int, raised: int, form: int) -> None:
    world = World()
    world.c.gpr[EAX], world.c.gpr[EBX] = source, 0xAAAA_0000 | target
    world.poke(0x7000, target, 2)
    assert world.do(arpl, form, a=EAX, b=EBX, disp=0x7000) is None
    assert zero(world.c) == raised
    assert (world.c.gpr[EBX] & 0xFFFF if form == REG else world.peek(0x7000, 2)) == result
