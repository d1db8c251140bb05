"""Our devices around the unicorn CPU: the real platform, driven by a guest, without our processor.

Guest time: `NS_PER_INSTRUCTION` for each instruction of a slice, and straight to the platform's deadline in HLT.
"""

from node.boot.entry import Entry
from node.devices.platform import Platform, PlatformConfig
from node.devices.requests import Exit, Reset
from node.memory.ram import GuestMemory
from tests.support.unicorn_cpu import UnicornCpu

NS_PER_INSTRUCTION = 10
_SLICE = 5_000


class PlatformPc:
    def __init__(self, memory: GuestMemory, entry: Entry) -> None:
        self.memory = memory
        self.now = 0
        self.request: Exit | Reset | None = None
        self.halted = False
        self.console = bytearray()
        config = PlatformConfig(memory_bytes=memory.ram_bytes, exit_port=0xF4, wall_clock_unix_ns=0)
        self.platform = Platform(config, memory, self.console.extend)
        self.cpu = UnicornCpu(memory, entry, self)

    def run(self, *, seconds: float) -> str:
        """Run until the guest ends or `seconds` of guest time have passed; return all of the console so far."""
        end = self.now + int(seconds * 1e9)
        while not self.halted and self.request is None and self.now < end:
            self.cpu.run(_SLICE)
            self.now += _SLICE * NS_PER_INSTRUCTION
            if self.cpu.at_hlt:
                self._sleep()
            self.platform.tick(self.now)
            if self.platform.intr and self.cpu.interrupts_enabled:
                self.cpu.interrupt(self.platform.acknowledge())
        return self.console.decode()

    def type(self, text: str) -> None:
        self.platform.serial_input(text.encode(), self.now)

    def read(self, port: int, width: int) -> int:
        return self.platform.read(port, width, self.now)

    def write(self, port: int, width: int, value: int) -> None:
        self.platform.write(port, width, value, self.now)
        self.request = self.platform.take_request()
        if self.request is not None:
            self.cpu.stop()

    def _sleep(self) -> None:
        self.halted = not self.cpu.interrupts_enabled
        if not self.platform.intr:
            self.now = max(self.now, self.platform.deadline() or self.now)
