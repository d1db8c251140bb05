"""The guest on our devices and a CPU that is not ours: timer, interrupts, serial port and debug exit together."""

import numpy as np

from node.devices.requests import Exit
from tests.support.builtin_guest import guest_on_platform


def lines(console: str) -> list[str]:
    return console.replace("\r\n", "\n").splitlines()


def test_the_timer_counts_guest_seconds() -> None:
    machine = guest_on_platform("tick count=3 exit=5")
    assert lines(machine.run(seconds=10))[1:] == ["tick 1", "tick 2", "tick 3"]
    assert machine.request == Exit(5)
    assert 3.0 <= machine.now / 1e9 < 3.1


def test_dirty_keeps_its_rate() -> None:
    machine = guest_on_platform("dirty rate=500 pages=30 words=16 sweep=1 seconds=2 exit=0")
    assert "dirty: seq=2 pages=30 written=1000 sweeps=2 errors=0" in lines(machine.run(seconds=10))
    assert machine.request == Exit(0)


def test_typed_lines_come_back_through_the_serial_port() -> None:
    machine = guest_on_platform("console exit=1")
    machine.run(seconds=0.1)
    typed = [f"the line with number {n}" for n in range(20)]
    machine.type("".join(f"{line}\r" for line in typed) + "quit\r")
    said = lines(machine.run(seconds=30))
    assert [line.partition(": ")[2] for line in said if line.startswith("line ")] == typed
    assert machine.request == Exit(1)


def test_a_halted_guest_has_interrupts_off() -> None:
    machine = guest_on_platform("work n=1")
    assert lines(machine.run(seconds=10))[-1] == "halted"
    assert machine.halted


def test_the_same_run_twice_leaves_the_same_memory_and_devices() -> None:
    one, two = (guest_on_platform("dirty rate=max pages=20 words=64") for _ in range(2))
    assert one.run(seconds=0.2) == two.run(seconds=0.2)
    assert np.array_equal(one.memory.bytes, two.memory.bytes)
    for name, record in one.platform.records().items():
        assert record.tobytes() == two.platform.records()[name].tobytes(), name
