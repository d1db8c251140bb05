"""The 8259A pair, sentence by sentence of its data sheet."""

from node.devices.pic import Pic
from node.devices.ports import PortMap

MASTER, SLAVE = 0x20, 0xA0


class Board:
    """A pair initialised at vectors 0x20 and 0x28, fully nested, nothing masked."""

    def __init__(self, *, icw1: int = 0x11, icw4: int = 0x01, slave_icw4: int = 0x01) -> None:
        self.pic, self.ports = Pic(), PortMap()
        self.pic.claim(self.ports)
        for base, vector, icw3, last in ((MASTER, 0x20, 4, icw4), (SLAVE, 0x28, 2, slave_icw4)):
            self.out(base, icw1)
            for value in (vector, icw3, last)[: 3 if icw1 & 1 else 2]:
                self.out(base + 1, value)

    def out(self, port: int, value: int) -> None:
        self.ports.write(port, 1, value, 0)

    def read(self, port: int) -> int:
        return self.ports.read(port, 1, 0)

    def line(self, irq: int, level: bool) -> None:
        self.pic.line(irq)(level)

    def pulse(self, *irqs: int) -> None:
        """Rising edges that stay high, as devices hold them."""
        for irq in irqs:
            self.line(irq, False)
            self.line(irq, True)

    @property
    def intr(self) -> bool:
        return bool(self.pic.master.state.intr)

    def isr(self, base: int = MASTER) -> int:
        self.out(base, 0x0B)
        return self.read(base)

    def irr(self, base: int = MASTER) -> int:
        self.out(base, 0x0A)
        return self.read(base)


def test_nothing_interrupts_before_initialisation_is_complete() -> None:
    pic, ports = Pic(), PortMap()
    pic.claim(ports)
    pic.line(0)(True)
    assert not pic.master.state.intr
    for port, value in ((0x20, 0x11), (0x21, 0x20), (0x21, 0x04)):
        ports.write(port, 1, value, 0)
        pic.line(3)(False)
        pic.line(3)(True)
        assert not pic.master.state.intr
    ports.write(0x21, 1, 0x01, 0)
    assert pic.master.state.intr


def test_an_edge_is_latched_acknowledged_once_and_blocks_its_level_until_eoi() -> None:
    board = Board()
    board.pulse(3)
    assert board.intr and board.irr() == 8
    assert board.pic.acknowledge() == 0x23
    assert not board.intr and board.irr() == 0 and board.isr() == 8
    board.pulse(3)
    assert not board.intr and board.irr() == 8
    board.out(MASTER, 0x20)
    assert board.intr and board.isr() == 0


def test_a_line_that_stays_high_requests_once_in_edge_mode_and_again_in_level_mode() -> None:
    for elcr, again in ((0x00, False), (0x20, True)):
        board = Board()
        board.out(0x4D0, elcr)
        board.line(5, True)
        assert board.pic.acknowledge() == 0x25
        board.out(MASTER, 0x20)
        assert board.intr == again


def test_level_mode_by_icw1_makes_all_inputs_levels() -> None:
    board = Board(icw1=0x19)
    board.line(1, True)
    assert board.pic.acknowledge() == 0x21
    board.out(MASTER, 0x20)
    assert board.intr
    board.line(1, False)
    assert not board.intr


def test_a_request_that_goes_away_before_its_acknowledge_is_forgotten() -> None:
    board = Board()
    board.line(4, True)
    board.line(4, False)
    assert not board.intr and board.irr() == 0


def test_an_acknowledge_without_request_is_vector_7_and_sets_no_service_bit() -> None:
    board = Board()
    assert board.pic.acknowledge() == 0x27
    assert board.isr() == 0


def test_a_slave_whose_request_went_away_answers_its_vector_7_with_the_cascade_in_service() -> None:
    board = Board()
    board.line(10, True)
    board.pic.slave.state.irr = 0  # the request drops between the two acknowledge cycles
    assert board.pic.acknowledge() == 0x2F
    assert board.isr(MASTER) == 4 and board.isr(SLAVE) == 0


def test_lower_numbers_have_priority_and_may_nest() -> None:
    board = Board()
    board.pulse(6, 4)
    assert board.pic.acknowledge() == 0x24
    board.pulse(1)
    assert board.pic.acknowledge() == 0x21
    assert board.isr() == 0b0001_0010
    board.out(MASTER, 0x20)
    assert board.isr() == 0b0001_0000, "a non-specific EOI ends the highest in service"
    assert not board.intr, "6 waits behind 4"
    board.out(MASTER, 0x20)
    assert board.pic.acknowledge() == 0x26


def test_a_masked_request_waits_in_irr() -> None:
    board = Board()
    board.out(MASTER + 1, 0xFF)
    board.pulse(2, 7)
    assert not board.intr and board.irr() & 0x80 and board.read(MASTER + 1) == 0xFF
    board.out(MASTER + 1, 0x7F)
    assert board.intr


