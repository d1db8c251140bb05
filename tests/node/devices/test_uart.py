"""The 16550A as its data sheet tells it, and the far end that loses nothing."""

import pytest

from node.devices.receiver import QUEUE
from tests.node.devices.pc import Pc

DATA, IER, IIR, FCR, LCR, MCR, LSR, MSR, SCR = 0x3F8, 0x3F9, 0x3FA, 0x3FA, 0x3FB, 0x3FC, 0x3FD, 0x3FE, 0x3FF
CHARACTER = 86_806  # ns: ten bits at 115200 baud, rounded up


def listening(*, fcr: int = 0x01, ier: int = 0x01) -> Pc:
    """8N1 at 115200 baud, FIFO on, DTR RTS OUT2 on."""
    pc = Pc()
    pc.start_pics()
    pc.outb(LCR, 0x83)
    pc.outb(DATA, 1)
    pc.outb(IER, 0)
    pc.outb(LCR, 0x03)
    pc.outb(FCR, fcr)
    pc.outb(MCR, 0x0B)
    pc.outb(IER, ier)
    return pc


def receive_all(pc: Pc) -> bytes:
    data = bytearray()
    while pc.inb(LSR) & 1:
        data.append(pc.inb(DATA))
    return bytes(data)


def test_bytes_written_are_out_at_once_and_the_transmitter_is_always_empty() -> None:
    pc = Pc()
    for byte in b"Limosa\x00\xff":
        assert pc.inb(LSR) & 0x60 == 0x60
        pc.outb(DATA, byte)
    assert pc.sent == b"Limosa\x00\xff"


def test_dlab_turns_the_first_two_registers_into_the_divisor() -> None:
    pc = Pc()
    pc.outb(LCR, 0x80)
    pc.outb(DATA, 0x34)
    pc.outb(IER, 0x12)
    assert (pc.inb(DATA), pc.inb(IER)) == (0x34, 0x12)
    pc.outb(LCR, 0x00)
    assert pc.inb(IER) == 0 and pc.sent == b""


def test_scratch_holds_any_byte_and_ier_only_four_bits() -> None:
    pc = Pc()
    for value in (0x00, 0x55, 0xAA, 0xFF):
        pc.outb(SCR, value)
        pc.outb(IER, value)
        assert (pc.inb(SCR), pc.inb(IER)) == (value, value & 0x0F)


def test_a_character_arrives_one_character_time_after_it_was_sent_and_not_before() -> None:
    pc = listening()
    pc.platform.serial_input(b"ab", pc.now)
    pc.now = CHARACTER - 1
    assert pc.inb(LSR) & 1 == 0
    pc.now = CHARACTER
    assert pc.inb(LSR) & 1 and pc.inb(DATA) == ord("a")
    assert pc.inb(LSR) & 1 == 0
    pc.now = 2 * CHARACTER
    assert pc.inb(DATA) == ord("b")


def test_pace_follows_divisor_and_format() -> None:
    pc = listening()
    pc.outb(LCR, 0x80 | 0x0F)  # 8 data bits, parity, 2 stop bits: 12 bits
    pc.outb(DATA, 12)  # 9600 baud
    pc.outb(LCR, 0x0F)
    pc.platform.serial_input(b"x", pc.now)
    assert pc.platform.deadline() == 1_250_000


def test_the_receive_interrupt_comes_at_the_trigger_level() -> None:
    pc = listening(fcr=0x81)  # trigger 8
    pc.platform.serial_input(b"12345678", pc.now)
    pc.run_until(7 * CHARACTER)
    assert not pc.platform.intr
    pc.run_until(8 * CHARACTER)
    assert pc.platform.intr and pc.platform.acknowledge() == 0x34
    assert pc.inb(IIR) == 0xC4
    pc.inb(DATA)
    assert pc.inb(IIR) == 0xC1, "below the trigger the request is withdrawn"


def test_too_few_characters_time_out_after_four_character_times() -> None:
    pc = listening(fcr=0x81)
    pc.platform.serial_input(b"ok", pc.now)
    pc.run_until(6 * CHARACTER - 1)
    assert not pc.platform.intr
    pc.run_until(6 * CHARACTER)
    assert pc.take_interrupts() == [0x34]
    assert pc.inb(IIR) == 0xCC
    assert receive_all(pc) == b"ok"
    assert pc.inb(IIR) == 0xC1


def test_a_full_fifo_holds_the_sender_back_and_nothing_is_lost() -> None:
    pc = listening(fcr=0xC1)
    message = bytes(range(256)) * 4
    pc.platform.serial_input(message, pc.now)
    pc.run_until(1000 * CHARACTER)
    received = bytearray()
    for _ in range(1000):
        data = receive_all(pc)
        assert len(data) <= 16
        received += data
        pc.run_until(pc.now + 40 * CHARACTER)
    assert received == message and pc.inb(LSR) & 0x02 == 0


def test_the_sender_waits_until_the_guest_listens() -> None:
    pc = Pc()
    pc.platform.serial_input(b"early", pc.now)
    pc.run_until(1_000_000_000)
    assert pc.inb(LSR) & 1 == 0 and pc.platform.deadline() is None
    pc.outb(FCR, 0x07)  # a driver clears the FIFOs when it starts
    pc.outb(MCR, 0x0B)
    pc.run_until(2_000_000_000)
    assert receive_all(pc) == b"early"


