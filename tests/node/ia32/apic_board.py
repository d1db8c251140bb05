"""A processor whose local APIC is read and written as its own instructions would, at a guest time that tests set."""

from node.ia32 import apic_interrupts, apic_timer
from node.ia32.apic import read_apic, write_apic
from node.ia32.models import MODELS
from node.ia32.processor import PlainEngine, Processor
from node.ia32.reset import reset
from node.ia32.state import EXIT_NONE
from node.memory.ram import GuestMemory

ID, VERSION, TPR, APR, PPR, EOI, LDR, DFR, SVR = 0x20, 0x30, 0x80, 0x90, 0xA0, 0xB0, 0xD0, 0xE0, 0xF0
ISR, TMR, IRR, ESR, ICR, ICR_HIGH = 0x100, 0x180, 0x200, 0x280, 0x300, 0x310
LVT_TIMER, LVT_THERMAL, LVT_COUNTERS, LINT0, LINT1, LVT_ERROR = range(0x320, 0x380, 0x10)
INITIAL, CURRENT, DIVIDE = 0x380, 0x390, 0x3E0
MASKED, PERIODIC, LEVEL, REMOTE_IRR = 0x1_0000, 0x2_0000, 0x8000, 0x4000
SELF = 0x4_0000
BY_1 = 0xB


class Board:
    """`enabled`: as a kernel sets it up, with spurious vector FFh."""

    def __init__(self, model: str = "pentium4", *, enabled: bool = True) -> None:
        self.processor = Processor(GuestMemory(1 << 20), PlainEngine(), MODELS[model])
        self.c, self.m = self.processor.cpu, self.processor.machine
        reset(self.c, self.m)
        if enabled:
            self[SVR] = 0x1FF

    def __getitem__(self, offset: int) -> int:
        return read_apic(self.c, self.m, offset, 4)

    def __setitem__(self, offset: int, value: int) -> None:
        write_apic(self.c, self.m, offset, 4, value)

    def at(self, now: int) -> "Board":
        """Guest time comes to `now`, as a machine lets it: the timer expires when it is due."""
        while self.c.apic_due <= now:
            self.m.tsc_now = self.c.apic_due
            apic_timer.expire(self.c, self.m, self.c.apic_due)
        self.m.tsc_now = now
        return self

    def drive(self, pin: int, level: bool) -> None:
        apic_interrupts.drive(self.c, self.m, pin, int(level))

    def bits(self, bank: int) -> set[int]:
        """The vectors in IRR, ISR or TMR."""
        return {v for v in range(256) if self[bank + (v >> 5 << 4)] >> (v & 31) & 1}

    def take(self) -> int:
        """Let the processor acknowledge what it is shown, 0 if nothing is."""
        return apic_interrupts.take(self.c, self.m) if self.m.apic_vector else 0

    def end(self) -> int:
        """EOI; the vector that I/O APICs are told of, or 0."""
        self.m.exit, self.m.eoi_vector = EXIT_NONE, 0
        self[EOI] = 0
        return self.m.eoi_vector if self.m.exit else 0
