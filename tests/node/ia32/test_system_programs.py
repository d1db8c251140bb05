"""Short programs through the interpreter: traps, interrupt shadows, port exits, and tours through the modes."""

import pytest

from node.ia32.exceptions import deliver_interrupt
from node.ia32.state import (
    CS,
    DB,
    EAX,
    EDX,
    ESP,
    EXIT_HALT,
    EXIT_INTERRUPT,
    EXIT_IO,
    EXIT_NONE,
    EXIT_SHUTDOWN,
    GP,
    IF,
    LEAVE_EXIT,
    SS,
    TF,
    UD,
    VM,
)
from tests.node.ia32.protected_world import CODE, CODE0, CODE3, DATA0, DATA3, STACK0, STACK3, World

INTERRUPT32, TRAP32_OPEN = 0x8E, 0xEF
HANDLER = 0xB000
HLT, NOP, IRET = b"\xf4", b"\x90", b"\xcf"
POPF, STI, MOV_SS_AX = b"\x9d", b"\xfb", b"\x8e\xd0"


def program(code: bytes, handler: bytes = HLT, vector: int = DB, access: int = INTERRUPT32) -> World:
    """`code` at CODE in level 0, and one handler."""
    world = World()
    world.memory.write(CODE, code)
    world.memory.write(HANDLER, handler)
    world.gate(vector, CODE0, HANDLER, access)
    world.c.gpr[EAX] = DATA0
    return world


def test_a_trap_follows_every_instruction_that_began_with_tf_set() -> None:
    world = program(NOP * 4)
    world.c.flags |= TF
    assert world.processor.run(10) == EXIT_HALT
    assert world.stack(3) == [CODE + 1, CODE0, TF | 2]


def test_popf_that_sets_tf_is_not_itself_followed_by_a_trap() -> None:
    world = program(POPF + NOP * 4)
    world.c.gpr[ESP] -= 4
    world.poke(STACK0 - 4, TF | 2)
    assert world.processor.run(10) == EXIT_HALT
    assert world.stack(1) == [CODE + 2]


def test_popf_that_clears_tf_is() -> None:
    world = program(POPF + NOP * 4)
    world.c.flags |= TF
    world.c.gpr[ESP] -= 4
    world.poke(STACK0 - 4, 2)
    assert world.processor.run(10) == EXIT_HALT
    assert world.stack(3) == [CODE + 1, CODE0, 2]


def test_a_trap_behind_hlt_ends_it() -> None:
    world = program(HLT + NOP, handler=NOP * 4)
    world.c.flags |= TF
    assert world.processor.run(4) == EXIT_NONE
    assert (world.stack(1), world.c.eip) == ([CODE + 1], HANDLER + 3)


def test_real_mode_code_that_runs_past_its_segments_end_faults() -> None:
    """Only jumps with 16-bit operands wrap around (SDM 3B, on compatibility: segment wraparound)."""
    world = World()
    world.enter_real()
    world.poke(0x2000 + 13 * 4, 0x700 << 16)  # the vector table: #GP at 700:0
    world.memory.write(0x5000 + 0xFFFE, NOP + NOP + NOP)
    world.memory.write(0x7000, HLT)
    world.c.eip = 0xFFFE
    assert world.processor.run(10) == EXIT_HALT
    assert (world.c.selector[CS], world.stack(2, size=2)) == (0x700, [0, 0x500])


def test_no_trap_comes_between_mov_ss_and_the_next_instruction() -> None:
    world = program(MOV_SS_AX + NOP * 4)
    world.c.flags |= TF
    assert world.processor.run(10) == EXIT_HALT
    assert world.stack(1) == [CODE + 3]


@pytest.mark.parametrize(("code", "stops"), [(STI + NOP * 4, 2), (MOV_SS_AX + NOP * 4, 3), (NOP * 5, 0)])
def test_interrupts_wait_for_the_instruction_behind_sti_and_mov_ss(code: bytes, stops: int) -> None:
    world = program(code)
    world.m.interrupt_line = 1
    if code[:1] != STI:
        world.c.flags |= IF
    if code[:2] == MOV_SS_AX:
        world.m.interrupt_line = 0
        assert world.processor.run(1) == EXIT_NONE
        world.m.interrupt_line = 1
    assert world.processor.run(10) == EXIT_INTERRUPT
    assert world.c.eip == CODE + stops


def test_an_interrupt_ends_hlt_and_its_handler_returns_behind_it() -> None:
    world = program(STI + HLT + NOP * 2 + b"\xfa" + HLT, handler=IRET, vector=0x20)
    assert world.processor.run(100) == EXIT_HALT
    deliver_interrupt(world.c, world.m, 0x20)
    assert world.processor.run(100) == EXIT_HALT
    assert (world.c.eip, world.c.flags & IF, world.c.gpr[ESP]) == (CODE + 6, 0, STACK0)


