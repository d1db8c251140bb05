"""The 8042: what it answers itself, and how it lets the keyboard speak."""

import pytest

from node.devices.platform import Reset
from tests.node.devices.pc import Pc

DATA, CONTROL = 0x60, 0x64


def command(pc: Pc, *values: int) -> int:
    """A command, its data bytes, and the answer (-1 if none)."""
    pc.outb(CONTROL, values[0])
    pc.outb(DATA, *values[1:])
    return pc.inb(DATA) if pc.inb(CONTROL) & 1 else -1


def test_self_test_and_interface_test_pass() -> None:
    pc = Pc()
    assert command(pc, 0xAA) == 0x55 and command(pc, 0xAB) == 0x00
    assert pc.inb(CONTROL) == 0x1C, "self-tested, unlocked, last written was a command, nothing to read"


def test_the_command_byte_and_the_controller_memory_are_held() -> None:
    pc = Pc()
    for number in range(32):
        command(pc, 0x60 + number, number * 7)
    assert [command(pc, 0x20 + number) for number in range(32)] == [number * 7 for number in range(32)]


def test_disable_and_enable_commands_change_the_command_byte() -> None:
    pc = Pc()
    command(pc, 0x60, 0x45)
    for code, byte in ((0xAD, 0x55), (0xA7, 0x75), (0xAE, 0x65), (0xA8, 0x45)):
        command(pc, code)
        assert command(pc, 0x20) == byte


def test_an_answer_raises_irq_1_if_enabled_and_reading_drops_it() -> None:
    pc = Pc()
    pc.start_pics()
    pc.outb(CONTROL, 0x60)
    pc.outb(DATA, 0x01)
    pc.outb(CONTROL, 0xD2)
    pc.outb(DATA, 0x1C)
    assert pc.platform.intr
    assert pc.inb(DATA) == 0x1C and not pc.platform.intr
    command(pc, 0x60, 0x00)
    pc.outb(CONTROL, 0xAA)
    assert not pc.platform.intr


def test_each_byte_of_the_keyboard_is_an_edge_of_irq_1() -> None:
    pc = Pc()
    pc.start_pics()
    pc.outb(DATA, 0xF2)
    for byte in (0xFA, 0xAB, 0x41):
        assert pc.take_interrupts() == [0x31], "one a byte, though none is read meanwhile"
        assert pc.inb(DATA) == byte
    assert pc.take_interrupts() == [] and not pc.inb(CONTROL) & 1


def test_the_keyboard_waits_while_it_is_switched_off() -> None:
    pc = Pc()
    pc.outb(DATA, 0xF2)
    pc.outb(CONTROL, 0xAD)
    assert pc.inb(DATA) == 0xFA and not pc.inb(CONTROL) & 1, "what was in the buffer, and no more"
    assert command(pc, 0xAB) == 0x00, "the controller itself still answers"
    pc.outb(CONTROL, 0xAE)
    assert [pc.inb(DATA), pc.inb(DATA)] == [0xAB, 0x41]
    command(pc, 0x60, 0x55)
    pc.outb(DATA, 0xEE)
    assert pc.inb(DATA) == 0xEE and command(pc, 0x20) == 0x45, "a byte for it switches it on"


def test_translation_shows_in_the_keyboards_identity() -> None:
    pc = Pc()
    for command_byte, identity in ((0x45, 0x41), (0x05, 0x83)):
        command(pc, 0x60, command_byte)
        pc.outb(DATA, 0xF2)
        assert [pc.inb(DATA) for _ in range(3)] == [0xFA, 0xAB, identity]


def test_the_keyboard_speaks_after_the_controllers_answer_is_read() -> None:
    pc = Pc()
    pc.outb(DATA, 0xFF)
    pc.inb(DATA)
    pc.outb(CONTROL, 0x20)
    assert pc.inb(DATA) == 0x45, "in place of the byte that nobody had read"
    assert not pc.inb(CONTROL) & 1


def test_the_mouse_port_is_absent() -> None:
    pc = Pc()
    pc.outb(CONTROL, 0xD3)
    pc.outb(DATA, 0x5A)
    assert pc.inb(CONTROL) & 0x20 == 0, "the loop-back does not come from the auxiliary device"
    pc.inb(DATA)
    assert command(pc, 0xA9) == 0x01
    pc.outb(CONTROL, 0xD4)
    pc.outb(DATA, 0xFF)
    assert pc.inb(CONTROL) & 0x41 == 0x41, "a timeout"
    assert pc.inb(DATA) == 0xFE and pc.inb(CONTROL) & 0x41 == 0


def test_a20_follows_the_output_port_and_port_92() -> None:
    pc = Pc()
    assert pc.platform.a20 and command(pc, 0xD0) & 2
    command(pc, 0xD1, 0xDD)
    assert not pc.platform.a20
    pc.outb(0x92, 0x02)
    assert pc.platform.a20 and pc.inb(0x92) == 0x02
    pc.outb(0x92, 0x00)
    assert not pc.platform.a20
    command(pc, 0xDF)
    assert pc.platform.a20
    command(pc, 0xDD)
    assert not pc.platform.a20


@pytest.mark.parametrize("values", [(0xFE,), (0xF0,), (0xD1, 0xFE)])
def test_the_reset_line_asks_for_a_reset(values: tuple[int, ...]) -> None:
    pc = Pc()
    command(pc, *values)
    request = pc.request()
    assert isinstance(request, Reset) and "keyboard controller" in request.reason
    assert pc.request() is None


def test_pulses_that_leave_the_reset_line_alone_do_not_reset() -> None:
    pc = Pc()
    command(pc, 0xFF)
    command(pc, 0xF1)
    assert pc.request() is None
