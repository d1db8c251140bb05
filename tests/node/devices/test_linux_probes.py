"""What a stock Linux 6.1 asks of these devices while it boots, and the answers that its drivers need.

The accesses follow the drivers' order: early clocks (TSC against the timer, the CMOS clock), interrupt controllers,
PCI, the 8250 serial driver and the i8042 driver.
"""

from node.devices.pit import FREQUENCY, SECOND, time_of
from tests.node.devices.pc import Pc

PORT_ACCESS_NS = 1200
UART = 0x3F8


class Kernel(Pc):
    """A guest for which each port access takes time, as on real boards."""

    def inb(self, port: int) -> int:
        self.now += PORT_ACCESS_NS
        return super().inb(port)

    def outb(self, port: int, *values: int) -> None:
        self.now += PORT_ACCESS_NS
        super().outb(port, *values)

    def uart(self, offset: int) -> int:
        return self.inb(UART + offset)

    def set_uart(self, offset: int, value: int) -> None:
        self.outb(UART + offset, value)


def gate_timer_2(kernel: Kernel, count: int) -> None:
    kernel.outb(0x61, kernel.inb(0x61) & ~0x02 | 0x01)
    kernel.outb(0x43, 0xB0)
    kernel.outb(0x42, count & 0xFF, count >> 8)


def test_quick_tsc_calibration_sees_the_timers_high_byte_step_every_256_ticks() -> None:
    kernel = Kernel()
    gate_timer_2(kernel, 0xFFFF)
    changes: list[tuple[int, int]] = []
    last = -1
    while len(changes) < 20:
        kernel.inb(0x42)
        high = kernel.inb(0x42)
        if high != last:
            changes.append((high, kernel.now))
            last = high
    highs = [high for high, _ in changes]
    assert highs == list(range(highs[0], highs[0] - 20, -1))
    elapsed = changes[-1][1] - changes[1][1]
    expected = 18 * 256 * SECOND // FREQUENCY
    assert abs(elapsed - expected) <= 2 * 2 * PORT_ACCESS_NS, "18 steps of 256 ticks, to the width of one read"


def test_slow_tsc_calibration_sees_out_2_rise_after_the_programmed_time() -> None:
    kernel = Kernel()
    latch = FREQUENCY // 100  # 10 ms
    gate_timer_2(kernel, latch)
    start = kernel.now
    polls = 0
    while not kernel.inb(0x61) & 0x20:
        polls += 1
        assert polls < 100_000
    assert polls > 1000, "Linux distrusts a timer that it could poll only a few times"
    assert 0 <= kernel.now - start - time_of(latch) <= PORT_ACCESS_NS + time_of(1)


def test_the_timer_irq_check_counts_250_interrupts_a_second() -> None:
    kernel = Kernel()
    kernel.start_pics()
    kernel.outb(0x43, 0x34)
    kernel.outb(0x40, 4773 & 0xFF, 4773 >> 8)
    served = 0
    kernel.take_interrupts()
    end = kernel.now + SECOND
    while (due := kernel.platform.deadline()) is not None and due <= end:
        kernel.now = due
        kernel.platform.tick(due)
        served += kernel.platform.acknowledge() == 0x30
        kernel.outb(0x20, 0x60)  # mask_and_ack ends IRQ0 by a specific EOI
    assert served == 249 or served == 250


def test_the_cmos_clock_is_read_between_updates() -> None:
    kernel = Kernel()
    kernel.now = 86_399 * SECOND + 998_000_000
    polls = 0
    while kernel.cmos(0x0A) & 0x80:
        kernel.now += 1_000_000
        polls += 1
        assert polls < 10, "Linux gives the clock ten milliseconds to finish an update"
    assert polls > 0
    second, minute, hour, day, month, year = (kernel.cmos(register) for register in (0, 2, 4, 7, 8, 9))
    assert kernel.cmos(0x0A) & 0x80 == 0
    assert (year, month, day, hour, minute, second) == (0x24, 0x01, 0x02, 0x00, 0x00, 0x00)
    assert kernel.cmos(0x0B) & 0x04 == 0 and kernel.cmos(0x0D) & 0x80, "BCD; battery good"


def test_the_8259_probe_finds_the_controllers() -> None:
    kernel = Kernel()
    kernel.outb(0xA1, 0xFF)
    kernel.outb(0x21, 0xFB)
    assert kernel.inb(0x21) == 0xFB


