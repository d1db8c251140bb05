"""Breakpoints in DR0-DR3 and what #DB finds: which access hits, when the trap comes, RF, DR6 (SDM 3B 17.2, 17.3)."""

import pytest

from node.ia32.flags import eflags
from node.ia32.segments import refresh
from node.ia32.semantics.control_registers import mov_from_dr, mov_to_dr
from node.ia32.state import CR4_DE, DB, EAX, EBX, ECX, EDI, EDX, ESI, ESP, EXIT_IO, EXIT_NONE, M32, RF, SS, TF, UD
from tests.node.ia32.protected_world import CODE, CODE0, STACK0, World

HANDLER, DATA, PAGE_FAULT_HANDLER = 0x5800, 0x7000, 0x5900
EXECUTED, WRITTEN, PORT, ACCESSED = range(4)
STORE, LOAD, NOP = "a3 00 70 00 00", "a1 00 70 00 00", "90"  # MOV [7000], EAX; MOV EAX, [7000]


def world_with(code: str, *breakpoints: tuple[int, int, int], flags: int = 0, model: str = "pentium4") -> World:
    """`code` at CODE at level 0, breakpoints of (address, kind, length) locally enabled, a gate for #DB."""
    world = World(model)
    world.memory.write(CODE, bytes.fromhex(code).ljust(64, b"\x90"))
    world.memory.write(HANDLER, b"\x90" * 16)
    world.gate(DB, CODE0, HANDLER, 0x8E)
    for i, (address, kind, length) in enumerate(breakpoints):
        world.c.dr[i] = address
        world.c.dr[7] |= 1 << 2 * i | kind << 16 + 4 * i | length - 1 << 18 + 4 * i
    world.c.flags |= flags
    refresh(world.c, world.m)
    return world


def run(world: World, instructions: int) -> None:
    """Exactly so many; delivering an exception counts as one."""
    assert world.processor.run(instructions) == EXIT_NONE


def trapped(world: World) -> tuple[int, int] | None:
    """(EIP to return to, low bits of DR6) if the handler has been entered."""
    if int(world.c.gpr[ESP]) != STACK0 - 12:
        return None
    return world.stack(1)[0], int(world.c.dr[6]) & 0x600F


@pytest.mark.parametrize(
    ("code", "kind", "hit"),
    [(STORE, WRITTEN, True), (LOAD, WRITTEN, False), (STORE, ACCESSED, True), (LOAD, ACCESSED, True)],
)
def test_a_data_breakpoint_traps_behind_the_instruction(code: str, kind: int, *, hit: bool) -> None:
    world = world_with(code, (DATA, kind, 4))
    run(world, 2)
    assert trapped(world) == ((CODE + 5, 1) if hit else None)


@pytest.mark.parametrize(
    ("start", "length", "accessed", "hit"),
    [
        (DATA, 1, DATA, True),
        (DATA + 1, 1, DATA, False),
        (DATA + 3, 2, DATA + 1, False),  # at 7002 and 7003
        (DATA + 3, 2, DATA + 3, True),
        (DATA + 6, 4, DATA + 4, True),  # breakpoints lie at multiples of their length
        (DATA, 4, DATA + 4, False),
    ],
)
def test_a_breakpoint_is_as_long_as_it_says(start: int, length: int, accessed: int, *, hit: bool) -> None:
    world = world_with(f"a2 {accessed.to_bytes(4, 'little').hex()}", (start, WRITTEN, length))  # MOV [accessed], AL
    run(world, 2)
    assert (trapped(world) is not None) == hit


def test_the_store_is_made_before_the_trap() -> None:
    world = world_with(STORE, (DATA, WRITTEN, 4))
    world.c.gpr[EAX] = 0x1234_5678
    run(world, 1)
    assert world.peek(DATA) == 0x1234_5678


def test_several_breakpoints_are_told_together_with_a_single_step() -> None:
    world = world_with(STORE, (DATA, WRITTEN, 4), (DATA + 2, ACCESSED, 2), (DATA, EXECUTED, 1), flags=TF)
    run(world, 1)
    assert trapped(world) == (CODE + 5, 0x4003)


def test_globally_enabled_is_enabled_and_neither_is_not() -> None:
    for enable, hit in ((2, True), (0, False)):
        world = world_with(STORE, (DATA, WRITTEN, 4))
        world.c.dr[7] = world.c.dr[7] & ~3 | enable
        refresh(world.c, world.m)
        run(world, 2)
        assert (trapped(world) is not None) == hit


def test_an_instruction_breakpoint_stops_before_the_instruction_and_pushes_rf_clear() -> None:
    world = world_with(f"{NOP} {STORE}", (CODE + 1, EXECUTED, 1))
    world.poke(DATA, 0)
    world.c.gpr[EAX] = 1
    run(world, 2)
    assert trapped(world) == (CODE + 1, 1)
    assert (world.peek(DATA), world.stack(3)[2] & RF) == (0, 0)


def test_rf_passes_an_instruction_breakpoint_once() -> None:
    world = world_with(f"{NOP} {NOP} eb fc", (CODE + 1, EXECUTED, 1))  # a loop
    world.memory.write(HANDLER, bytes.fromhex("81 4c 24 08 00 00 01 00 cf"))  # OR [ESP + 8], RF; IRET
    run(world, 5)  # NOP, the breakpoint, OR, IRET, NOP
    assert (world.c.eip, world.c.gpr[ESP], eflags(world.c) & RF) == (CODE + 2, STACK0, 0)
    run(world, 3)  # JMP, NOP, the breakpoint again
    assert trapped(world) == (CODE + 1, 1)


