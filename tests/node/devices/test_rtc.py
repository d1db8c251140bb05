"""The MC146818 clock: what it shows, how it is set, and when it interrupts."""

import pytest

from tests.node.devices.pc import NEW_YEAR_2024, SECOND, Pc

A, B, C, D = 10, 11, 12, 13
SET, PIE, AIE, UIE, BINARY, HOURS_24 = 0x80, 0x40, 0x20, 0x10, 0x04, 0x02
CLOCK = (9, 8, 7, 6, 4, 2, 0)  # year month day weekday hours minutes seconds


def shown(pc: Pc) -> list[int]:
    return [pc.cmos(register) for register in CLOCK]


def bcd(*values: int) -> list[int]:
    return [int(str(value), 16) for value in values]


def with_interrupts() -> Pc:
    pc = Pc()
    pc.start_pics()
    pc.cmos(C)
    return pc


def test_it_shows_the_wall_clock_plus_guest_time_in_bcd() -> None:
    pc = Pc(wall=NEW_YEAR_2024 + 40 * 86_400 * SECOND + 999_999_999)
    assert shown(pc) == bcd(24, 2, 10, 7, 0, 0, 0) and pc.cmos(0x32) == 0x20
    pc.now = 1
    assert shown(pc) == bcd(24, 2, 10, 7, 0, 0, 1)
    pc.now = 86_400 * SECOND
    assert shown(pc) == bcd(24, 2, 11, 1, 0, 0, 0)


@pytest.mark.parametrize(("hour", "twelve"), [(0, 0x12), (1, 0x01), (11, 0x11), (12, 0x92), (13, 0x81), (23, 0x91)])
def test_hours_in_12_hour_mode_have_a_pm_bit(hour: int, twelve: int) -> None:
    pc = Pc(wall=NEW_YEAR_2024 + hour * 3600 * SECOND)
    pc.set_cmos(B, 0)
    assert pc.cmos(4) == twelve
    pc.set_cmos(B, BINARY | HOURS_24)
    assert pc.cmos(4) == hour
    pc.set_cmos(B, SET)
    pc.set_cmos(4, twelve)
    pc.set_cmos(B, 0)
    assert pc.cmos(4) == twelve
    pc.set_cmos(B, HOURS_24)
    assert pc.cmos(4) == int(str(hour), 16)


def test_registers_keep_the_old_second_while_uip_is_on() -> None:
    pc = Pc()
    pc.now = SECOND - 2_228_001
    assert pc.cmos(A) == 0x26
    pc.now += 1
    assert pc.cmos(A) == 0xA6 and pc.cmos(0) == 0
    pc.now = SECOND
    assert pc.cmos(A) == 0x26 and pc.cmos(0) == 1


def test_set_stops_the_clock_and_it_goes_on_from_what_was_written_with_its_old_phase() -> None:
    pc = Pc()
    pc.now = SECOND // 4
    pc.set_cmos(B, SET | HOURS_24)
    pc.now = 10 * SECOND + SECOND // 2
    assert pc.cmos(0) == 0 and pc.cmos(A) == 0x26
    for register, value in zip((*CLOCK, 0x32), bcd(31, 12, 31, 5, 23, 59, 58, 19), strict=True):
        pc.set_cmos(register, value)
    pc.set_cmos(B, HOURS_24)
    pc.now = 11 * SECOND - 1
    assert pc.cmos(0) == 0x58
    pc.now = 12 * SECOND
    assert shown(pc) == bcd(32, 1, 1, 6, 0, 0, 0) and pc.cmos(0x32) == 0x19


def test_a_running_clock_can_be_written_register_by_register() -> None:
    pc = Pc()
    pc.now = 5 * SECOND + 7
    pc.set_cmos(2, 0x30)
    assert pc.cmos(2) == 0x30 and pc.cmos(0) == 0x05
    pc.now = 6 * SECOND
    assert pc.cmos(0) == 0x06


def test_the_first_update_comes_half_a_second_after_the_divider_starts() -> None:
    pc = Pc()
    pc.now = 300_000_000
    pc.set_cmos(A, 0x76)
    pc.now = 20 * SECOND
    assert pc.cmos(0) == 0
    pc.set_cmos(A, 0x26)
    pc.now = 20 * SECOND + SECOND // 2 - 1
    assert pc.cmos(0) == 0
    pc.now += 1
    assert pc.cmos(0) == 1


