"""Task switches: by JMP, CALL, IRET, task gates in GDT and IDT; what is saved, loaded, marked busy, and refused."""

from collections.abc import Callable

import pytest

from node.ia32.exceptions import deliver_pending
from node.ia32.faults import raise_fault
from node.ia32.flags import eflags
from node.ia32.semantics.far import far_direct, iret
from node.ia32.semantics.interrupts import int_n
from node.ia32.state import (
    CR0_TS,
    CS,
    DB,
    DOUBLE,
    DS,
    EAX,
    EBX,
    ESP,
    FS,
    GP,
    IF,
    LDTR,
    NP,
    NT,
    RF,
    SS,
    TR,
    TS_,
    UNUSABLE,
    VM,
)
from tests.node.ia32.protected_world import (
    CODE,
    CODE0,
    CODE3,
    DATA0,
    DATA3,
    FLAT,
    LDT_SELECTOR,
    SCRATCH,
    STACK0,
    TSS,
    TSS2,
    TSS2_SELECTOR,
    TSS_SELECTOR,
    World,
    gate,
)

JUMP, CALL = 0, 1
ENTRY, TASK_STACK = 0x6500, 0x7800
EIP, EFLAGS, REGISTERS, SELECTORS, LDT_SLOT = 0x20, 0x24, 0x28, 0x48, 0x60


def tasks(flags: int = 2, code: int = CODE0, data: int = DATA0, level: int = 0) -> World:
    """The world's first task, at `level`, and a second one ready to run at ENTRY."""
    world = World()
    world.poke(TSS2 + EIP, ENTRY)
    world.poke(TSS2 + EFLAGS, flags)
    for i in range(8):
        world.poke(TSS2 + REGISTERS + 4 * i, 0x1110 + i)
    world.poke(TSS2 + REGISTERS + 4 * ESP, TASK_STACK)
    for i, selector in enumerate((data, code, data, data, 0, 0)):
        world.poke(TSS2 + SELECTORS + 4 * i, selector)
    world.poke(TSS2 + LDT_SLOT, LDT_SELECTOR)
    world.enter_level(level)
    return world


def switch(world: World, call: int, selector: int = TSS2_SELECTOR) -> tuple[int, int] | None:
    return world.do(far_direct, 4, call, length=7, imm=0xDEAD, disp=selector)


def busy(world: World, selector: int) -> bool:
    return bool(world.get_descriptor(selector) >> 41 & 1)


def test_a_jump_saves_the_old_task_and_loads_the_new_one() -> None:
    world = tasks()
    world.c.gpr[EAX], world.c.flags = 0xAAAA, IF | 2
    assert switch(world, JUMP) is None
    assert world.peek(TSS + EIP) == CODE + 7
    assert world.peek(TSS + EFLAGS) == IF | 2
    assert world.words(TSS + REGISTERS, 8) == [0xAAAA, 0, 0x652, 0, STACK0, 0, 0, 0]
    assert world.words(TSS + SELECTORS, 6) == [DATA0, CODE0, DATA0, DATA0, DATA0, DATA0]
    assert (world.c.eip, world.c.gpr[ESP], world.c.gpr[EBX]) == (ENTRY, TASK_STACK, 0x1113)
    assert (world.c.selector[TR], world.c.base[TR], world.c.attr[FS]) == (TSS2_SELECTOR, TSS2, UNUSABLE)
    assert world.c.cr0 & CR0_TS
    assert (busy(world, TSS_SELECTOR), busy(world, TSS2_SELECTOR)) == (False, True)
    assert eflags(world.c) == 2


def test_a_call_nests_and_iret_returns() -> None:
    world = tasks()
    world.c.gpr[EAX] = 0xAAAA
    assert switch(world, CALL) is None
    assert world.peek(TSS2, 2) == TSS_SELECTOR
    assert world.c.flags & NT
    assert (busy(world, TSS_SELECTOR), busy(world, TSS2_SELECTOR)) == (True, True)
    world.c.gpr[EAX], world.c.eip = 0xBBBB, 0x6600
    assert world.do(iret, 4, length=1) is None
    assert (world.c.selector[TR], world.c.eip, world.c.gpr[EAX]) == (TSS_SELECTOR, CODE + 7, 0xAAAA)
    assert (busy(world, TSS_SELECTOR), busy(world, TSS2_SELECTOR)) == (True, False)
    assert (world.peek(TSS2 + EIP), world.peek(TSS2 + EFLAGS) & NT) == (0x6601, 0)
    assert world.c.flags & NT == 0