def test_an_interrupt_is_masked_ended_and_unmasked_again() -> None:
    """The mask-and-acknowledge flow of Linux's 8259 driver, for an interrupt of either controller."""
    kernel = Kernel()
    kernel.start_pics()
    for irq, vector in ((4, 0x34), (8, 0x38)):
        mask = (0x21, 0xA1)[irq >> 3]
        line = kernel.platform._pic.line(irq)
        line(True)
        assert kernel.platform.acknowledge() == vector
        kernel.outb(mask, 1 << (irq & 7))
        kernel.inb(mask)
        if irq >= 8:
            kernel.outb(0xA0, 0x60 + (irq & 7))
            kernel.outb(0x20, 0x62)
        else:
            kernel.outb(0x20, 0x60 + irq)
        line(False)
        line(True)
        assert not kernel.platform.intr, "masked while its handler runs"
        kernel.outb(mask, 0)
        assert kernel.platform.acknowledge() == vector
        kernel.outb(0xA0, 0x20)
        kernel.outb(0x20, 0x20)


def test_a_spurious_irq_is_recognised_by_its_service_bit() -> None:
    kernel = Kernel()
    kernel.start_pics()
    assert kernel.platform.acknowledge() == 0x37
    kernel.outb(0x20, 0x0B)
    assert kernel.inb(0x20) & 0x80 == 0
    kernel.outb(0x20, 0x0A)


def test_pci_type_1_access_is_found_and_the_bus_scan_finds_two_devices() -> None:
    kernel = Kernel()
    kernel.outb(0xCFB, 0x01)
    saved = kernel.inl(0xCF8)
    kernel.outl(0xCF8, 0x8000_0000)
    assert kernel.inl(0xCF8) == 0x8000_0000
    kernel.outl(0xCF8, saved)
    found = []
    for device_function in range(256):
        kernel.outl(0xCF8, 0x8000_0000 | device_function << 8)
        identity = kernel.inl(0xCFC)
        if identity not in (0xFFFF_FFFF, 0):
            kernel.outl(0xCF8, 0x8000_0008 | device_function << 8)
            found.append((device_function, identity, kernel.inl(0xCFC) >> 16))
    assert found == [(0x00, 0x1237_8086, 0x0600), (0x08, 0x7000_8086, 0x0601)]
    kernel.outl(0xCF8, 0x8000_0010)
    kernel.outl(0xCFC, 0xFFFF_FFFF)
    assert kernel.inl(0xCFC) == 0, "no base address registers to size"


def test_8250_autoconfig_finds_a_16550a() -> None:
    kernel = Kernel()
    kernel.set_uart(1, 0)
    kernel.outb(0x80, 0xFF)
    assert kernel.uart(1) & 0x0F == 0
    kernel.set_uart(1, 0x0F)
    kernel.outb(0x80, 0)
    assert kernel.uart(1) & 0x0F == 0x0F
    kernel.set_uart(1, 0)
    kernel.set_uart(4, 0x1A)
    assert kernel.uart(6) & 0xF0 == 0x90, "loopback: RTS and OUT2 are CTS and DCD"
    kernel.set_uart(4, 0x08)
    kernel.set_uart(3, 0xBF)
    kernel.set_uart(2, 0)
    kernel.set_uart(3, 0)
    kernel.set_uart(2, 0x01)
    assert kernel.uart(2) >> 6 == 3, "working FIFOs"


def test_8250_autoconfig_takes_it_for_nothing_newer() -> None:
    """The tests for enhanced registers, 64-byte FIFOs and XScale's extra enable bit all fail as on a plain 16550A."""
    kernel = Kernel()
    kernel.set_uart(2, 0x01)
    for lcr in (0x80, 0xBF):
        kernel.set_uart(3, lcr)
        assert kernel.uart(2) != 0
    status = []
    for mcr in (0x00, 0x10):
        kernel.set_uart(3, 0)
        kernel.set_uart(4, mcr)
        kernel.set_uart(3, 0xE0)
        status.append(kernel.uart(2))
    assert (status[0] ^ status[1]) & 0x10 == 0, "no National Super I/O bank"
    kernel.set_uart(3, 0)
    kernel.set_uart(4, 0)
    kernel.set_uart(2, 0x21)
    assert kernel.uart(2) & 0x20 == 0, "no 64-byte FIFO"
    kernel.set_uart(1, 0x40)
    assert kernel.uart(1) & 0x40 == 0