@pytest.mark.parametrize(("rate", "hertz"), [(1, 256), (2, 128), (3, 8192), (6, 1024), (15, 2)])
def test_the_periodic_interrupt_keeps_its_rate_without_drift(rate: int, hertz: int) -> None:
    pc = with_interrupts()
    pc.set_cmos(A, 0x20 | rate)
    pc.set_cmos(B, HOURS_24 | PIE)
    for event in range(1, 3 * hertz + 1):
        due = pc.platform.deadline()
        assert due == -(-event * SECOND // hertz)
        pc.run_until(due)
        assert pc.take_interrupts() == [0x38]
        assert pc.cmos(C) & 0xC0 == 0xC0
        if event == 1000:
            break


def test_nothing_more_is_due_until_the_flags_are_read() -> None:
    pc = with_interrupts()
    pc.set_cmos(B, HOURS_24 | PIE)
    pc.run_until(SECOND)
    assert pc.platform.deadline() is None
    assert pc.cmos(C) == 0xD0, "an update has ended too"
    assert pc.platform.deadline() == SECOND + 976_563


def test_flags_come_up_without_their_interrupts() -> None:
    pc = with_interrupts()
    pc.now = SECOND
    assert pc.platform.deadline() is None
    assert pc.cmos(C) == 0x50
    assert pc.cmos(C) == 0x00, "reading clears them"


def test_the_update_interrupt_comes_when_the_second_changes() -> None:
    pc = with_interrupts()
    pc.now = 5
    pc.set_cmos(B, HOURS_24 | UIE)
    assert pc.platform.deadline() == SECOND
    pc.run_until(SECOND)
    assert pc.take_interrupts() == [0x38] and pc.cmos(0) == 0x01


@pytest.mark.parametrize(
    ("alarm", "after"),
    [
        ((0x30, 0x10, 0x00), 630),
        ((0x00, 0x00, 0x00), 86_400),
        ((0xFF, 0xFF, 0xFF), 1),
        ((0x05, 0xFF, 0xC0), 5),
        ((0x00, 0xC0, 0xC0), 60),
        ((0x00, 0x00, 0xFF), 3600),
        ((0xFF, 0xFF, 0x23), 23 * 3600),
    ],
)
def test_the_alarm_matches_seconds_minutes_and_hours_or_any(alarm: tuple[int, int, int], after: int) -> None:
    pc = with_interrupts()
    for register, value in zip((1, 3, 5), alarm, strict=True):
        pc.set_cmos(register, value)
    pc.set_cmos(B, HOURS_24 | AIE)
    assert pc.platform.deadline() == after * SECOND
    pc.run_until(after * SECOND)
    assert pc.take_interrupts() == [0x38] and pc.cmos(C) & 0xA0 == 0xA0


def test_an_alarm_that_no_time_matches_never_comes() -> None:
    pc = with_interrupts()
    pc.set_cmos(5, 0x24)
    pc.set_cmos(B, HOURS_24 | AIE)
    assert pc.platform.deadline() is None


def test_enabling_an_interrupt_whose_flag_is_up_raises_it_at_once() -> None:
    pc = with_interrupts()
    pc.now = 2 * SECOND
    pc.set_cmos(B, HOURS_24 | UIE)
    assert pc.take_interrupts() == [0x38]


def test_set_clears_the_update_interrupt_enable() -> None:
    pc = Pc()
    pc.set_cmos(B, SET | UIE | HOURS_24)
    assert pc.cmos(B) == SET | HOURS_24


def test_flags_and_validity_cannot_be_written() -> None:
    pc = Pc()
    pc.set_cmos(C, 0xFF)
    pc.set_cmos(D, 0x00)
    assert pc.cmos(C) == 0 and pc.cmos(D) == 0x80


def test_bit_7_of_the_index_masks_nmi() -> None:
    pc = Pc()
    pc.outb(0x70, 0x80 | D)
    assert pc.inb(0x71) == 0x80 and pc.platform.nmi_masked
    pc.outb(0x70, D)
    assert not pc.platform.nmi_masked


@pytest.mark.parametrize(
    ("mib", "extended", "beyond_16"),
    [(8, 7 * 1024, 0), (64, 63 * 1024, 768), (128, 0xFFFF, 1792), (3584, 0xFFFF, 57_088)],
)
def test_cmos_tells_firmware_the_memory_size(mib: int, extended: int, beyond_16: int) -> None:
    pc = Pc(memory_bytes=mib << 20)
    words = [pc.cmos(low) | pc.cmos(low + 1) << 8 for low in (0x15, 0x17, 0x30, 0x34)]
    assert words == [640, extended, extended, beyond_16]
    assert sum(pc.cmos(register) for register in range(0x10, 0x2E)) == pc.cmos(0x2E) << 8 | pc.cmos(0x2F)


def test_the_rest_of_cmos_is_memory() -> None:
    pc = Pc()
    for register in range(0x40, 0x80):
        pc.set_cmos(register, register ^ 0x5A)
    assert [pc.cmos(register) for register in range(0x40, 0x80)] == [register ^ 0x5A for register in range(0x40, 0x80)]
