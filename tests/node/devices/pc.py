"""A platform with hands: port access at a clock that the test moves."""

from node.devices.io_apic import Send, nobody
from node.devices.platform import Exit, Platform, PlatformConfig, Reset
from node.memory.ram import GuestMemory

SECOND = 1_000_000_000
NEW_YEAR_2024 = 1_704_067_200 * SECOND
"""Monday 2024-01-01 00:00:00."""

MEMORY = GuestMemory(4096)
"""Shared by all: devices are told the memory's size, and none of them touches it yet."""


class Pc:
    def __init__(
        self,
        *,
        memory_bytes: int = 128 << 20,
        exit_port: int | None = 0xF4,
        wall: int = NEW_YEAR_2024,
        send: Send = nobody,
    ) -> None:
        self.sent = bytearray()
        self.now = 0
        self.platform = Platform(PlatformConfig(memory_bytes, exit_port, wall), MEMORY, self.sent.extend, send=send)

    def inb(self, port: int) -> int:
        return self.platform.read(port, 1, self.now)

    def outb(self, port: int, *values: int) -> None:
        for value in values:
            self.platform.write(port, 1, value, self.now)

    def inl(self, port: int) -> int:
        return self.platform.read(port, 4, self.now)

    def outl(self, port: int, value: int) -> None:
        self.platform.write(port, 4, value, self.now)

    def cmos(self, register: int) -> int:
        self.outb(0x70, register)
        return self.inb(0x71)

    def set_cmos(self, register: int, value: int) -> None:
        self.outb(0x70, register)
        self.outb(0x71, value)

    def run_until(self, now: int) -> None:
        """Let guest time pass, ticking at every deadline as a machine does."""
        for _ in range(1_000_000):
            due = self.platform.deadline()
            if due is None or due > now:
                break
            assert due > self.now or self.now == 0, "a deadline that does not move on"
            self.now = due
            self.platform.tick(due)
        else:
            raise AssertionError("too many deadlines")
        self.now = now
        self.platform.tick(now)

    def start_pics(self) -> None:
        """As Linux initialises them: vectors 0x30 and 0x38, everything unmasked."""
        self.outb(0x20, 0x11)
        self.outb(0x21, 0x30, 0x04, 0x01)
        self.outb(0xA0, 0x11)
        self.outb(0xA1, 0x38, 0x02, 0x01)
        self.outb(0x21, 0x00)
        self.outb(0xA1, 0x00)

    def take_interrupts(self) -> list[int]:
        """Acknowledge and end every interrupt that is pending now."""
        vectors = []
        while self.platform.intr:
            vectors.append(self.platform.acknowledge())
            if vectors[-1] >= 0x38:
                self.outb(0xA0, 0x20)
            self.outb(0x20, 0x20)
            assert len(vectors) < 100, "interrupts without end"
        return vectors

    def request(self) -> Reset | Exit | None:
        return self.platform.take_request()

    def load(self, records: dict[str, bytes]) -> None:
        """Overwrite the platform's records, as a restored snapshot does."""
        for name, record in self.platform.records().items():
            record.view("u1")[...] = list(records[name])

    def save(self) -> dict[str, bytes]:
        return {name: record.tobytes() for name, record in self.platform.records().items()}
