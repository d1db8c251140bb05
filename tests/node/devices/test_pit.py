"""The 8254 on its ports and on the guest's clock."""

from collections.abc import Callable

from node.devices.pit import FREQUENCY, SECOND, Pit, tick_at, time_of
from node.devices.ports import PortMap


def timer() -> tuple[Pit, PortMap, list[bool]]:
    levels: list[bool] = []
    pit, ports = Pit(levels.append), PortMap()
    pit.claim(ports)
    return pit, ports, levels


def outb(ports: PortMap, now: int) -> Callable[[int, int], None]:
    return lambda port, value: ports.write(port, 1, value, now)


def test_ticks_and_times_agree_without_drift_over_a_century() -> None:
    for tick in (0, 1, 2, FREQUENCY - 1, FREQUENCY, 10**9, 100 * 365 * 86_400 * FREQUENCY + 12_345):
        first = time_of(tick)
        assert tick_at(first) == tick
        assert tick == 0 or tick_at(first - 1) == tick - 1
    assert time_of(FREQUENCY * 3600) == 3600 * SECOND


def program_periodic(ports: PortMap, divisor: int, now: int) -> None:
    out = outb(ports, now)
    out(0x43, 0x34)
    out(0x40, divisor & 0xFF)
    out(0x40, divisor >> 8)


def test_irq0_rises_exactly_at_each_period_of_linux_250_hz() -> None:
    pit, ports, levels = timer()
    divisor = (FREQUENCY + 125) // 250
    program_periodic(ports, divisor, 1000)
    start = tick_at(1000) + 1
    for period in range(1, 1000):
        due = pit.state.due
        assert due == time_of(start + period * divisor)
        levels.clear()
        pit.tick(due - 1)
        assert levels == []
        pit.tick(due)
        assert levels == [False, True]


def test_periods_missed_by_a_late_look_are_one_request_and_the_phase_stays() -> None:
    pit, ports, levels = timer()
    program_periodic(ports, 1000, 0)
    levels.clear()
    pit.tick(time_of(5500))
    assert levels == [False, True]
    assert pit.state.due == time_of(6001)


def test_a_one_shot_raises_irq0_once() -> None:
    pit, ports, levels = timer()
    out = outb(ports, 0)
    out(0x43, 0x30)
    assert levels[-1] is False
    out(0x40, 100)
    out(0x40, 0)
    due = pit.state.due
    assert due == time_of(101)
    pit.tick(due)
    assert levels[-1] is True and pit.state.due == (1 << 63) - 1


def test_read_back_latches_status_and_count_of_the_chosen_counters() -> None:
    pit, ports, _ = timer()
    program_periodic(ports, 0x1234, 0)
    ports.write(0x43, 1, 0xC2, time_of(5))
    later = time_of(500)
    assert [ports.read(0x40, 1, later) for _ in range(3)] == [0xB4, 0x30, 0x12]
    assert not pit.counters[1].state.latched and not pit.counters[2].state.status_latched


def test_the_count_can_be_read_at_any_time_without_a_tick() -> None:
    _, ports, _ = timer()
    program_periodic(ports, 10_000, 0)
    for tick in (1, 2, 5000, 10_000, 10_001, 123_456):
        now = time_of(tick)
        ports.write(0x43, 1, 0x00, now)
        count = ports.read(0x40, 1, now) | ports.read(0x40, 1, now) << 8
        assert count == 10_000 - (tick - 1) % 10_000


def test_the_control_port_reads_all_ones() -> None:
    assert timer()[1].read(0x43, 1, 0) == 0xFF
