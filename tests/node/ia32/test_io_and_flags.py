"""Who may use ports and change the interrupt flag, and how port instructions wait for the host."""

import pytest

from node.ia32.flags import eflags, set_explicit
from node.ia32.semantics.flags_stack import cli, popf, pushf, sti
from node.ia32.semantics.io import in_dx, in_immediate, ins, out_dx, outs
from node.ia32.state import (
    AC,
    CF,
    DF,
    EAX,
    ECX,
    EDI,
    EDX,
    ES,
    ESI,
    ESP,
    EXIT_IO,
    GP,
    ID,
    IF,
    IOPL_MASK,
    LEAVE_EXIT,
    M32,
    NT,
    OF,
    PAGE,
    REP,
    RF,
    TF,
    TR,
    VIF,
    VIP,
    VM,
    ZF,
)
from tests.node.ia32.protected_world import CODE, STACK0, TSS, World


def answer(world: World, value: int = 0) -> None:
    """What the host does after EXIT_IO."""
    assert (world.m.leave, world.m.exit) == (LEAVE_EXIT, EXIT_IO)
    world.m.io_ready, world.m.io_value = 1, value


# Ports


@pytest.mark.parametrize(("size", "result"), [(1, 0xAABB_CCEE), (2, 0xAABB_FFEE), (4, 0xDDDD_FFEE)])
def test_in_waits_for_the_host_and_then_loads_the_accumulator(size: int, result: int) -> None:
    world = World()
    world.c.gpr[EAX], world.c.gpr[EDX] = 0xAABB_CCDD, 0x1_03F8
    before = world.cpu_array.tobytes()
    assert world.do(in_dx, size) is None
    assert (world.m.io_port, world.m.io_size, world.m.io_write) == (0x3F8, size, 0)
    assert world.cpu_array.tobytes() == before
    answer(world, 0xDDDD_FFEE)
    assert world.do(in_dx, size) is None
    assert (world.c.gpr[EAX], world.m.io_ready) == (result, 0)


def test_out_hands_over_the_value_and_finishes_the_second_time() -> None:
    world = World()
    world.c.gpr[EAX], world.c.gpr[EDX] = 0x1234_5678, 0xF4
    assert world.do(out_dx, 2) is None
    assert (world.m.io_port, world.m.io_write, world.m.io_value) == (0xF4, 1, 0x5678)
    answer(world)
    assert world.do(out_dx, 2) is None
    assert (world.m.leave, world.m.io_ready) == (0, 0)


def ports(level: int, iopl: int, port: int, size: int, bitmap: dict[int, int], limit: int = 0x67 + 0x20) -> World:
    """A TSS whose I/O bitmap is at 68h: all ones but for the given bytes."""
    world = World()
    world.poke(TSS + 0x66, 0x68, 2)
    world.memory.write(TSS + 0x68, b"\xff" * 0x100)
    for at, byte in bitmap.items():
        world.poke(TSS + 0x68 + at, byte, 1)
    world.c.limit[TR] = limit
    world.enter_level(level)
    world.c.flags |= iopl << 12
    world.c.gpr[EDX] = port
    return world


@pytest.mark.parametrize(
    ("level", "iopl", "port", "size", "bitmap", "limit", "allowed"),
    [
        (0, 0, 0x60, 1, {}, 0x87, True),
        (3, 3, 0x60, 1, {}, 0x87, True),
        (1, 0, 0x60, 1, {}, 0x87, False),
        (3, 2, 0x60, 1, {12: 0xFE}, 0x87, True),
        (3, 2, 0x61, 1, {12: 0xFE}, 0x87, False),
        (3, 0, 0x60, 2, {12: 0xFC}, 0x87, True),
        (3, 0, 0x60, 2, {12: 0xFE}, 0x87, False),
        (3, 0, 0x66, 4, {12: 0x3F, 13: 0xFC}, 0x87, True),
        (3, 0, 0x66, 4, {12: 0x3F, 13: 0xFE}, 0x87, False),
        (3, 0, 0x60, 1, {12: 0xFE}, 0x68 + 12, False),  # the second byte read lies beyond the limit
        (3, 0, 0x60, 1, {12: 0xFE}, 0x68 + 13, True),
        (3, 0, 0xFFFF, 1, {}, 0x87, False),
    ],
)
def test_ports_are_open_by_iopl_or_by_the_bitmap_of_the_tss(
    level: int, iopl: int, port: int, size: int, bitmap: dict[int, int], limit: int, allowed: bool
) -> None:
    world = ports(level, iopl, port, size, bitmap, limit)
    assert world.do(in_dx, size) == (None if allowed else (GP, 0))
    assert (world.m.exit == EXIT_IO) == allowed


def test_v86_asks_the_bitmap_even_with_iopl_3() -> None:
    world = ports(0, 0, 0x60, 1, {})
    world.enter_v86(iopl=3)
    assert world.do(in_immediate, 1, imm=0x60) == (GP, 0)
    world.poke(TSS + 0x68 + 12, 0, 1)
    assert world.do(in_immediate, 1, imm=0x60) is None


def test_a_16_bit_tss_has_no_bitmap() -> None:
    world = ports(3, 0, 0x60, 1, {12: 0})
    world.c.attr[TR] = 0x83
    assert world.do(in_dx, 1) == (GP, 0)


