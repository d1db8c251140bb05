"""The I/O APIC: an 82093AA at FEC00000h, 24 inputs, each with an entry that says what message it sends (Intel 82093AA
data sheet).

    page offset 00  register select     10  window: the selected register, 32 bits at a time
    register    0   identification      1   version, last entry     2   arbitration     10+2n, 11+2n  entry n

    entry   0-7 vector   8-10 delivery mode   11 logical   12 delivery status   13 active low   14 remote IRR
            15 level-triggered   16 masked   56-63 destination

An edge on a masked input is forgotten, as the data sheet says. A level-triggered input that has been accepted sets
remote IRR and asks again when the local APIC's EOI message has cleared it and the input is still active. Messages
arrive at once, so the delivery status is always idle. SMI, INIT and ExtINT entries reach nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from node.devices.ports import Line
from node.devices.record import U8, U32, Cells, Record, allocate, cells

BASE = 0xFEC0_0000
PINS = 24
SELECT, WINDOW = 0x00, 0x10
IDENTIFICATION, VERSION, ARBITRATION, ENTRIES = 0, 1, 2, 0x10
VERSION_VALUE = (PINS - 1) << 16 | 0x11

VECTOR, MODE, LOGICAL, ACTIVE_LOW, REMOTE_IRR, LEVEL, MASKED = 0xFF, 0x700, 0x800, 0x2000, 0x4000, 0x8000, 0x1_0000
LOW_WRITABLE = VECTOR | MODE | LOGICAL | ACTIVE_LOW | LEVEL | MASKED
SENT_MODES = (0x000, 0x100, 0x400)  # fixed, lowest priority, NMI
ID_BITS = 0x0F00_0000


@dataclass(frozen=True, slots=True)
class Message:
    vector: int
    mode: int  # the entry's bits 8-10, in place
    level: bool
    destination: int
    logical: bool


Send = Callable[[Message], bool]
"""To the local APICs; whether one of them took it as an interrupt."""


def nobody(message: Message) -> bool:
    return False


class IoApicRecord:
    select: U8  # the register that the window shows
    identification: U32
    arbitration: U32  # follows a write of the identification
    inputs: U32  # as driven now, a bit each
    low: Annotated[Cells, cells(U32, PINS)]  # entries' bits 0-31
    high: Annotated[Cells, cells(U32, PINS)]


class IoApic:
    def __init__(self, send: Send) -> None:
        self.record, self.state = allocate(IoApicRecord)
        self._send = send
        for pin in range(PINS):
            self.state.low[pin] = MASKED

    def line(self, pin: int) -> Line:
        return partial(self._drive, pin)

    def records(self) -> dict[str, Record]:
        return {"io_apic": self.record}

    def end_of_interrupt(self, vector: int) -> None:
        """The message that a local APIC sends when a level-triggered interrupt has been served."""
        for pin in range(PINS):
            low = self.state.low[pin]
            if low & LEVEL and low & VECTOR == vector:
                self.state.low[pin] = low & ~REMOTE_IRR
                self._ask_by_level(pin)

    def read(self, gpa: int, size: int, now: int) -> int:
        """Ones outside of the page; within it, zeros where there is no register."""
        offset = gpa - BASE
        if not 0 <= offset < 0x1000:
            return (1 << 8 * size) - 1
        if offset == SELECT:
            return self.state.select
        return self._register(self.state.select) if (offset, size) == (WINDOW, 4) else 0

    def write(self, gpa: int, size: int, value: int, now: int) -> None:
        if gpa == BASE + SELECT:
            self.state.select = value & 0xFF
        elif (gpa, size) == (BASE + WINDOW, 4):
            self._write_register(self.state.select, value)

    def _register(self, number: int) -> int:
        s = self.state
        if ENTRIES <= number < ENTRIES + 2 * PINS:
            pin, upper = divmod(number - ENTRIES, 2)
            return s.high[pin] if upper else s.low[pin]
        return {IDENTIFICATION: s.identification, VERSION: VERSION_VALUE, ARBITRATION: s.arbitration}.get(number, 0)

    def _write_register(self, number: int, value: int) -> None:
        s = self.state
        if number == IDENTIFICATION:
            s.identification = s.arbitration = value & ID_BITS
        elif ENTRIES <= number < ENTRIES + 2 * PINS:
            pin, upper = divmod(number - ENTRIES, 2)
            if upper:
                s.high[pin] = value & 0xFF00_0000
            else:
                kept = s.low[pin] & REMOTE_IRR if value & LEVEL else 0
                s.low[pin] = value & LOW_WRITABLE | kept
                self._ask_by_level(pin)

    def _drive(self, pin: int, level: bool) -> None:
        s = self.state
        before, bit = s.inputs, 1 << pin
        s.inputs = before | bit if level else before & ~bit
        if s.inputs == before:
            return
        entry = s.low[pin]
        if entry & LEVEL:
            self._ask_by_level(pin)
        elif not entry & MASKED and self._is_active(pin):
            self._message(pin)

    def _is_active(self, pin: int) -> bool:
        return bool(self.state.inputs >> pin & 1) != bool(self.state.low[pin] & ACTIVE_LOW)

    def _ask_by_level(self, pin: int) -> None:
        low = self.state.low[pin]
        if low & (LEVEL | MASKED | REMOTE_IRR) == LEVEL and self._is_active(pin) and self._message(pin):
            self.state.low[pin] = low | REMOTE_IRR

    def _message(self, pin: int) -> bool:
        low, high = self.state.low[pin], self.state.high[pin]
        if low & MODE not in SENT_MODES:
            return False
        message = Message(low & VECTOR, low & MODE, bool(low & LEVEL), high >> 24, bool(low & LOGICAL))
        return self._send(message)
