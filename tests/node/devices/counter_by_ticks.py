"""The 8254's data sheet told tick by tick: a slow counter against which the closed formulas are checked.

It is written from the sheet's mode descriptions alone and shares nothing with `node.devices.counter`. Each `clock()` is
one CLK pulse; what the guest did since the last one takes effect there.
"""


class CounterByTicks:
    def __init__(self, mode: int, *, bcd: bool, gate: bool) -> None:
        self.mode, self.gate = mode, gate
        self.modulus = 10_000 if bcd else 65_536
        self.element: int | None = None
        self.register: int | None = None
        self.load_next = False  # CE takes the register at the next pulse
        self.trigger_next = False
        self.out = mode != 0
        self.armed = False  # the one-shot part of the mode has yet to happen
        self.phase_high = True  # mode 3: which half of the square wave
        self.odd = False  # mode 3: the count in use is odd

    def write_count(self, count: int) -> None:
        first = self.register is None
        self.register = count or self.modulus
        if self.mode in (0, 4):
            self.load_next = True
            if self.mode == 0:
                self.out = False
        elif self.mode in (2, 3) and first:
            self.load_next = True

    def set_gate(self, level: bool) -> None:
        rising = level and not self.gate
        self.gate = level
        if self.mode in (2, 3):
            if not level:
                self.out = True
            elif rising and self.register is not None:
                self.load_next = True
        elif self.mode in (1, 5) and rising and self.register is not None:
            self.trigger_next = True

    def clock(self) -> None:
        if self.load_next or self.trigger_next:
            self._load()
        elif self.element is not None:
            self._count()

    def _load(self) -> None:
        self.load_next = self.trigger_next = False
        self.element = self.register
        self.armed = True
        if self.mode == 1:
            self.out = False
        elif self.mode in (4, 5):
            self.out = True
        elif self.mode == 3:
            self.out = self.phase_high = True
            assert self.element is not None
            self.odd = bool(self.element & 1)
            self.element &= ~1

    def _count(self) -> None:
        assert self.element is not None and self.register is not None
        if self.mode == 4:
            self.out = True  # the strobe lasts one pulse, whatever the gate does
        if self.mode in (0, 2, 3, 4) and not self.gate:
            return
        if self.mode == 3:
            self._count_square()
        elif self.mode == 2:
            self.element = self.register if self.element == 1 else self.element - 1
            self.out = self.element != 1
        else:
            self.element -= 1
            if self.mode in (4, 5):
                self.out = not (self.element == 0 and self.armed)
            elif self.element == 0 and self.armed:
                self.out = True
            if self.element == 0:
                self.armed = False
            self.element %= self.modulus

    def _count_square(self) -> None:
        """Down by two; an odd count makes the high half one pulse longer."""
        assert self.element is not None and self.register is not None
        last = 0 if self.phase_high and self.odd else 2
        if self.element == last:
            self.phase_high = not self.phase_high
            self.out = self.phase_high
            self.odd = bool(self.register & 1)
            self.element = self.register & ~1
        else:
            self.element -= 2
