"""What a VMM mode owns: how the processor's exits are handled, and (with the modes to come) what a privileged
operation does
and how a TLB miss is resolved. `native` is no VMM at all: ring 0 is ring 0, the guest's own page tables are walked,
ports
lead straight to the devices."""

from typing import Protocol

from node.devices.platform import SERIAL_DATA, TIMER_COUNT, TIMER_HZ, Platform
from node.ia32.processor import Processor
from node.ia32.state import NO_PORT


class Mode(Protocol):
    name: str

    def lend_ports(self, processor: Processor, platform: Platform, *, exact: bool) -> None:
        """Guest code is about to run: tell the processor which accesses to ports need no exit, as the devices are.
        `exact`: it knows at every instruction what time it is."""
        ...

    def collect_ports(self, processor: Processor, platform: Platform) -> None:
        """Guest code has run: do first to the devices what it has done to ports without an exit."""
        ...

    def port_access(self, processor: Processor, platform: Platform, now: int) -> None:
        """The processor stands before an IN or OUT (machine.io_*): do it, and let the instruction be executed again."""
        ...

    def memory_access(self, processor: Processor, platform: Platform, now: int) -> None:
        """An instruction has written to devices' memory (machine.posted_*), or stands before a read of it
        (machine.bus_*): do it; after a read the instruction is executed again."""
        ...


class Native:
    name = "native"

    def lend_ports(self, processor: Processor, platform: Platform, *, exact: bool) -> None:
        for port, answer in platform.standing_answers():
            processor.answer_port(port, answer)
        processor.keep_bytes(SERIAL_DATA if platform.serial_takes_bytes_later() else None)
        count = platform.lent_count() if exact else None
        processor.lend_timer(TIMER_COUNT if count else NO_PORT, TIMER_HZ, *(count or (0, 0, 0)))

    def collect_ports(self, processor: Processor, platform: Platform) -> None:
        m = processor.machine
        if m.sink_used:
            platform.serial_take_bytes(processor.take_bytes())
        if m.timer_port == TIMER_COUNT:
            platform.take_back_count(m.timer_half)

    def port_access(self, processor: Processor, platform: Platform, now: int) -> None:
        m = processor.machine
        if m.io_write:
            platform.write(m.io_port, m.io_size, m.io_value, now)
        else:
            m.io_value = platform.read(m.io_port, m.io_size, now)
        m.io_ready = 1

    def memory_access(self, processor: Processor, platform: Platform, now: int) -> None:
        m = processor.machine
        if m.posted == 0:
            m.answer[m.answers] = platform.read_memory(m.bus_address, m.bus_size, now)
            m.answers += 1
        for i in range(m.posted):
            platform.write_memory(m.posted_address[i], m.posted_size[i], m.posted_value[i], now)
        m.posted = 0


MODES: dict[str, type[Mode]] = {"native": Native}
