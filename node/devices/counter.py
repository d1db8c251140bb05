"""One counter of the 8254 (Intel 82C54 data sheet), as exact functions of the clock tick.

Nothing here counts: a counter remembers the tick at which its counting element (CE) held a known value, and value, OUT
and the next rising edge of OUT follow by integer arithmetic at any tick asked for. Reading changes nothing, so the
record depends on what the guest wrote and when, never on how often anybody looked.

    mode 0  OUT low, high after N ticks        GATE low stops counting
    mode 1  OUT low for N ticks per trigger    GATE rising triggers
    mode 2  OUT low in the last of N ticks     GATE low stops, rising reloads; a new count waits for the cycle's end
    mode 3  OUT high for half of N ticks       the same, but it waits for the half cycle's end
    mode 4  OUT low for one tick after N       GATE low stops counting
    mode 5  the same per trigger               GATE rising triggers

A count written in tick t is in CE from tick t+1 on.
"""

from node.devices.record import I64, NEVER, U8, U16, Record, allocate

EMPTY, ARMED, RUNNING = 0, 1, 2
LOW_BYTE, HIGH_BYTE, BOTH_BYTES = 1, 2, 3


class CounterRecord:
    control: U8  # bits 5:0 of the last control word: access, mode, BCD
    mode: U8  # 0-5
    access: U8  # bytes per access: 1 = low, 2 = high, 3 = low then high
    bcd: U8  # four decimal digits instead of sixteen bits
    gate: U8  # the GATE input
    phase: U8  # 0 = no count since the control word, 1 = count waits for a trigger, 2 = counting
    held: U8  # counting stopped by GATE (or by half a count written in mode 0); CE = initial
    spent: U8  # the one-shot modes' OUT has done its work before counting was stopped and resumed
    unloaded: U8  # a count was written that CE takes at the next trigger only
    was_low: U8  # OUT was low when CE was reloaded or held: it stays so until tick `start`
    reload: I64  # count register: 1-65536 (1-10000 in BCD)
    initial: I64  # value of CE at tick `start`
    start: I64  # tick at which CE holds `initial`; may lie ahead
    change: I64  # tick at which modes 2 and 3 take over `reload`, NEVER if they have
    change_start: I64  # what `start` becomes then
    half_written: U8  # the low byte of a two-byte count has been written
    written: U8  # that low byte
    half_read: U8  # the low byte of a two-byte count has been read
    latched: U8  # a latched count waits to be read
    latch: U16  # the latched count
    status_latched: U8  # a latched status byte waits to be read
    status: U8  # the latched status byte