def test_8250_startup_trusts_the_transmitter_interrupt() -> None:
    kernel = Kernel()
    kernel.set_uart(2, 0x01)
    kernel.set_uart(2, 0x07)
    kernel.set_uart(2, 0x00)
    for offset in (5, 0, 2, 6):
        kernel.uart(offset)
    assert kernel.uart(5) != 0xFF
    kernel.set_uart(3, 0x03)
    assert kernel.uart(5) & 0x60 == 0x60
    seen = []
    for _ in range(2):
        kernel.set_uart(1, 0x02)
        seen.append(kernel.uart(2))
        kernel.set_uart(1, 0x00)
    assert [iir & 1 for iir in seen] == [0, 0], "the interrupt is asserted again when it is enabled again"
    kernel.set_uart(4, 0x08)
    kernel.set_uart(1, 0x02)
    status, cause = kernel.uart(5), kernel.uart(2)
    assert status & 0x40 and not cause & 1, "and comes at once when the transmitter is idle"


def test_the_console_driver_prints_by_polling_and_by_interrupt() -> None:
    kernel = Kernel()
    kernel.start_pics()
    kernel.set_uart(3, 0x03)
    for byte in b"Linux version\r\n":
        assert kernel.uart(5) & 0x60 == 0x60, "the transmitter is never busy"
        kernel.set_uart(0, byte)
    kernel.set_uart(2, 0x81)
    kernel.set_uart(4, 0x0B)
    pending = bytearray(b"interrupt-driven output of more than one FIFO\r\n")
    kernel.set_uart(1, 0x07)
    for _ in range(50):
        if not kernel.platform.intr:
            break
        assert kernel.platform.acknowledge() == 0x34
        while not kernel.uart(2) & 1:
            if kernel.uart(5) & 0x20:
                for byte in pending[:16]:
                    kernel.set_uart(0, byte)
                del pending[:16]
                if not pending:
                    kernel.set_uart(1, 0x05)
        kernel.outb(0x20, 0x64)
    assert bytes(kernel.sent) == b"Linux version\r\ninterrupt-driven output of more than one FIFO\r\n"
    assert not kernel.platform.intr


def wait_for_answer(kernel: Kernel) -> tuple[int, int]:
    """(status, byte), within fewer polls than Linux would sleep even once for."""
    for _ in range(3):
        status = kernel.inb(0x64)
        if status & 1:
            return status, kernel.inb(0x60)
    raise AssertionError("no answer: Linux would wait half a second here")


def test_the_i8042_probe_finds_the_controller_without_waiting() -> None:
    kernel = Kernel()
    assert kernel.inb(0x64) & 0x01 == 0, "nothing to flush"
    kernel.outb(0x64, 0x20)
    _, first = wait_for_answer(kernel)
    kernel.outb(0x64, 0x20)
    _, again = wait_for_answer(kernel)
    assert first == again, "two equal readings of the command byte"
    kernel.outb(0x64, 0x60)
    kernel.outb(0x60, first & ~0x01 | 0x10)
    assert kernel.inb(0x64) & 0x10, "no key lock"
    kernel.outb(0x64, 0xAA)
    assert wait_for_answer(kernel)[1] == 0x55


def test_the_i8042_probe_gives_up_on_the_mouse_port_without_waiting() -> None:
    kernel = Kernel()
    kernel.outb(0x64, 0xD3)
    kernel.outb(0x60, 0x5A)
    status, _ = wait_for_answer(kernel)
    assert status & 0x20 == 0
    kernel.outb(0x64, 0xA9)
    _, result = wait_for_answer(kernel)
    assert result not in (0x00, 0xFA, 0xFF), "the port's test fails, which ends the probe"


def test_the_keyboard_driver_finds_its_keyboard_without_waiting() -> None:
    """libps2: each byte written is acknowledged by an interrupt of its own, and answers follow."""
    kernel = Kernel()
    kernel.start_pics()
    kernel.outb(0x64, 0x60)
    kernel.outb(0x60, 0x45)
    conversation = [
        (0xF2, [0xFA, 0xAB, 0x41]),  # identify: a translated keyboard
        *((0xED, [0xFA]), (0x00, [0xFA])),  # indicators off
        *((0xF3, [0xFA]), (0x00, [0xFA])),  # typematic rate
        (0xF4, [0xFA]),  # enable
    ]
    for byte, answer in conversation:
        kernel.outb(0x60, byte)
        for expected in answer:
            assert kernel.platform.acknowledge() == 0x31
            assert wait_for_answer(kernel) == (0x15, expected)
            kernel.outb(0x20, 0x61)
        assert not kernel.platform.intr


def test_reboot_through_the_keyboard_controller() -> None:
    kernel = Kernel()
    assert kernel.inb(0x64) & 0x02 == 0, "the input buffer is never full"
    kernel.outb(0x64, 0xFE)
    assert kernel.request() is not None
