"""IN and OUT where the host has said beforehand what it would do (m.port_answers, m.sink_port, m.timer_port)."""

import pytest

from node.ia32.apic_interrupts import accept, refresh, take
from node.ia32.exceptions import deliver_nmi
from node.ia32.semantics.io import in_dx, ins, out_dx, outs
from node.ia32.state import (
    CR4_DE,
    EAX,
    EDI,
    EDX,
    ESI,
    EXIT_IO,
    EXIT_NONE,
    GP,
    LEAVE_AFTER,
    NMI,
    NO_PORT,
    SINK_BYTES,
    STAY,
    TR,
)
from tests.node.ia32.protected_world import CODE, CODE0, World

PORT, OTHER = 0x3FD, 0x3FE


def world_at(port: int) -> World:
    world = World()
    world.c.gpr[EDX], world.c.gpr[EAX] = port, 0xAABB_CC41
    return world


def asks(world: World) -> bool:
    return int(world.m.exit) == EXIT_IO


def test_a_read_that_is_answered_does_not_leave() -> None:
    world = world_at(PORT)
    world.processor.answer_port(PORT, 0x60)
    assert world.do(in_dx, 1) is None
    assert (world.c.gpr[EAX], world.m.leave, world.m.io_ready) == (0xAABB_CC60, STAY, 0)


def test_zero_is_an_answer_and_none_is_not() -> None:
    world = world_at(PORT)
    world.processor.answer_port(PORT, 0)
    assert world.do(in_dx, 1) is None
    assert world.c.gpr[EAX] == 0xAABB_CC00
    world.processor.answer_port(PORT, None)
    assert world.do(in_dx, 1) is None
    assert asks(world)


@pytest.mark.parametrize(("port", "size"), [(OTHER, 1), (PORT - 1, 1), (PORT, 2), (PORT, 4)])
def test_other_ports_and_sizes_ask_the_host(port: int, size: int) -> None:
    world = world_at(port)
    world.processor.answer_port(PORT, 0x60)
    assert world.do(in_dx, size) is None
    assert asks(world)


def test_string_instructions_ask_the_host() -> None:
    for semantic in (ins, outs):
        world = world_at(PORT)
        world.c.gpr[EDI] = world.c.gpr[ESI] = 0x7000
        world.processor.answer_port(PORT, 0x60)
        world.processor.keep_bytes(PORT)
        assert world.do(semantic, 1) is None
        assert asks(world) and world.m.sink_used == 0


def test_who_may_not_use_a_port_gets_no_answer_and_leaves_no_byte() -> None:
    world = world_at(PORT)
    world.processor.answer_port(PORT, 0x60)
    world.processor.keep_bytes(PORT)
    world.c.limit[TR] = 0x67
    world.enter_level(3)
    for semantic in (in_dx, out_dx):
        assert world.do(semantic, 1) == (GP, 0)
    assert (world.c.gpr[EAX], world.processor.take_bytes()) == (0xAABB_CC41, b"")


def test_bytes_written_to_the_sink_come_out_in_order_and_once() -> None:
    world = world_at(PORT)
    world.processor.keep_bytes(PORT)
    for byte in b"Limosa":
        world.c.gpr[EAX] = byte
        assert world.do(out_dx, 1) is None
    assert world.m.leave == STAY and not asks(world)
    assert (world.processor.take_bytes(), world.processor.take_bytes()) == (b"Limosa", b"")


@pytest.mark.parametrize(("port", "size"), [(OTHER, 1), (PORT, 2), (PORT, 4)])
def test_other_writes_ask_the_host(port: int, size: int) -> None:
    world = world_at(port)
    world.processor.keep_bytes(PORT)
    assert world.do(out_dx, size) is None
    assert asks(world) and world.processor.take_bytes() == b""


def test_a_full_sink_leaves_the_next_byte_to_the_host() -> None:
    world = world_at(PORT)
    world.processor.keep_bytes(PORT)
    for i in range(SINK_BYTES):
        world.c.gpr[EAX] = i
        assert world.do(out_dx, 1) is None
    assert not asks(world)
    world.c.gpr[EAX] = 0x99
    assert world.do(out_dx, 1) is None
    assert asks(world) and world.m.io_value == 0x99
    assert world.processor.take_bytes() == bytes(i & 0xFF for i in range(SINK_BYTES))


def test_an_interrupt_that_is_taken_closes_the_sink() -> None:
    world = world_at(PORT)
    world.m.features |= 1 << 9
    world.c.apic_base = 0xFEE0_0900
    world.c.apic[0xF] = 0x1FF
    refresh(world.c, world.m)
    assert accept(world.c, world.m, 0x54, 0) == 1
    world.processor.keep_bytes(PORT)
    assert take(world.c, world.m) == 0x54
    assert world.m.sink_port == NO_PORT


def test_an_nmi_closes_the_sink() -> None:
    world = world_at(PORT)
    world.gate(NMI, CODE0, CODE, 0x8E)
    world.processor.keep_bytes(PORT)
    deliver_nmi(world.c, world.m)
    assert world.m.sink_port == NO_PORT


@pytest.mark.parametrize(("hz", "start", "count", "elapsed_ns", "shown"), [
    (1_000_000_000, 0, 0xFFFF, 0x1234, 0xFFFF - 0x1234),
    (1_000_000_000, 0, 0x10000, 0, 0),
    (1_000_000_000, 5, 3, 10, 0xFFFE),  # on from 0 to FFFF
    (1_000_000_000, 5, 3, 4, 3),  # not yet
    (1_193_182, 0, 0x8000, 3_600_000_000_000 * 24 * 365 * 100, 0x8000 - 1_193_182 * 3600 * 24 * 365 * 100 & 0xFFFF),
])  # fmt: skip
def test_a_lent_counter_is_read_a_byte_at_a_time_as_time_goes(
    hz: int, start: int, count: int, elapsed_ns: int, shown: int
) -> None:
    world = world_at(PORT)
    world.memory.write(CODE, b"\xec\x88\xc4\xec")  # in al, dx; mov ah, al; in al, dx
    world.processor.lend_timer(PORT, hz, start, count, 0)
    world.m.tsc_now = elapsed_ns
    assert world.processor.run(3) == EXIT_NONE
    assert world.c.gpr[EAX] & 0xFFFF == (shown & 0xFF) << 8 | shown >> 8
    assert (world.c.instructions, world.m.timer_half) == (3, 0)


def test_the_time_of_a_read_is_that_of_its_instruction() -> None:
    world = world_at(PORT)
    world.memory.write(CODE, b"\x90" * 50 + b"\xec")
    world.m.tsc_per_instruction = 1 << 16
    world.processor.lend_timer(PORT, 1_000_000_000, 0, 200, 0)
    assert world.processor.run(51) == EXIT_NONE
    assert world.c.gpr[EAX] & 0xFF == 150


@pytest.mark.parametrize("semantic", [in_dx, out_dx])
def test_breakpoints_on_ports_see_accesses_that_ask_nobody(semantic: object) -> None:
    world = world_at(PORT)
    world.processor.answer_port(PORT, 0x60)
    world.processor.keep_bytes(PORT)
    world.c.cr4 |= CR4_DE
    world.c.dr[0], world.c.dr[7] = PORT, 1 | 2 << 16
    assert world.do(semantic, 1) is None
    assert (world.c.debug_hits, world.m.leave) == (1, LEAVE_AFTER)