class Counter:
    def __init__(self, *, gate: bool) -> None:
        self.record: Record
        self.record, self.state = allocate(CounterRecord)
        s = self.state
        s.gate = 1 if gate else 0
        s.access = BOTH_BYTES
        s.reload = s.initial = 1 << 16
        s.change = NEVER

    # ---- what the guest does

    def write_control(self, control: int, tick: int) -> None:
        """A control word for this counter (not a latch command): counting stops until a count is written."""
        s = self.state
        s.initial = self._element(tick)
        s.control = control & 0x3F
        s.access = control >> 4 & 3
        mode = control >> 1 & 7
        s.mode = mode if mode < 6 else mode - 4
        s.bcd = control & 1
        s.phase = EMPTY
        s.held = s.spent = s.unloaded = s.half_written = s.half_read = s.latched = s.status_latched = 0
        s.change = NEVER

    def write(self, value: int, tick: int) -> None:
        """A byte of a new count."""
        s = self.state
        if s.access == LOW_BYTE:
            self._load(value, tick)
        elif s.access == HIGH_BYTE:
            self._load(value << 8, tick)
        elif s.half_written:
            s.half_written = 0
            self._load(value << 8 | s.written, tick)
        else:
            s.half_written = 1
            s.written = value
            if s.mode == 0 and s.phase == RUNNING:  # the first byte stops counting and drops OUT
                s.initial, s.held, s.spent = self._element(tick), 1, 0
                s.initial = max(s.initial, 1)

    def read(self, tick: int) -> int:
        """The next byte: of a latched status, else of a latched count, else of the count as it runs."""
        s = self.state
        if s.status_latched:
            s.status_latched = 0
            return s.status
        count = s.latch if s.latched else self.count(tick)
        if s.access == BOTH_BYTES and not s.half_read:
            s.half_read = 1
            return count & 0xFF
        s.half_read = s.latched = 0
        return count & 0xFF if s.access == LOW_BYTE else count >> 8

    def falls_from(self) -> tuple[int, int] | None:
        """(tick, count) from which on the count falls by one a tick, modulo 2^16, and reads as it runs, low byte first,
        until somebody writes here or moves GATE; None where it is not as simple."""
        s = self.state
        plain = s.access == BOTH_BYTES and not (s.bcd or s.latched or s.status_latched)
        counts = s.phase == RUNNING and s.mode not in (2, 3) and not s.held
        return (s.start, s.initial) if plain and counts else None

    def latch_count(self, tick: int) -> None:
        if not self.state.latched:
            self.state.latch = self.count(tick)
            self.state.latched = 1

    def latch_status(self, tick: int) -> None:
        s = self.state
        if not s.status_latched:
            null = s.phase != RUNNING or s.unloaded or tick < s.start or NEVER > s.change > tick
            s.status = (0x80 if self.out(tick) else 0) | (0x40 if null else 0) | s.control
            s.status_latched = 1

    def set_gate(self, level: bool, tick: int) -> None:
        s = self.state
        if s.gate == level:
            return
        s.gate = 1 if level else 0
        if s.phase == EMPTY:
            return
        if s.mode in (1, 5):
            if level:
                self._trigger(tick)
        elif level and s.mode in (2, 3):
            self._trigger(tick)
        elif level:
            s.start, s.held = tick, 0
        else:
            self._hold(tick)

    # ---- what follows from it

    def count(self, tick: int) -> int:
        """The counter as it reads: 16 bits, or four decimal digits."""
        value = self._element(tick)
        if not self.state.bcd:
            return value & 0xFFFF
        return value % 10 | value // 10 % 10 << 4 | value // 100 % 10 << 8 | value // 1000 % 10 << 12

    def out(self, tick: int) -> bool:
        s = self.state
        if s.phase != RUNNING:
            return s.mode != 0
        start, initial = self._cycle(tick)
        elapsed = tick - start
        if s.mode == 0:
            return bool(s.spent) or (not s.held and elapsed >= initial)
        if s.mode == 1:
            return elapsed >= initial or (elapsed < 0 and not s.was_low)
        if s.mode in (4, 5):
            return not s.was_low if elapsed < 0 else bool(s.spent or s.held) or elapsed != initial
        if s.held or elapsed < 0:
            return True
        position = elapsed % initial
        return position != initial - 1 if s.mode == 2 else position < initial + 1 >> 1

    def next_rise(self, tick: int) -> int:
        """The first tick after `tick` at which OUT rises by itself, NEVER if it does not."""
        s = self.state
        if s.mode >= 4 and s.phase == RUNNING and s.was_low and tick < s.start:
            return s.start  # a strobe in progress ends
        if s.phase != RUNNING or s.held:
            return NEVER
        if s.mode not in (2, 3):
            rise = s.start + s.initial + (1 if s.mode >= 4 else 0)
            return NEVER if s.spent or rise <= tick else rise
        if tick < s.change < NEVER:
            if s.mode == 2 or s.change == s.change_start:
                return s.change
            return s.change_start + s.reload if s.reload > 1 else NEVER
        start, initial = self._cycle(tick)
        if initial == 1:  # not a legal count in these modes: OUT never moves
            return NEVER
        return start + (max(tick - start, 0) // initial + 1) * initial

    # ---- inside

    def _load(self, raw: int, tick: int) -> None:
        """A whole count has been written."""
        s = self.state
        self._settle(tick)
        s.reload = self._decode(raw)
        if s.mode in (1, 5):
            s.unloaded = 1
            s.phase = max(s.phase, ARMED)
        elif s.mode in (2, 3) and s.phase == RUNNING and tick >= s.start:
            if not s.held:
                self._plan_change(tick)
        else:
            s.was_low = 0 if self.out(tick) else 1
            s.phase = RUNNING
            s.initial, s.start = s.reload, tick + 1
            s.spent = 0
            s.held = 0 if s.gate else 1

    def _trigger(self, tick: int) -> None:
        s = self.state
        s.was_low = 0 if self.out(tick) else 1
        s.initial, s.start, s.change = s.reload, tick + 1, NEVER
        s.phase = RUNNING
        s.held = s.spent = s.unloaded = 0

    def _hold(self, tick: int) -> None:
        """GATE fell: counting stops where it is."""
        s = self.state
        s.was_low = 0 if self.out(tick) else 1
        if s.mode == 0:
            s.spent = 1 - s.was_low
        elif s.mode == 4:
            s.spent = 1 if s.spent or tick >= s.start + s.initial else 0
        s.initial = self._element(tick)
        s.start = tick + 1
        s.change = NEVER
        s.held = 1

    def _plan_change(self, tick: int) -> None:
        """Modes 2 and 3 finish their cycle or half cycle with the old count."""
        s = self.state
        elapsed = max(tick - s.start, 0)
        cycles, position = divmod(elapsed, s.initial)
        base = s.start + cycles * s.initial
        high = s.initial + 1 >> 1
        if s.mode == 3 and position < high < s.initial:
            s.change = base + high
            s.change_start = s.change - (s.reload + 1 >> 1)  # the new count starts with its low half
        else:
            s.change = s.change_start = base + s.initial

    def _settle(self, tick: int) -> None:
        """Forget a planned change that has come to pass."""
        s = self.state
        s.start, s.initial = self._cycle(tick)
        if tick >= s.change:
            s.change = NEVER

    def _cycle(self, tick: int) -> tuple[int, int]:
        """`start` and `initial` in force at `tick`."""
        s = self.state
        return (s.change_start, s.reload) if tick >= s.change else (s.start, s.initial)

    def _element(self, tick: int) -> int:
        """CE at `tick`; the largest count is 65536 (or 10000) and only reads as 0."""
        s = self.state
        start, initial = self._cycle(tick)
        elapsed = tick - start
        if s.phase != RUNNING or s.held or elapsed < 0:
            return initial & ~1 if s.mode == 3 else initial
        if s.mode == 2:
            return initial - elapsed % initial
        if s.mode == 3:
            high = initial + 1 >> 1
            position = elapsed % initial
            return (initial & ~1) - 2 * (position if position < high else position - high)
        return initial - elapsed if elapsed <= initial else (initial - elapsed) % (10_000 if s.bcd else 0x10000)

    def _decode(self, raw: int) -> int:
        """The count that a written value means; 0 is the largest."""
        if not self.state.bcd:
            return raw or 0x10000
        digits = (raw & 0xF) + (raw >> 4 & 0xF) * 10 + (raw >> 8 & 0xF) * 100 + (raw >> 12) * 1000
        return digits % 10_000 or 10_000
