"""One 8254 counter: the closed formulas against a tick-by-tick reading of the data sheet, and its byte interface."""

import random

import pytest

from node.devices.counter import Counter
from node.devices.record import NEVER
from tests.node.devices.counter_by_ticks import CounterByTicks
from tests.node.devices.programs import seeds

TICKS = 400


def control(mode: int, *, access: int = 3, bcd: bool = False) -> int:
    return access << 4 | mode << 1 | bcd


def digits(value: int) -> int:
    """A number as four decimal digits."""
    return int(f"{value % 10_000:04d}", 16)


def write_count(counter: Counter, count: int, tick: int) -> None:
    counter.write(count & 0xFF, tick)
    counter.write(count >> 8, tick)


def random_count(rng: random.Random, *, bcd: bool) -> int:
    """Mostly short, so that cycles end within the test; sometimes the largest."""
    return rng.choice([rng.randint(2, 9), rng.randint(10, 60), rng.randint(2, 120), 9999 if bcd else 65_535, 0])


@pytest.mark.parametrize("bcd", [False, True])
@pytest.mark.parametrize("mode", range(6))
@pytest.mark.parametrize("seed", seeds(8, 100))
def test_value_output_and_next_edge_are_those_of_the_chip_clocked_tick_by_tick(mode: int, bcd: bool, seed: int) -> None:
    rng = random.Random(f"{mode} {bcd} {seed}")
    gate = rng.random() < 0.7
    counter, chip = Counter(gate=gate), CounterByTicks(mode, bcd=bcd, gate=gate)
    counter.write_control(control(mode, bcd=bcd), 0)
    encode = digits if bcd else (lambda value: value & 0xFFFF)
    due = NEVER
    for tick in range(TICKS):
        before = chip.out
        if tick:
            chip.clock()
        rises = chip.out and not before
        assert rises == (due == tick), f"tick {tick}: rising edge {rises}, promised at {due}"
        pending = chip.load_next or chip.trigger_next
        if chip.element is not None and not pending:
            assert counter.count(tick) == encode(chip.element), f"tick {tick}"
        if rng.random() < 0.06:
            count = random_count(rng, bcd=bcd)
            write_count(counter, digits(count) if bcd else count, tick)
            chip.write_count(count)
        elif rng.random() < 0.06:
            level = not chip.gate
            counter.set_gate(level, tick)
            chip.set_gate(level)
        assert counter.out(tick) == chip.out, f"tick {tick}"
        due = counter.next_rise(tick)


def running(mode: int, count: int, *, gate: bool = True) -> Counter:
    counter = Counter(gate=gate)
    counter.write_control(control(mode), 0)
    write_count(counter, count, 0)
    return counter


def test_a_count_written_in_tick_zero_is_in_the_counter_from_tick_one() -> None:
    counter = running(0, 5)
    assert [counter.count(tick) for tick in range(1, 8)] == [5, 4, 3, 2, 1, 0, 0xFFFF]
    assert [counter.out(tick) for tick in range(1, 8)] == [False] * 5 + [True] * 2


def test_mode_2_is_low_in_the_last_tick_of_each_cycle() -> None:
    counter = running(2, 4)
    assert [counter.out(tick) for tick in range(1, 10)] == [True, True, True, False] * 2 + [True]
    assert counter.next_rise(1) == 5 and counter.next_rise(5) == 9


def test_mode_3_with_an_odd_count_is_high_one_tick_longer_than_low() -> None:
    counter = running(3, 5)
    assert [counter.out(tick) for tick in range(1, 11)] == [True, True, True, False, False] * 2
    assert [counter.count(tick) for tick in range(1, 6)] == [4, 2, 0, 4, 2]


def test_a_count_of_zero_is_the_largest() -> None:
    assert running(2, 0).next_rise(1) == 65_537
    counter = Counter(gate=True)
    counter.write_control(control(2, bcd=True), 0)
    write_count(counter, 0, 0)
    assert counter.next_rise(1) == 10_001


def test_a_latched_count_stays_until_both_bytes_are_read_whatever_is_latched_again() -> None:
    counter = running(2, 0x1234)
    counter.latch_count(1)
    counter.latch_count(50)
    assert [counter.read(100), counter.read(100)] == [0x34, 0x12]
    assert counter.read(1 + 0x34) == 0x00  # the latch is spent: the running count again


def test_a_latched_status_is_read_before_a_latched_count() -> None:
    counter = running(2, 0x1234)
    counter.latch_count(1)
    counter.latch_status(1)
    assert [counter.read(1) for _ in range(3)] == [0x80 | control(2), 0x34, 0x12]


def test_status_tells_that_a_count_is_not_yet_loaded() -> None:
    counter = Counter(gate=False)
    counter.write_control(control(1), 0)
    counter.latch_status(0)
    assert counter.read(0) & 0x40
    write_count(counter, 5, 0)
    counter.latch_status(9)
    assert counter.read(9) & 0x40, "mode 1 loads at the trigger"
    counter.set_gate(True, 9)
    counter.latch_status(10)
    assert not counter.read(10) & 0x40
    write_count(counter, 7, 11)
    counter.latch_status(12)
    assert counter.read(12) & 0x40, "the new count waits for the next trigger"


def test_status_tells_of_a_new_period_until_it_is_taken_over() -> None:
    counter = running(2, 10)
    write_count(counter, 20, 3)
    counter.latch_status(10)
    assert counter.read(10) & 0x40
    counter.latch_status(11)
    assert not counter.read(11) & 0x40
    assert counter.next_rise(11) == 31


def test_single_byte_access_writes_and_reads_one_half() -> None:
    counter = Counter(gate=True)
    counter.write_control(control(2, access=1), 0)
    counter.write(0x20, 0)
    assert counter.read(1) == 0x20 and counter.read(1) == 0x20
    counter.write_control(control(2, access=2), 5)
    counter.write(0x20, 5)
    assert counter.read(6) == 0x20 and counter.count(6) == 0x2000


def test_half_a_count_stops_mode_0_with_its_output_low() -> None:
    counter = running(0, 3)
    assert counter.out(4)
    counter.write(9, 10)
    assert not counter.out(10) and not counter.out(10_000) and counter.next_rise(10) == NEVER
    counter.write(0, 20)
    assert counter.next_rise(20) == 30


def test_modes_6_and_7_are_modes_2_and_3() -> None:
    counter = Counter(gate=True)
    for written, meant in ((6, 2), (7, 3)):
        counter.write_control(control(written), 0)
        assert counter.state.mode == meant


def test_reading_changes_nothing_but_the_byte_order_and_the_latches() -> None:
    counter = running(3, 77)
    before = counter.record.tobytes()
    for tick in range(300):
        counter.count(tick), counter.out(tick), counter.next_rise(tick)
    assert counter.record.tobytes() == before
