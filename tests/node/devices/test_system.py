"""The board's own ports: timer gate, fast A20 and reset, reset control, floating-point errors, DMA, debug exit."""

from node.devices.pit import time_of
from node.devices.platform import Exit, Reset
from tests.node.devices.pc import Pc


def test_port_61_gates_timer_2_and_shows_its_output() -> None:
    pc = Pc()
    pc.outb(0x61, 0x01)
    pc.outb(0x43, 0xB0)
    pc.outb(0x42, 100, 0)
    assert pc.inb(0x61) & 0x2F == 0x01
    pc.now = time_of(100)
    assert pc.inb(0x61) & 0x20 == 0
    pc.outb(0x61, 0x00)  # the gate stops it one tick short
    pc.now = time_of(5000)
    assert pc.inb(0x61) & 0x20 == 0
    pc.outb(0x61, 0x01)
    pc.now = time_of(5001)
    assert pc.inb(0x61) & 0x20


def test_the_refresh_bit_toggles_every_15_microseconds() -> None:
    pc = Pc()
    levels = []
    for now in range(0, 10 * 15_085, 15_085):
        pc.now = now
        levels.append(pc.inb(0x61) >> 4 & 1)
    assert levels == [0, 1] * 5


def test_port_92_resets_on_the_rising_edge_of_bit_0_only() -> None:
    pc = Pc()
    pc.outb(0x92, 0x01)
    assert isinstance(pc.request(), Reset)
    pc.outb(0x92, 0x03)
    assert pc.request() is None


def test_the_reset_control_register_resets_when_bit_2_rises() -> None:
    pc = Pc()
    pc.outb(0xCF9, 0x02)
    assert pc.request() is None
    pc.outb(0xCF9, 0x06)
    request = pc.request()
    assert isinstance(request, Reset) and "0xcf9" in request.reason


def test_a_floating_point_error_is_irq_13_until_port_f0_is_written() -> None:
    pc = Pc()
    pc.start_pics()
    pc.platform.ferr(True)
    assert pc.platform.intr and not pc.platform.ignne
    assert pc.take_interrupts() == [0x3D]
    pc.outb(0xF0, 0)
    assert pc.platform.ignne
    pc.platform.ferr(False)
    assert not pc.platform.ignne
    pc.platform.ferr(True)
    assert pc.take_interrupts() == [0x3D]


def test_the_exit_port_hands_over_the_value_of_any_width_and_the_first_request_stands() -> None:
    for width, value in ((1, 0x21), (2, 0x1234), (4, 0xDEAD_BEEF)):
        for offset in range(4):
            pc = Pc(exit_port=0xF4)
            pc.platform.write(0xF4 + offset, width, value, 0)
            pc.outb(0xCF9, 0x06)
            assert pc.request() == Exit(value) and pc.request() is None
    assert Pc().inb(0xF4) == 0


def test_without_an_exit_port_nothing_is_there() -> None:
    pc = Pc(exit_port=None)
    pc.outb(0xF4, 1)
    assert pc.request() is None and pc.inb(0xF4) == 0xFF


def test_dma_addresses_and_counts_go_through_the_byte_flip_flop() -> None:
    pc = Pc()
    for clear, base, spacing in ((0x0C, 0x00, 1), (0xD8, 0xC0, 2)):
        for number in range(8):
            pc.outb(clear, 0)
            pc.outb(base + number * spacing, 0x34 + number, 0x12)
        for number in range(8):
            pc.outb(clear, 0)
            port = base + number * spacing
            assert [pc.inb(port), pc.inb(port)] == [0x34 + number, 0x12]


def test_dma_masks_are_set_one_by_one_all_at_once_and_by_master_clear() -> None:
    pc = Pc()
    pc.outb(0x0E, 0)
    assert pc.inb(0x0F) & 0x0F == 0
    pc.outb(0x0A, 0x06)
    assert pc.inb(0x0F) & 0x0F == 0x04
    pc.outb(0x0F, 0x03)
    assert pc.inb(0x0F) & 0x0F == 0x03
    pc.outb(0x0D, 0)
    assert pc.inb(0x0F) & 0x0F == 0x0F


def test_page_and_power_management_registers_are_held() -> None:
    pc = Pc()
    for port in (*range(0x80, 0x90), 0xB2, 0xB3):
        pc.outb(port, port ^ 0xA5)
        assert pc.inb(port) == port ^ 0xA5


def test_memory_sizes_at_the_ends_of_the_range_are_told() -> None:
    for size, base, extended in ((4096, 4, 0), (1 << 20, 640, 0), ((4 << 30) - 4096, 640, 0xFFFF)):
        pc = Pc(memory_bytes=size)
        assert [pc.cmos(low) | pc.cmos(low + 1) << 8 for low in (0x15, 0x17)] == [base, extended]