def test_port_instructions_stand_still_until_the_host_has_acted() -> None:
    world = program(b"\xec\x66\xef" + HLT)  # in al, dx; out dx, ax
    world.c.gpr[EDX] = 0x60
    assert world.processor.run(10) == EXIT_IO
    assert (world.c.eip, world.m.left, world.m.leave) == (CODE, 10, LEAVE_EXIT)
    world.m.io_ready, world.m.io_value = 1, 0xFF5A
    assert world.processor.run(10) == EXIT_IO
    assert (world.c.eip, world.m.io_write, world.m.io_size, world.m.io_value) == (CODE + 1, 1, 2, 0x5A)
    world.m.io_ready = 1
    assert world.processor.run(10) == EXIT_HALT


def test_an_interrupt_does_not_come_between_a_ports_answer_and_its_instruction() -> None:
    world = program(b"\xec" + NOP * 4)
    world.c.flags |= IF
    assert world.processor.run(10) == EXIT_IO
    world.m.io_ready, world.m.io_value, world.m.interrupt_line = 1, 0x5A, 1
    assert world.processor.run(10) == EXIT_INTERRUPT
    assert (world.c.eip, world.c.gpr[EAX] & 0xFF, world.m.io_ready) == (CODE + 1, 0x5A, 0)


def test_a_system_call_goes_to_level_0_and_back() -> None:
    world = program(b"\xcd\x80\xcd\x81", handler=b"\x40" + IRET, vector=0x80, access=TRAP32_OPEN)  # inc eax
    world.enter_level(3)
    world.memory.write(HANDLER + 0x100, HLT)
    world.gate(0x81, CODE0, HANDLER + 0x100, TRAP32_OPEN)
    world.c.gpr[EAX] = 41
    assert world.processor.run(100) == EXIT_HALT
    assert world.c.gpr[EAX] == 42
    assert world.stack(5) == [CODE + 4, CODE3, 2, STACK3, DATA3]


def test_privileged_instructions_at_level_3_end_in_the_handler_of_gp() -> None:
    world = program(b"\xfa", vector=GP)
    world.enter_level(3)
    assert world.processor.run(100) == EXIT_HALT
    assert world.stack(3) == [0, CODE, CODE3]


@pytest.mark.parametrize("code", [b"\x0f\x0b", b"\x0f\xaa", b"\x0f\x01\xc1", b"\xff\xd8", b"\x8e\xc8", b"\x0f\x22\xc8"])
def test_undefined_encodings_raise_ud(code: bytes) -> None:
    world = program(code, vector=UD)
    assert world.processor.run(100) == EXIT_HALT
    assert (world.c.eip, world.peek(STACK0 - 12)) == (HANDLER + 1, CODE)


def test_a_v86_program_interrupts_out_and_is_resumed() -> None:
    world = program(IRET, handler=b"\x40" + IRET, vector=0x20, access=TRAP32_OPEN)
    world.gate(0x21, CODE0, HANDLER + 0x100, TRAP32_OPEN)
    world.memory.write(HANDLER + 0x100, HLT)
    world.memory.write(0x600 * 16, b"\xcd\x20\xcd\x21")
    world.c.gpr[ESP] -= 36
    for i, word in enumerate((0, 0x600, VM | 0x3000 | 2, 0x1000, 0x900, 1, 2, 3, 4)):
        world.poke(STACK0 - 36 + 4 * i, word)
    world.c.gpr[EAX] = 1
    assert world.processor.run(100) == EXIT_HALT
    assert (world.c.gpr[EAX], world.c.selector[CS], world.c.selector[SS]) == (2, CODE0, DATA0)
    assert world.stack(9) == [4, 0x600, VM | 0x3000 | 2, 0x1000, 0x900, 1, 2, 3, 4]


def test_code_turns_protection_on_and_off_again() -> None:
    world = World()
    world.memory.write(0x2400, bytes.fromhex("ff00") + (0x1000).to_bytes(4, "little"))
    world.enter_real()
    world.c.gdt_base = world.c.gdt_limit = 0
    world.memory.write(
        0x5000,
        bytes.fromhex(
            "31c0 8ed8"  # xor ax, ax; mov ds, ax
            "0f011e0024 0f01160024"  # lidt [2400]; lgdt [2400]
            "0f20c0 0c01 0f22c0"  # mov eax, cr0; or al, 1; mov cr0, eax
            "66ea 00510000 0800"  # jmp dword 8:5100
        ),
    )
    world.describe(0x68, 0, 0xFFFF, 0x9B)
    world.memory.write(
        0x5100,
        bytes.fromhex(
            "ea 08510000 6800"  # jmp 68:5108 (16-bit code)
            "90"
            "0f20c0 24fe 0f22c0"  # mov eax, cr0; and al, fe; mov cr0, eax
            "ea 1801 5000"  # jmp 50:118... real mode, at 618
        ),
    )
    world.memory.write(0x618, HLT)
    world.c.idt_limit = 0x3FF
    assert world.processor.run(100) == EXIT_HALT
    assert (world.c.selector[CS], world.c.base[CS], world.c.eip, world.c.cr0 & 1) == (0x50, 0x500, 0x119, 0)
    assert (world.c.gdt_base, world.c.idt_limit) == (0x1000, 0xFF)


def test_a_triple_fault_leaves_with_shutdown() -> None:
    world = program(b"\x0f\x0b")
    world.c.idt_limit = 0
    assert world.processor.run(100) == EXIT_SHUTDOWN
