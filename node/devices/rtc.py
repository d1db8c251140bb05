"""The clock and CMOS memory: an MC146818A at 0x70 (index, bit 7 masks NMI) and 0x71 (data), on IRQ8.

    00-09  seconds, alarm, minutes, alarm, hours, alarm, weekday, day, month, year      32  century
    0A-0D  registers A-D                                                                0E-7F  memory (battery-backed)

While the clock runs, its registers are a function of guest time: (now - origin) / 10^9 seconds after a known second.
SET (B bit 7) freezes them into memory for the guest to write, and the clock goes on from there. An update ends on the
whole second: UIP is on for the 2228 us before it (244 of warning, 1984 of update), and registers keep the old second.
Interrupt flags in C come up in time whether or not anyone looks: they are brought forward when C is read and when an
*enabled* one falls due (`due`); once IRQ8 is up nothing is due until C is read.
"""

from typing import Annotated

from node.devices.calendar_date import DAY, from_seconds, to_seconds
from node.devices.ports import Line, PortMap
from node.devices.record import I64, NEVER, U8, Cells, Record, allocate, cells
from node.devices.rtc_format import HOURS_24, decode, decode_hour, encode, encode_hour, seconds_to_alarm

SECOND = 1_000_000_000
UPDATE_NS = 2_228_000
SECONDS, MINUTES, HOURS, WEEKDAY, DAY_OF_MONTH, MONTH, YEAR = 0, 2, 4, 6, 7, 8, 9
ALARMS = (1, 3, 5)
A, B, C, D, CENTURY = 10, 11, 12, 13, 0x32
CLOCK_REGISTERS = (SECONDS, MINUTES, HOURS, WEEKDAY, DAY_OF_MONTH, MONTH, YEAR, CENTURY)
DATE_FIELDS = {SECONDS: "second", MINUTES: "minute", DAY_OF_MONTH: "day", MONTH: "month", YEAR: "year"}
B_SET = 0x80
C_IRQ, C_PERIODIC, C_ALARM, C_UPDATE = 0x80, 0x40, 0x20, 0x10
A_RUNNING = 0x20  # divider bits 6:4 = 010: a 32768 Hz crystal


class RtcRecord:
    memory: Annotated[Cells, cells(U8, 128)]  # all registers; those of the running clock only while it is stopped
    index: U8  # register chosen by port 0x70
    nmi_masked: U8  # bit 7 of port 0x70
    origin_seconds: I64  # the clock shows this many seconds since 1970 ...
    origin: I64  # ... at this guest time, which is also the phase of updates and periodic interrupts
    stopped: U8  # SET is on or the divider held: the clock registers stand in `memory`
    weekday_shift: U8  # what the guest set the weekday to, over what the calendar says, modulo 7
    flagged: I64  # guest time up to which the flags in C are true
    due: I64  # guest time at which an enabled flag comes up, NEVER if none will