def test_a_task_may_run_at_level_3_and_in_v86() -> None:
    world = tasks(code=CODE3, data=DATA3)
    assert switch(world, JUMP) is None
    assert (world.c.cpl, world.c.selector[CS], world.c.selector[SS]) == (3, CODE3, DATA3)
    world = tasks(flags=VM | 2, code=0x500, data=0x900)
    assert switch(world, JUMP) is None
    assert (world.c.cpl, world.c.base[CS], world.c.base[SS], world.c.limit[DS]) == (3, 0x5000, 0x9000, 0xFFFF)


@pytest.mark.parametrize(("kind", "call"), [("gdt", CALL), ("gdt", JUMP), ("idt", CALL)])
def test_task_gates_lead_there_from_level_3(kind: str, call: int) -> None:
    world = tasks(level=3)
    entry = gate(TSS2_SELECTOR, 0, 0xE5)
    if kind == "gdt":
        world.put_descriptor(SCRATCH, entry)
        assert switch(world, call, SCRATCH | 3) is None
    else:
        world.gate(0x30, TSS2_SELECTOR, 0, 0xE5)
        assert world.do(int_n, imm=0x30) is None
    assert (world.c.eip, world.c.cpl, bool(world.c.flags & NT)) == (ENTRY, 0, call == CALL)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda w: w.describe(TSS2_SELECTOR, TSS2, 0x67, 0x8B), (GP, TSS2_SELECTOR)),  # busy
        (lambda w: w.describe(TSS2_SELECTOR, TSS2, 0x67, 0x09), (NP, TSS2_SELECTOR)),
        (lambda w: w.describe(TSS2_SELECTOR, TSS2, 0x66, 0x89), (TS_, TSS2_SELECTOR)),
        (lambda w: w.describe(TSS2_SELECTOR, TSS2, 0x67, 0x82), (GP, TSS2_SELECTOR)),
    ],
)
def test_a_bad_tss_is_refused_in_the_old_task(spoil: Callable[[World], None], expected: tuple[int, int]) -> None:
    world = tasks()
    spoil(world)
    assert switch(world, CALL) == expected
    assert busy(world, TSS_SELECTOR)


def test_level_3_may_not_name_a_level_0_tss() -> None:
    world = tasks(level=3)
    assert switch(world, JUMP) == (GP, TSS2_SELECTOR)


@pytest.mark.parametrize(
    ("slot", "value", "expected"),
    [
        (SELECTORS + 4, DATA0, (TS_, DATA0)),  # CS is data
        (SELECTORS + 4, 0, (TS_, 0)),
        (SELECTORS + 8, DATA3, (TS_, DATA3 & 0xFFFC)),  # SS at the wrong level
        (SELECTORS + 12, 0x200, (TS_, 0x200)),
        (SELECTORS + 12, SCRATCH, (NP, SCRATCH)),
        (LDT_SLOT, CODE0, (TS_, CODE0)),
        (LDT_SLOT, 0x14, (TS_, 0x14)),
        (EIP, 0xFFFF_FFFF, None),
    ],
)
def test_a_bad_selector_of_the_new_task_faults_in_the_new_task(
    slot: int, value: int, expected: tuple[int, int] | None
) -> None:
    world = tasks()
    world.describe(SCRATCH, 0, 0xFFFFF, 0x13 | FLAT)
    world.poke(TSS2 + slot, value)
    # Both handlers are task gates back to the first task, so that a broken new task can be left at all.
    world.describe(TSS_SELECTOR, TSS, 0x67, 0x8B)
    for vector in (TS_, NP):
        world.gate(vector, 0x60, 0, 0x85)
    world.describe(0x60, 0x7000, 0x67, 0x89)
    world.memory.write(0x7000, world.memory.read(TSS2, 0x68))
    for i, selector in enumerate((DATA0, CODE0, DATA0, DATA0, 0, 0)):
        world.poke(0x7000 + SELECTORS + 4 * i, selector)
    world.poke(0x7000 + LDT_SLOT, 0)
    world.poke(0x7000 + EIP, 0x9999)
    assert switch(world, JUMP) is None
    if expected is None:
        assert world.c.eip == value
        return
    assert (world.c.selector[TR], world.c.eip) == (0x60, 0x9999)
    assert world.peek(0x7000, 2) == TSS2_SELECTOR
    assert world.peek(TSS2 + EIP) == ENTRY
    assert world.stack(1) == [expected[1]]