def test_the_slave_interrupts_through_input_2() -> None:
    board = Board()
    board.pulse(12)
    assert board.pic.acknowledge() == 0x2C
    assert board.isr(MASTER) == 4 and board.isr(SLAVE) == 0x10
    board.pulse(8)
    assert not board.intr, "fully nested: the cascade input is in service"
    board.out(MASTER, 0x20)
    assert board.intr and board.pic.acknowledge() == 0x28


def test_in_special_fully_nested_mode_the_slave_may_interrupt_itself() -> None:
    board = Board(icw4=0x11)
    board.pulse(12)
    board.pic.acknowledge()
    board.pulse(13)
    assert not board.intr, "within the slave 12 still blocks 13"
    board.pulse(8)
    assert board.intr and board.pic.acknowledge() == 0x28


def test_two_slave_requests_are_served_one_after_the_other() -> None:
    board = Board()
    board.pulse(9, 14)
    assert board.pic.acknowledge() == 0x29
    board.out(SLAVE, 0x20)
    board.out(MASTER, 0x20)
    assert board.pic.acknowledge() == 0x2E


def test_specific_eoi_ends_the_named_level() -> None:
    board = Board()
    board.pulse(5)
    board.pic.acknowledge()
    board.pulse(1)
    board.pic.acknowledge()
    board.out(MASTER, 0x65)
    assert board.isr() == 0b0000_0010


def test_rotation_puts_the_level_just_served_last() -> None:
    board = Board()
    board.pulse(4)
    board.pic.acknowledge()
    board.out(MASTER, 0xA0)
    board.pulse(4, 5)
    assert board.pic.acknowledge() == 0x25
    board.out(MASTER, 0x20)
    assert board.pic.acknowledge() == 0x24


def test_set_priority_names_the_lowest_level() -> None:
    board = Board()
    board.out(MASTER, 0xC2)  # 2 lowest: order 3 4 5 6 7 0 1 2
    board.pulse(0, 1, 7)
    assert [board.pic.acknowledge(), board.intr] == [0x27, False]
    board.out(MASTER, 0x20)
    assert board.pic.acknowledge() == 0x20


def test_automatic_eoi_leaves_nothing_in_service_and_may_rotate() -> None:
    board = Board(icw4=0x03)
    board.pulse(1)
    assert board.pic.acknowledge() == 0x21 and board.isr() == 0
    board.out(MASTER, 0x80)
    board.pulse(1)
    board.pic.acknowledge()
    board.pulse(1, 3)
    assert board.pic.acknowledge() == 0x23
    board.out(MASTER, 0x00)
    board.pulse(0)
    board.pic.acknowledge()
    assert board.pic.master.state.lowest == 3, "rotation was switched off again"


def test_automatic_eoi_in_the_slave_gives_the_master_a_new_edge_for_each_request() -> None:
    board = Board(icw4=0x03, slave_icw4=0x03)
    board.pulse(8, 15)
    assert [board.pic.acknowledge(), board.pic.acknowledge(), board.intr] == [0x28, 0x2F, False]


def test_special_mask_mode_lets_lower_levels_through_a_masked_one_in_service() -> None:
    board = Board()
    board.pulse(3)
    board.pic.acknowledge()
    board.pulse(6)
    board.out(MASTER + 1, 0x08)
    assert not board.intr
    board.out(MASTER, 0x68)
    assert board.intr and board.pic.acknowledge() == 0x26
    board.out(MASTER, 0x20)
    assert board.isr() == 0x08, "a non-specific EOI passes over the masked level"
    board.out(MASTER, 0x48)
    assert not board.pic.master.state.special_mask


def test_a_poll_acknowledges_and_tells_the_level() -> None:
    board = Board()
    board.out(MASTER, 0x0C)
    assert board.read(MASTER) == 0
    board.pulse(5)
    board.out(MASTER, 0x0C)
    assert board.read(MASTER) == 0x85
    assert board.isr() == 0x20 and not board.intr


def test_icw1_clears_masks_service_and_edges() -> None:
    board = Board()
    board.pulse(3)
    board.pic.acknowledge()
    board.pulse(4)
    board.out(MASTER + 1, 0x10)
    board.out(MASTER, 0x11)
    for value in (0x20, 0x04, 0x01):
        board.out(MASTER + 1, value)
    assert (board.irr(), board.isr(), board.read(MASTER + 1)) == (0, 0, 0)
    board.line(4, True)
    assert not board.intr, "the line must fall and rise again"
    board.pulse(4)
    assert board.intr


def test_initialisation_without_icw4_or_without_slave_takes_fewer_words() -> None:
    board = Board()
    board.out(MASTER, 0x12)  # single, no ICW4
    board.out(MASTER + 1, 0x40)
    board.out(MASTER + 1, 0xAA)
    assert board.read(MASTER + 1) == 0xAA, "the second word is already a mask"
    board.out(MASTER + 1, 0x00)
    board.pulse(2)
    assert board.pic.acknowledge() == 0x42, "input 2 of a single controller is an input like the others"


def test_elcr_holds_only_the_inputs_that_may_be_levels() -> None:
    board = Board()
    board.out(0x4D0, 0xFF)
    board.out(0x4D1, 0xFF)
    assert (board.read(0x4D0), board.read(0x4D1)) == (0xF8, 0xDE)