class Rtc:
    def __init__(self, irq8: Line, wall_clock_unix_ns: int) -> None:
        """A clock that shows `wall_clock_unix_ns` at guest time 0, set up as firmware leaves it: 24 hours, BCD."""
        self.record: Record
        self.record, self.state = allocate(RtcRecord)
        self._irq8 = irq8
        s = self.state
        self._memory = s.memory
        s.origin_seconds, nanoseconds = divmod(wall_clock_unix_ns, SECOND)
        s.origin = -nanoseconds
        self._memory[A], self._memory[B], self._memory[D] = 0x26, HOURS_24, 0x80
        s.due = NEVER

    def tick(self, now: int) -> None:
        """Raise IRQ8 when an enabled flag has come up."""
        if now < self.state.due:
            return
        self._flag(now)
        self._plan()

    @property
    def nmi_masked(self) -> bool:
        return bool(self.state.nmi_masked)

    def store(self, register: int, value: int) -> None:
        """Put a byte into CMOS memory, as the factory and the setup program do."""
        self._memory[register] = value

    def read_memory(self, register: int) -> int:
        return self._memory[register]

    def claim(self, ports: PortMap) -> None:
        ports.claim(0x70, None, self._write_index)
        ports.claim(0x71, self._read_data, self._write_data)

    def records(self) -> dict[str, Record]:
        return {"rtc": self.record}

    # ---- registers

    def _write_index(self, value: int, now: int) -> None:
        self.state.index = value & 0x7F
        self.state.nmi_masked = value >> 7

    def _read_data(self, now: int) -> int:
        index, s = self.state.index, self.state
        if index == A:
            return self._memory[A] | (0x80 if self._updating(now) else 0)
        if index == C:
            return self._read_flags(now)
        if index in CLOCK_REGISTERS and not s.stopped:
            return self._clock_register(index, now)
        return self._memory[index]

    def _write_data(self, value: int, now: int) -> None:
        index, s = self.state.index, self.state
        if index in (C, D):
            return
        self._flag(now)
        if index == A:
            self._write_a(value & 0x7F, now)
        elif index == B:
            self._write_b(value, now)
        elif index in CLOCK_REGISTERS and not s.stopped:
            self._freeze(now)
            self._memory[index] = value
            self._thaw(now)
        else:
            self._memory[index] = value
        self._plan()

    def _write_a(self, value: int, now: int) -> None:
        held = not self._divider_runs()
        self._memory[A] = value
        if held and self._divider_runs():
            self.state.origin = now - SECOND // 2  # the first update comes half a second after the divider starts
        self._stop_or_go(now)

    def _write_b(self, value: int, now: int) -> None:
        if value & B_SET:
            value &= ~C_UPDATE  # SET clears the update-ended interrupt enable
        self._memory[B] = value
        self._stop_or_go(now)
        self._update_line()

    def _read_flags(self, now: int) -> int:
        self._flag(now)
        flags = self._memory[C]
        self._memory[C] = 0
        self._irq8(False)
        self._plan()
        return flags

    # ---- the clock

    def _divider_runs(self) -> bool:
        return self._memory[A] & 0x70 == A_RUNNING

    def _stop_or_go(self, now: int) -> None:
        s = self.state
        stop = bool(self._memory[B] & B_SET) or not self._divider_runs()
        if stop and not s.stopped:
            self._freeze(now)
        elif s.stopped and not stop:
            self._thaw(now)

    def _freeze(self, now: int) -> None:
        s = self.state
        for register in CLOCK_REGISTERS:
            self._memory[register] = self._clock_register(register, now)
        s.stopped = 1

    def _thaw(self, now: int) -> None:
        """The clock runs on from the registers; the divider went on meanwhile, so the phase of the second stays."""
        s, memory, b = self.state, self._memory, self._memory[B]
        s.origin_seconds = to_seconds(
            year=decode(memory[CENTURY], b) * 100 + decode(memory[YEAR], b),
            month=decode(memory[MONTH], b),
            day=decode(memory[DAY_OF_MONTH], b),
            hour=decode_hour(memory[HOURS], b),
            minute=decode(memory[MINUTES], b),
            second=decode(memory[SECONDS], b),
        )
        s.origin = now - (now - s.origin) % SECOND
        s.weekday_shift = (decode(memory[WEEKDAY], b) - from_seconds(s.origin_seconds).weekday) % 7
        s.stopped = 0

    def _seconds(self, now: int) -> int:
        return self.state.origin_seconds + (now - self.state.origin) // SECOND

    def _updating(self, now: int) -> bool:
        s = self.state
        return not s.stopped and (now - s.origin) % SECOND >= SECOND - UPDATE_NS

    def _clock_register(self, register: int, now: int) -> int:
        date, b = from_seconds(self._seconds(now)), self._memory[B]
        if register == HOURS:
            return encode_hour(date.hour, b)
        if register == WEEKDAY:
            return encode((date.weekday - 1 + self.state.weekday_shift) % 7 + 1, b)
        if register == CENTURY:
            return encode(date.year // 100 % 100, b)
        return encode(getattr(date, DATE_FIELDS[register]) % 100, b)

    # ---- interrupts

    def _flag(self, now: int) -> None:
        """Set the flags whose events lie in (flagged, now]."""
        s = self.state
        since, s.flagged = s.flagged, now
        if self._next_periodic(since) <= now:
            self._memory[C] |= C_PERIODIC
        if self._next_update(since) <= now:
            self._memory[C] |= C_UPDATE
            if self._next_alarm(since) <= now:
                self._memory[C] |= C_ALARM
        self._update_line()

    def _update_line(self) -> None:
        """IRQF and IRQ8 are on while a flag and its enable are."""
        flags = self._memory[C] & 0x70
        active = flags & self._memory[B]
        self._memory[C] = flags | C_IRQ if active else flags
        self._irq8(active != 0)

    def _plan(self) -> None:
        s, enabled = self.state, self._memory[B]
        if self._memory[C] & C_IRQ:
            s.due = NEVER
            return
        s.due = min(
            self._next_periodic(s.flagged) if enabled & C_PERIODIC else NEVER,
            self._next_update(s.flagged) if enabled & C_UPDATE else NEVER,
            self._next_alarm(s.flagged) if enabled & C_ALARM else NEVER,
        )

    def _next_periodic(self, after: int) -> int:
        """Periodic rate RS: 1 and 2 give 256 and 128 Hz, 3-15 give 8192 Hz halved at each step, 0 none."""
        rate = self._memory[A] & 0x0F
        if not rate or not self._divider_runs():
            return NEVER
        frequency = 256 >> rate - 1 if rate <= 2 else 32_768 >> rate - 1
        origin = self.state.origin
        event = (after - origin) * frequency // SECOND + 1
        return origin - (-event * SECOND // frequency)

    def _next_update(self, after: int) -> int:
        s = self.state
        return NEVER if s.stopped else s.origin + ((after - s.origin) // SECOND + 1) * SECOND

    def _next_alarm(self, after: int) -> int:
        """The first update after `after` whose time matches the alarm bytes (11xxxxxx matches any)."""
        s = self.state
        if s.stopped:
            return NEVER
        second, minute, hour = (self._memory[register] for register in ALARMS)
        first = self._seconds(after) + 1
        distance = seconds_to_alarm(first % DAY, hour=hour, minute=minute, second=second, b=self._memory[B])
        return NEVER if distance is None else s.origin + (first + distance - s.origin_seconds) * SECOND
