"""The i440FX-like PC: its devices wired to I/O ports and interrupt lines.

    IRQ 0 timer   1 keyboard   2 cascade   4 COM1   8 clock   13 floating-point errors

Each line leads to the 8259A pair and to the I/O APIC's input of that number, the timer's to input 2; software decides
which of the two it listens to.

Time is `now`, guest nanoseconds handed in, never read. All state is in `records()`; restoring is overwriting them in
place. A port access sees the devices at its own `now`; interrupt lines change by themselves only in `tick`, which has
something to do from `deadline()` on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from node.devices.debug_exit import DebugExit
from node.devices.dma import Dma
from node.devices.firmware_configuration import FirmwareConfiguration
from node.devices.io_apic import IoApic, Send, nobody
from node.devices.keyboard import Keyboard
from node.devices.keyboard_controller import KeyboardController
from node.devices.pci import Pci
from node.devices.pic import Pic
from node.devices.pit import COUNT_2 as TIMER_COUNT
from node.devices.pit import FREQUENCY as TIMER_HZ
from node.devices.pit import Pit
from node.devices.ports import NOBODY_LISTENS, Line, Listeners, PortMap
from node.devices.record import NEVER, Record
from node.devices.requests import Exit, Requests, Reset
from node.devices.rtc import Rtc
from node.devices.system import System
from node.devices.uart import BASE as SERIAL_DATA
from node.devices.uart import Uart
from node.memory.ram import GuestMemory

__all__ = ["SERIAL_DATA", "TIMER_COUNT", "TIMER_HZ", "Exit", "Platform", "PlatformConfig", "Reset"]

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class PlatformConfig:
    memory_bytes: int
    exit_port: int | None
    wall_clock_unix_ns: int


class Platform:
    def __init__(
        self,
        config: PlatformConfig,
        memory: GuestMemory,
        serial_out: Callable[[bytes], None],
        *,
        send: Send = nobody,
        listeners: Listeners = NOBODY_LISTENS,
    ) -> None:
        """`send` takes interrupt messages to the processor's local APIC; `listeners` hear what is written to ports,
        whether a device is there or not."""
        self.config = config
        self.memory = memory
        self._ports = PortMap(listeners)
        self._requests = Requests()
        self._pic = pic = Pic()
        self._io_apic = IoApic(send)
        self._pit = Pit(irq0=self._line(0, pin=2))
        self._rtc = Rtc(irq8=self._line(8), wall_clock_unix_ns=config.wall_clock_unix_ns)
        self._uart = Uart(irq4=self._line(4), transmit=serial_out)
        keyboard = Keyboard()
        self._keyboard_controller = KeyboardController(keyboard, irq1=self._line(1), reset=self._requests.reset)
        self._system = System(
            set_gate2=self._pit.set_gate2, out2=self._pit.out2, irq13=self._line(13), reset=self._requests.reset
        )
        self._pci = Pci()
        told = FirmwareConfiguration(config.memory_bytes)
        devices = (
            pic,
            self._pit,
            self._rtc,
            self._uart,
            self._keyboard_controller,
            self._system,
            self._pci,
            Dma(),
            told,
        )
        for device in devices:
            device.claim(self._ports)
        if config.exit_port is not None:
            DebugExit(config.exit_port, self._requests.exit).claim(self._ports)
        self._records = {
            name: record
            for device in (*devices, keyboard, self._io_apic, self._requests)
            for name, record in device.records().items()
        }
        _store_memory_size(self._rtc, config.memory_bytes)
        self.read = self._ports.read
        self.write = self._ports.write
        self.read_memory = self._io_apic.read
        self.write_memory = self._io_apic.write
        self.standing_answers = self._uart.standing_answers
        self.lent_count, self.take_back_count = self._pit.lent_count, self._pit.take_back_count
        self.serial_takes_bytes_later = self._uart.takes_bytes_later
        self.serial_take_bytes = self._uart.take_bytes
        self.end_of_interrupt = self._io_apic.end_of_interrupt
        self.acknowledge = pic.acknowledge
        self.ferr = self._system.ferr
        self._master, self._timed = pic.master.state, (self._pit.state, self._rtc.state, self._uart.receiver.state)

    def _line(self, irq: int, pin: int | None = None) -> Line:
        """The wire of an interrupt request, with its two ends."""
        to_pic, to_io_apic = self._pic.line(irq), self._io_apic.line(irq if pin is None else pin)

        def drive(level: bool) -> None:
            to_pic(level)
            to_io_apic(level)

        return drive

    @property
    def intr(self) -> bool:
        """The 8259A pair's request to the CPU."""
        return self._master.intr != 0

    @property
    def a20(self) -> bool:
        """Address line 20 is let through."""
        return self._keyboard_controller.a20 or self._system.a20

    @property
    def ignne(self) -> bool:
        """IGNNE#: the guest has told the board to let the FPU go on past its error."""
        return self._system.ignne

    @property
    def nmi_masked(self) -> bool:
        return self._rtc.nmi_masked

    @property
    def pam(self) -> bytes:
        """The seven attribute registers of 0xC0000-0xFFFFF."""
        return self._pci.pam()

    def pam_written(self) -> bool:
        """Whether the guest may have changed `pam` since last asked."""
        written, self._pci.host_written = self._pci.host_written, False
        return written

    def tick(self, now: int) -> None:
        """Bring the devices' interrupt lines to `now`."""
        self._pit.tick(now)
        self._rtc.tick(now)
        self._uart.tick(now)

    def deadline(self) -> int | None:
        """The earliest guest time at which `tick` has something to do; None if nothing is planned."""
        pit, rtc, uart = self._timed
        due = min(pit.due, rtc.due, uart.due)
        return due if due != NEVER else None

    def take_request(self) -> Reset | Exit | None:
        """What a device has asked of the machine since last asked."""
        return self._requests.take()

    def serial_input(self, data: bytes, now: int) -> int:
        """Queue input for COM1; the number of bytes taken, which is all of them unless the queue is full."""
        return self._uart.receiver.enqueue(data, now)

    def overwritten(self) -> None:
        """The records hold another machine's state."""
        self._uart.forget_access()

    def records(self) -> dict[str, Record]:
        """Every bit of device state: live records by device name."""
        return dict(self._records)


def _store_memory_size(rtc: Rtc, memory_bytes: int) -> None:
    """Tell firmware through CMOS: base memory, memory from 1 MiB in KiB (twice), memory from 16 MiB in 64 KiB."""
    base = min(memory_bytes // KIB, 640)
    extended = min(max(memory_bytes - MIB, 0) // KIB, 0xFFFF)
    beyond_16 = min(max(memory_bytes - 16 * MIB, 0) // (64 * KIB), 0xFFFF)
    for register, value in ((0x15, base), (0x17, extended), (0x30, extended), (0x34, beyond_16)):
        rtc.store(register, value & 0xFF)
        rtc.store(register + 1, value >> 8)
    rtc.store(0x14, 0x02)  # equipment: a floating-point unit, no diskette drives, no display switch
    checksum = sum(rtc.read_memory(register) for register in range(0x10, 0x2E))
    rtc.store(0x2E, checksum >> 8)
    rtc.store(0x2F, checksum & 0xFF)