def test_rep_ins_makes_one_iteration_at_a_time() -> None:
    world = World()
    world.c.gpr[ECX], world.c.gpr[EDI], world.c.gpr[EDX] = 2, 0x7000, 0x1F0
    for value in (0x1122, 0x3344):
        assert world.do(ins, 2, seg=3 | REP) is None
        answer(world, value)
        assert world.do(ins, 2, seg=3 | REP) is None
        if world.c.gpr[ECX]:
            assert world.c.eip == CODE
    assert (world.c.eip, world.c.gpr[EDI], world.words(0x7000, 2, 2)) == (CODE + 2, 0x7004, [0x1122, 0x3344])
    world.c.eip = CODE
    assert world.do(ins, 2, seg=3 | REP) is None  # nothing left to do
    assert (world.c.eip, world.m.leave) == (CODE + 2, 0)


def test_ins_finds_its_page_fault_before_the_port_is_read() -> None:
    world = World()
    world.map_pages(absent=set(), supervisor=set(), read_only={7})
    world.c.gpr[EDI] = 0x7000
    assert world.do(ins, 4) == (PAGE, 3)
    world.c.attr[ES] &= ~2
    world.m.seg_ok[ES] = 1
    assert world.do(ins, 4) == (GP, 0)


def test_outs_reads_memory_downwards_with_df_and_16_bit_addresses_wrap() -> None:
    world = World()
    world.c.gpr[ESI], world.c.flags = 0xABCD_0000, DF | 2
    world.poke(0, 0x77, 1)
    assert world.do(outs, 1, scale=4) is None
    assert (world.m.io_value, world.m.io_write, world.m.io_size) == (0x77, 1, 1)
    answer(world)
    assert world.do(outs, 1, scale=4) is None
    assert (world.c.gpr[ESI], world.c.eip) == (0xABCD_FFFF, CODE + 2)


def test_rep_counts_in_cx_with_16_bit_addresses() -> None:
    world = World()
    world.c.gpr[ECX] = 0x5_0001
    assert world.do(outs, 1, scale=4, seg=3 | REP) is None
    answer(world)
    assert world.do(outs, 1, scale=4, seg=3 | REP) is None
    assert (world.c.gpr[ECX], world.c.eip) == (0x5_0000, CODE + 2)


# The flags


@pytest.mark.parametrize(
    ("level", "iopl", "allowed"), [(0, 0, True), (1, 0, False), (1, 1, True), (3, 2, False), (3, 3, True)]
)
def test_cli_and_sti_need_io_privilege(level: int, iopl: int, allowed: bool) -> None:
    world = World()
    world.enter_level(level)
    world.c.flags |= iopl << 12
    assert world.do(sti, length=1) == (None if allowed else (GP, 0))
    assert bool(world.c.flags & IF) == allowed
    assert world.do(cli, length=1) == (None if allowed else (GP, 0))
    assert world.c.flags & IF == 0


def test_sti_holds_interrupts_for_one_instruction_only_when_it_turns_them_on() -> None:
    world = World()
    assert world.do(sti) is None
    assert world.c.inhibit == 1
    world.c.inhibit = 0
    assert world.do(sti) is None
    assert world.c.inhibit == 0


def popped(world: World, word: int, size: int) -> tuple[int, int] | None:
    world.c.gpr[ESP] -= size
    world.poke(int(world.c.gpr[ESP]), word & ((1 << size * 8) - 1), size)
    return world.do(popf, size)


USER = 0x8D5 | TF | DF | NT  # the status flags and what else everyone may change


@pytest.mark.parametrize(
    ("level", "iopl", "size", "changed"),
    [
        (0, 0, 4, USER | AC | ID | IF | IOPL_MASK),
        (0, 0, 2, USER | IF | IOPL_MASK),
        (3, 0, 4, USER | AC | ID),
        (3, 3, 4, USER | AC | ID | IF),
        (1, 1, 2, USER | IF),
    ],
)
def test_popf_changes_what_the_level_may_change(level: int, iopl: int, size: int, changed: int) -> None:
    world = World()
    world.enter_level(level)
    world.c.flags |= iopl << 12
    assert popped(world, M32, size) is None
    assert eflags(world.c) == changed | iopl << 12 | 2
    assert popped(world, 0, size) is None
    expected = 2 if level == 0 else 2 | iopl << 12 | (0)
    assert eflags(world.c) & ~(AC | ID if size == 2 else 0) == expected


def test_popf_never_sets_vm_rf_vif_or_vip() -> None:
    world = World()
    assert popped(world, VM | RF | VIF | VIP, 4) is None
    assert eflags(world.c) == 2


def test_pushf_hides_vm_and_rf() -> None:
    world = World()
    world.c.flags |= IF
    set_explicit(world.c, CF | ZF | OF)
    assert world.do(pushf, 4) is None
    assert (world.stack(1), world.c.gpr[ESP]) == ([IF | CF | ZF | OF | 2], STACK0 - 4)
    world = World()
    world.enter_v86(iopl=3)
    assert world.do(pushf, 4) is None
    assert world.stack(1) == [IOPL_MASK | 2]


def test_v86_without_io_privilege_may_not_touch_the_flags() -> None:
    world = World()
    world.enter_v86(iopl=2)
    for semantic in (pushf, popf):
        assert world.do(semantic, 2) == (GP, 0)
    for semantic in (cli, sti):
        assert world.do(semantic) == (GP, 0)


def test_v86_with_io_privilege_changes_if_but_not_iopl() -> None:
    world = World()
    world.enter_v86(iopl=3)
    world.poke(0xA000, IF | CF, 2)
    assert world.do(popf, 2) is None
    assert eflags(world.c) == VM | IOPL_MASK | IF | CF | 2
