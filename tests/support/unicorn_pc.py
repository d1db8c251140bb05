"""A PC just large enough for the built-in guest, around the unicorn CPU: COM1, the timer's interrupt, the debug exit.

It runs on the very memory that a loader filled, so a test sees and damages what the guest sees. Time is the test's:
the timer ticks when the guest sleeps in HLT, and after `instructions_per_tick` instructions otherwise.
"""

from node.boot.entry import Entry
from node.memory.ram import GuestMemory
from tests.support.unicorn_cpu import UnicornCpu

_COM1, _LINE_CONTROL, _LINE_STATUS, _DEBUG_EXIT = 0x3F8, 0x3FB, 0x3FD, 0xF4
_TIMER_VECTOR, _SERIAL_VECTOR = 32, 36


class UnicornPc:
    def __init__(self, memory: GuestMemory, entry: Entry, *, instructions_per_tick: int) -> None:
        self.memory = memory
        self.cpu = UnicornCpu(memory, entry, self)
        self.console = bytearray()
        self.input = bytearray()
        self.exit_value: int | None = None
        self.halted = False
        self.ticks = 0
        self._instructions_per_tick = instructions_per_tick
        self._divisor_latch = False

    def run(self, *, ticks: int) -> str:
        """Run until the guest ends or the timer has ticked `ticks` times more; return all of the console so far."""
        last = self.ticks + ticks
        while not self.ended and self.ticks < last:
            self.cpu.run(self._instructions_per_tick)
            if self.cpu.interrupts_enabled:
                self._interrupt()
            else:
                self.halted = self.cpu.at_hlt  # if not: a critical section, and the tick waits
        return self.console.decode()

    def run_to_end(self, *, most_ticks: int = 2000) -> str:
        """Run until the guest ends, which it must do within `most_ticks`."""
        console = self.run(ticks=most_ticks)
        assert self.ended, f"the guest still runs after {most_ticks} ticks:\n{console}"
        return console

    def type(self, text: str) -> None:
        """Queue input for COM1; its interrupt comes instead of the next tick."""
        self.input += text.encode()

    @property
    def ended(self) -> bool:
        return self.halted or self.exit_value is not None

    def read(self, port: int, width: int) -> int:
        if port == _LINE_STATUS:
            return 0x60 | bool(self.input)
        if port == _COM1 and self.input:
            return self.input.pop(0)
        return (1 << 8 * width) - 1

    def write(self, port: int, width: int, value: int) -> None:
        if port == _COM1 and not self._divisor_latch:
            self.console.append(value)
        elif port == _LINE_CONTROL:
            self._divisor_latch = bool(value & 0x80)
        elif port == _DEBUG_EXIT:
            self.exit_value = value
            self.cpu.stop()

    def _interrupt(self) -> None:
        if self.ended:
            return
        if self.input:
            self.cpu.interrupt(_SERIAL_VECTOR)
        else:
            self.ticks += 1
            self.cpu.interrupt(_TIMER_VECTOR)
