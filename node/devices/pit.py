"""The interval timer: an 8254 at 0x40-0x43, clocked at 1193182 Hz (Intel 82C54 data sheet).

    counter 0  OUT = IRQ0          counter 1  memory refresh (nothing listens)          counter 2  GATE, OUT: port 0x61

Time is handed in as guest nanoseconds; tick k begins at the first one with now * 1193182 >= k * 10^9, in integers, so
nothing drifts. IRQ0 sees each rising edge of OUT as a falling and rising one: a request that the guest takes late (its
interrupts were off while OUT fell again) is not lost, and several edges between two looks are one request, as one
request bit can hold no more.
"""

from functools import partial

from node.devices.counter import Counter
from node.devices.ports import Line, PortMap
from node.devices.record import I64, NEVER, Record, allocate

BASE, COUNT_2 = 0x40, 0x42
FREQUENCY = 1_193_182
SECOND = 1_000_000_000


class PitRecord:
    due: I64  # guest time of counter 0's next rising edge, NEVER if none comes


def tick_at(now: int) -> int:
    """The number of clock pulses before or at guest time `now`."""
    return now * FREQUENCY // SECOND


def time_of(tick: int) -> int:
    """The first guest nanosecond of a tick."""
    return -(-tick * SECOND // FREQUENCY)


class Pit:
    def __init__(self, irq0: Line) -> None:
        self.record: Record
        self.record, self.state = allocate(PitRecord)
        self.state.due = NEVER
        self.counters = (Counter(gate=True), Counter(gate=True), Counter(gate=False))
        self._irq0 = irq0

    def tick(self, now: int) -> None:
        """Deliver counter 0's edges up to `now`."""
        if now < self.state.due:
            return
        self._irq0(False)
        self._irq0(True)
        self._plan(tick_at(now))

    def set_gate2(self, level: bool, now: int) -> None:
        self.counters[2].set_gate(level, tick_at(now))

    def out2(self, now: int) -> bool:
        return self.counters[2].out(tick_at(now))

    def claim(self, ports: PortMap) -> None:
        for number in range(3):
            ports.claim(BASE + number, partial(self._read_counter, number), partial(self._write_counter, number))
        ports.claim(0x43, None, self._write_control)

    def lent_count(self) -> tuple[int, int, int] | None:
        """Counter 2, by which kernels measure, as one that falls: a tick, the count then, and whether the low byte has
        been read; None where it does not or is latched."""
        counter = self.counters[2]
        falls = counter.falls_from()
        return falls and (*falls, counter.state.half_read)

    def take_back_count(self, half_read: int) -> None:
        self.counters[2].state.half_read = half_read

    def records(self) -> dict[str, Record]:
        return {"pit": self.record, **{f"pit_{n}": counter.record for n, counter in enumerate(self.counters)}}

    def _read_counter(self, number: int, now: int) -> int:
        return self.counters[number].read(tick_at(now))

    def _write_counter(self, number: int, value: int, now: int) -> None:
        if number == 0:
            self.tick(now)
        self.counters[number].write(value, tick_at(now))
        if number == 0:
            self._follow(now)

    def _write_control(self, value: int, now: int) -> None:
        tick = tick_at(now)
        if value >= 0xC0:
            self._read_back(value, tick)
            return
        counter = self.counters[value >> 6]
        if not value & 0x30:
            counter.latch_count(tick)
            return
        if value < 0x40:
            self.tick(now)
        counter.write_control(value, tick)
        if value < 0x40:
            self._follow(now)

    def _read_back(self, value: int, tick: int) -> None:
        """Latch count (bit 5 = 0) and status (bit 4 = 0) of the counters chosen in bits 1-3."""
        for number, counter in enumerate(self.counters):
            if value & 2 << number:
                if not value & 0x20:
                    counter.latch_count(tick)
                if not value & 0x10:
                    counter.latch_status(tick)

    def _follow(self, now: int) -> None:
        """Counter 0 was programmed: the line takes OUT's level, and the next edge is planned anew."""
        tick = tick_at(now)
        self._irq0(self.counters[0].out(tick))
        self._plan(tick)

    def _plan(self, tick: int) -> None:
        rise = self.counters[0].next_rise(tick)
        self.state.due = time_of(rise) if rise < NEVER else NEVER