def test_a_double_fault_through_a_task_gate_pushes_its_code_on_the_new_stack() -> None:
    world = tasks()
    world.gate(DOUBLE, TSS2_SELECTOR, 0, 0x85)
    raise_fault(world.m, GP, 0)  # and vector 13 has no gate
    deliver_pending(world.c, world.m)
    assert (world.c.eip, world.c.selector[TR], world.stack(1)) == (ENTRY, TSS2_SELECTOR, [0])
    assert (world.peek(TSS + EIP), world.peek(TSS + EFLAGS) & RF) == (CODE, 0)


def test_a_16_bit_tss_round_trip() -> None:
    world = tasks()
    world.describe(TSS2_SELECTOR, TSS2, 0x2B, 0x81)
    words = [ENTRY, 2, 1, 2, 3, 4, TASK_STACK, 6, 7, 8, DATA0, CODE0, DATA0, DATA0, 0]
    for i, word in enumerate(words):
        world.poke(TSS2 + 0x0E + 2 * i, word, 2)
    assert switch(world, CALL) is None
    assert (world.c.eip, world.c.gpr[ESP] & 0xFFFF, world.c.attr[LDTR], world.c.attr[FS]) == (
        ENTRY,
        TASK_STACK,
        UNUSABLE,
        UNUSABLE,
    )
    world.c.gpr[EAX] = 0x5678
    assert world.do(iret, 4, length=1) is None
    assert (world.peek(TSS2 + 0x12, 2), world.c.eip, world.c.gpr[ESP]) == (0x5678, CODE + 7, STACK0)


def test_the_trap_bit_raises_a_debug_exception_in_the_new_task() -> None:
    world = tasks()
    world.poke(TSS2 + 0x64, 1, 2)
    world.gate(DB, CODE0, 0x8888, 0x8F)
    assert switch(world, JUMP) is None
    assert (world.c.eip, world.stack(1)) == (0x8888, [ENTRY])
    assert world.c.dr[6] & 0x8000


def test_a_handler_task_has_its_error_code_before_its_trap_bit_stops_it() -> None:
    world = tasks()
    world.poke(TSS2 + 0x64, 1, 2)
    world.gate(DB, CODE0, 0x8888, 0x8F)
    world.gate(GP, TSS2_SELECTOR, 0, 0x85)
    raise_fault(world.m, GP, 0x1234)
    deliver_pending(world.c, world.m)
    assert (world.c.eip, world.stack(4)) == (0x8888, [ENTRY, CODE0, NT | 2, 0x1234])


def test_a_switch_clears_the_local_breakpoints_and_keeps_the_global_ones() -> None:
    world = tasks()
    world.c.dr[7] = 0x7FF
    assert switch(world, JUMP) is None
    assert world.c.dr[7] == 0x6AA


@pytest.mark.parametrize(("link", "expected"), [(TSS2_SELECTOR, TSS2_SELECTOR), (0, 0), (0x2C, 0x2C), (DATA0, DATA0)])
def test_iret_with_nt_needs_a_busy_tss_in_the_link(link: int, expected: int) -> None:
    world = tasks()
    world.c.flags |= NT
    world.poke(TSS, link, 2)
    assert world.do(iret, 4) == (TS_, expected)


def test_paging_follows_the_new_tasks_cr3() -> None:
    world = tasks()
    world.map_pages(absent=set(), supervisor=set(), read_only=set())
    world.memory.write(0x20000, world.memory.read(0x10000, 0x1000))
    world.poke(TSS2 + 0x1C, 0x20000)
    assert switch(world, JUMP) is None
    assert (world.c.cr3, world.c.eip) == (0x20000, ENTRY)