def test_mov_to_dr7_takes_effect_at_the_next_instruction() -> None:
    world = world_with(f"0f 23 f8 {STORE}")
    world.c.dr[0], world.c.gpr[EAX] = DATA, 0x000D_0401
    run(world, 2)
    assert trapped(world) == (CODE + 8, 1)


def test_mov_ss_holds_the_trap_until_the_next_instruction_is_complete() -> None:
    world = world_with("8e 15 00 70 00 00 90 90", (DATA, ACCESSED, 2))  # MOV SS, [7000]
    world.poke(DATA, 0x10)
    run(world, 1)
    assert trapped(world) is None
    run(world, 1)
    assert trapped(world) == (CODE + 7, 1)


@pytest.mark.parametrize(("interrupt", "frames"), [("f1", 1), ("cd 01", 2)])
def test_hits_that_waited_for_int1_are_told_by_its_own_exception(interrupt: str, frames: int) -> None:
    """INT n is an interrupt of its own, and then the trap comes too."""
    world = world_with(f"8e 15 00 70 00 00 {interrupt} 90", (DATA, ACCESSED, 2))  # MOV SS, [7000]
    world.poke(DATA, 0x10)
    run(world, 4)
    assert (world.c.gpr[ESP], int(world.c.dr[6]) & 0xF) == (STACK0 - 12 * frames, 1)
    assert world.stack(12)[3 * frames - 3] == CODE + 6 + len(bytes.fromhex(interrupt))


def test_b0_to_b3_are_the_last_exception_s_and_the_rest_of_dr6_stays() -> None:
    for code, flags, found in ((STORE, 0, 0x2001), (NOP, TF, 0x6000), (NOP, 0, 0x2002)):
        world = world_with(code, (DATA, WRITTEN, 4), (CODE + 1, EXECUTED, 1), flags=flags)
        world.c.dr[6] |= 0x200C
        run(world, 2)
        assert trapped(world) is not None
        assert int(world.c.dr[6]) == 0xFFFF_0FF0 | found


def test_a_repeated_string_instruction_traps_behind_the_iteration_that_hits() -> None:
    world = world_with("f3 a4", (DATA + 2, WRITTEN, 1))
    world.c.gpr[ESI], world.c.gpr[EDI], world.c.gpr[ECX] = 0x6800, DATA, 8
    run(world, 3)
    assert trapped(world) == (CODE, 1)
    assert (world.c.gpr[ECX], world.stack(3)[2] & RF) == (5, RF)


def test_a_fault_takes_the_place_of_the_trap() -> None:
    world = world_with("ff 35 00 70 00 00", (DATA, ACCESSED, 4))  # PUSH [7000], beyond the stack's limit
    world.gate(12, CODE0, HANDLER, 0x8E)
    world.c.limit[SS] = STACK0
    world.m.seg_ok[SS] = 0
    world.c.gpr[ESP] = STACK0 + 0x100
    world.processor.run(1)
    assert (world.c.debug_hits, int(world.c.dr[6]) & 0xF) == (0, 0)


@pytest.mark.parametrize(("cr4", "hit"), [(CR4_DE, True), (0, False)])
def test_ports_are_watched_with_debugging_extensions_only(cr4: int, *, hit: bool) -> None:
    world = world_with("ec", (0x61, PORT, 1))  # IN AL, DX
    world.c.cr4, world.c.gpr[EDX] = cr4, 0x61
    assert world.processor.run(5) == EXIT_IO
    world.m.io_value, world.m.io_ready = 0x5A, 1
    run(world, 1)
    assert world.c.gpr[EAX] & 0xFF == 0x5A
    assert trapped(world) == ((CODE + 1, 1) if hit else None)


def feed(world: World, value: int) -> None:
    """One iteration of INS, with the port's answer."""
    assert world.processor.run(1) == EXIT_IO
    world.m.io_value, world.m.io_ready = value, 1
    run(world, 1)


def test_a_breakpoint_stops_before_repeated_input_once_and_not_before_every_iteration() -> None:
    world = world_with("f3 6c", (CODE, EXECUTED, 1))  # REP INSB
    world.memory.write(HANDLER, bytes.fromhex("81 4c 24 08 00 00 01 00 cf"))  # OR [ESP + 8], RF; IRET
    world.c.gpr[EDI], world.c.gpr[ECX] = DATA, 3
    run(world, 3)  # the breakpoint, OR, IRET
    for value in (0x11, 0x22, 0x33):
        feed(world, value)
    assert (world.c.eip, world.peek(DATA, 3), eflags(world.c) & RF) == (CODE + 2, 0x332211, 0)


def test_a_trap_between_iterations_of_repeated_input_pushes_rf() -> None:
    world = world_with("f3 6c", flags=TF)
    world.c.gpr[EDI], world.c.gpr[ECX] = DATA, 2
    feed(world, 0x11)
    assert trapped(world) == (CODE, 0x4000)
    assert world.stack(3)[2] & RF


def test_debugging_extensions_end_the_aliases_of_dr6_and_dr7() -> None:
    world = World("pentium4")
    assert world.do(mov_from_dr, a=4, b=EBX) is None
    world.c.cr4 = CR4_DE
    assert world.do(mov_from_dr, a=4, b=EBX) == (UD, -1)
    assert world.do(mov_to_dr, a=5, b=EBX) == (UD, -1)


def test_a_breakpoint_at_the_top_of_memory_does_not_wrap() -> None:
    world = world_with(STORE, (M32, WRITTEN, 4))
    run(world, 2)
    assert trapped(world) is None
