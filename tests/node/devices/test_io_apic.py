"""The I/O APIC, sentence by sentence of the 82093AA data sheet, and its wires on the board."""

from node.devices.io_apic import BASE, IoApic, Message
from node.devices.platform import Platform, PlatformConfig
from tests.node.devices.pc import MEMORY, NEW_YEAR_2024, Pc

SELECT, WINDOW = BASE, BASE + 0x10
ACTIVE_LOW, REMOTE_IRR, LEVEL, MASKED = 0x2000, 0x4000, 0x8000, 0x1_0000


class Board:
    """An I/O APIC, and local APICs that take what they are sent unless they are `deaf`."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.deaf = False
        self.apic = IoApic(self._take)

    def _take(self, message: Message) -> bool:
        self.sent.append(message)
        return not self.deaf

    def __getitem__(self, register: int) -> int:
        self.apic.write(SELECT, 4, register, 0)
        return self.apic.read(WINDOW, 4, 0)

    def __setitem__(self, register: int, value: int) -> None:
        self.apic.write(SELECT, 4, register, 0)
        self.apic.write(WINDOW, 4, value, 0)

    def entry(self, pin: int, low: int, high: int = 0) -> None:
        self[0x11 + 2 * pin] = high
        self[0x10 + 2 * pin] = low

    def drive(self, pin: int, *levels: bool) -> None:
        for level in levels:
            self.apic.line(pin)(level)

    def vectors(self) -> list[int]:
        found = [message.vector for message in self.sent]
        self.sent.clear()
        return found


def test_after_reset_all_inputs_are_masked_and_the_registers_are_those_of_the_82093aa() -> None:
    board = Board()
    assert [board[r] for r in (0, 1, 2)] == [0, 0x0017_0011, 0]
    assert [board[0x10 + 2 * pin] for pin in range(24)] == [MASKED] * 24
    board[0] = 0xFFFF_FFFF
    assert (board[0], board[2]) == (0x0F00_0000, 0x0F00_0000)
    board[1] = board[0x40] = 0
    assert (board[1], board[0x40]) == (0x0017_0011, 0)
    board.entry(23, 0xFFFF_FFFF, 0xFFFF_FFFF)
    assert (board[0x3E], board[0x3F]) == (0x1_AFFF, 0xFF00_0000), "status and remote IRR are its own"


def test_a_rising_edge_sends_what_the_entry_says() -> None:
    board = Board()
    board.entry(4, 0x0900 | 0x44, 0x0300_0000)
    board.drive(4, True, True, False, True)
    assert board.sent == [Message(0x44, 0x100, level=False, destination=3, logical=True)] * 2
    board.entry(5, ACTIVE_LOW | 0x55)
    board.drive(5, True)
    board.vectors()
    board.drive(5, False, True)
    assert board.vectors() == [0x55]


def test_an_edge_on_a_masked_input_is_forgotten() -> None:
    board = Board()
    board.entry(4, MASKED | 0x44)
    board.drive(4, True)
    board.entry(4, 0x44)
    assert board.vectors() == []
    board.drive(4, False, True)
    assert board.vectors() == [0x44]


def test_a_level_is_sent_once_until_it_has_been_served_and_again_while_it_stays() -> None:
    board = Board()
    board.drive(9, True)
    board.entry(9, LEVEL | MASKED | 0x99)
    assert board.vectors() == []
    board.entry(9, LEVEL | 0x99)
    assert board.vectors() == [0x99] and board[0x22] == LEVEL | REMOTE_IRR | 0x99
    board.drive(9, False, True)
    board.apic.end_of_interrupt(0x98)
    assert board.vectors() == []
    board.apic.end_of_interrupt(0x99)
    assert board.vectors() == [0x99] and board[0x22] & REMOTE_IRR
    board.drive(9, False)
    board.apic.end_of_interrupt(0x99)
    assert board.vectors() == [] and board[0x22] == LEVEL | 0x99


def test_a_level_that_nobody_accepts_leaves_remote_irr_clear() -> None:
    board = Board()
    board.deaf = True
    board.entry(9, LEVEL | 0x99)
    board.drive(9, True)
    assert board.sent and not board[0x22] & REMOTE_IRR


def test_only_fixed_lowest_priority_and_nmi_reach_somebody() -> None:
    board = Board()
    for mode in range(8):
        board.entry(3, mode << 8 | 0x33)
        board.drive(3, False, True)
    assert [message.mode >> 8 for message in board.sent] == [0, 1, 4]


def test_only_whole_accesses_of_the_window_reach_a_register() -> None:
    board = Board()
    board[0] = 0x0500_0000
    board.apic.write(WINDOW, 1, 0xFF, 0)
    board.apic.write(WINDOW + 1, 4, 0, 0)
    assert board[0] == 0x0500_0000
    assert (board.apic.read(WINDOW, 2, 0), board.apic.read(BASE + 0x20, 4, 0)) == (0, 0)
    assert board.apic.read(BASE + 0x1000, 4, 0) == 0xFFFF_FFFF, "nobody is there"


def test_the_boards_lines_lead_to_their_inputs_and_the_timers_to_input_2() -> None:
    sent: list[int] = []

    def send(message: Message) -> bool:
        sent.append(message.vector)
        return True

    pc = Pc()
    pc.platform = Platform(PlatformConfig(1 << 20, None, NEW_YEAR_2024), MEMORY, pc.sent.extend, send=send)
    for pin in range(24):
        pc.platform.write_memory(SELECT, 4, 0x10 + 2 * pin, 0)
        pc.platform.write_memory(WINDOW, 4, 0x40 + pin, 0)
    pc.outb(0x43, 0x30)
    pc.outb(0x40, 10, 0)
    pc.run_until(1_000_000)
    assert sent == [0x42]
    pc.outb(0x3F9, 2)  # COM1: interrupt when the transmitter is empty
    pc.outb(0x3FC, 8)
    pc.run_until(2_000_000)
    assert 0x44 in sent[1:]