def test_the_receive_interrupt_enable_alone_makes_the_guest_a_listener() -> None:
    pc = Pc()
    pc.outb(FCR, 0x01)
    pc.outb(IER, 0x01)
    pc.platform.serial_input(b"xv6", pc.now)
    pc.run_until(1_000_000_000)
    assert receive_all(pc) == b"xv6"


def test_a_guest_that_uses_rts_holds_the_sender_with_it() -> None:
    pc = listening(fcr=0xC1)
    pc.platform.serial_input(b"0123456789", pc.now)
    pc.run_until(3 * CHARACTER)
    pc.outb(MCR, 0x09)
    pc.run_until(50 * CHARACTER)
    assert receive_all(pc) == b"012"
    pc.outb(MCR, 0x0B)
    pc.run_until(100 * CHARACTER)
    assert receive_all(pc) == b"3456789"


def test_a_full_queue_takes_what_fits_and_says_so() -> None:
    pc = Pc()
    assert pc.platform.serial_input(bytes(QUEUE - 3), pc.now) == QUEUE - 3
    assert pc.platform.serial_input(b"abcdef", pc.now) == 3
    assert pc.platform.serial_input(b"x", pc.now) == 0


def test_clearing_the_receiver_fifo_discards_what_has_arrived() -> None:
    pc = listening(fcr=0xC1)
    pc.platform.serial_input(b"garbage", pc.now)
    pc.run_until(3 * CHARACTER)
    pc.outb(FCR, 0xC3)
    assert pc.inb(LSR) & 1 == 0
    pc.run_until(100 * CHARACTER)
    assert receive_all(pc) == b"bage"


def test_without_fifo_one_character_is_held() -> None:
    pc = listening(fcr=0x00)
    pc.platform.serial_input(b"ab", pc.now)
    pc.run_until(100 * CHARACTER)
    assert pc.take_interrupts() == [0x34] and pc.inb(IIR) == 0x04
    assert receive_all(pc) == b"a"
    pc.run_until(200 * CHARACTER)
    assert receive_all(pc) == b"b"


def test_enabling_the_transmitter_interrupt_requests_at_once_and_reading_iir_ends_it() -> None:
    pc = listening(ier=0x00)
    for _ in range(2):
        pc.outb(IER, 0x02)
        assert pc.platform.intr
        assert pc.inb(IIR) == 0xC2
        assert pc.inb(IIR) == 0xC1 and not pc.platform.intr
        pc.outb(IER, 0x00)


def test_each_byte_written_is_a_new_edge_of_the_transmitter_interrupt() -> None:
    pc = listening(ier=0x02)
    assert pc.platform.acknowledge() == 0x34
    pc.outb(0x20, 0x20)
    assert not pc.platform.intr
    pc.outb(DATA, ord("x"))
    assert pc.take_interrupts() == [0x34]


def test_causes_are_told_by_priority() -> None:
    pc = listening(ier=0x0F)
    pc.outb(MCR, 0x18)  # loopback: the modem lines change, and what is written is received
    for byte in range(17):
        pc.outb(DATA, byte)
    assert pc.inb(IIR) & 0x0F == 0x06, "line status (an overrun) first"
    assert pc.inb(LSR) & 0x02 and pc.inb(LSR) & 0x02 == 0, "reading LSR clears it"
    assert pc.inb(IIR) & 0x0F == 0x04, "then received data"
    receive_all(pc)
    assert pc.inb(IIR) & 0x0F == 0x02, "then the transmitter"
    assert pc.inb(IIR) & 0x0F == 0x00, "then the modem lines"
    pc.inb(MSR)
    assert pc.inb(IIR) & 0x0F == 0x01


@pytest.mark.parametrize(("mcr", "reaches"), [(0x08, True), (0x0B, True), (0x00, False), (0x03, False), (0x18, False)])
def test_the_interrupt_reaches_irq_4_only_with_out2_and_outside_loopback(mcr: int, reaches: bool) -> None:
    pc = listening(ier=0x00)
    pc.outb(MCR, mcr)
    pc.outb(IER, 0x02)
    assert pc.platform.intr == reaches
    assert pc.inb(IIR) & 0x0F == 0x02, "the chip itself knows of it either way"


def test_in_loopback_nothing_leaves_or_enters_and_modem_outputs_are_its_inputs() -> None:
    pc = listening(ier=0x00)
    for mcr, msr in ((0x10, 0x00), (0x11, 0x20), (0x12, 0x10), (0x14, 0x40), (0x18, 0x80), (0x1F, 0xF0)):
        pc.outb(MCR, mcr)
        assert pc.inb(MSR) & 0xF0 == msr
    pc.platform.serial_input(b"outside", pc.now)
    pc.outb(DATA, ord("i"))
    pc.now += 100 * CHARACTER
    assert receive_all(pc) == b"i" and pc.sent == b""
    pc.outb(MCR, 0x0B)
    pc.run_until(pc.now + 100 * CHARACTER)
    assert receive_all(pc) == b"outside"


def test_msr_shows_a_connected_far_end_and_each_change_once() -> None:
    pc = listening(ier=0x00)
    assert pc.inb(MSR) == 0xB0
    pc.outb(MCR, 0x14)  # in loopback only RI is on
    assert pc.inb(MSR) == 0x4B, "CTS, DSR and DCD changed; RI rose, which is not told"
    pc.outb(MCR, 0x0B)
    assert pc.inb(MSR) == 0xBF, "RI's fall is"
    assert pc.inb(MSR) == 0xB0
