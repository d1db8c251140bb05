"""The I/O port map: which register answers at which port.

Devices claim single byte ports, a reader and a writer each, as on an ISA bus: an access of two or four bytes at such
ports is split into byte accesses, lowest address first. A few registers see whole accesses (`claim_wide`): the PCI
configuration mechanism and the debug-exit port. A port nobody claimed reads all ones and ignores writes. Listeners are
no devices: what is written to their ports they hear, byte for byte, and nothing else is different for it, except that a
port without a device then reads E9, as on Bochs and QEMU, by which firmware knows that its messages are heard.
The map is wiring, made once when the machine is built; it holds no state.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

Line = Callable[[bool], None]
"""A wire driven by a device: an interrupt request, a gate, a reset."""
Reader = Callable[[int], int]
"""(now) -> the byte read."""
Writer = Callable[[int, int], None]
"""(value, now): store a byte."""
WideReader = Callable[[int, int, int], int | None]
"""(port, width, now) -> the value, or None where the register does not answer this width."""
WideWriter = Callable[[int, int, int, int], bool]
"""(port, width, value, now) -> whether the register took it."""

Listeners = Mapping[int, Callable[[int], None]]
"""By port: (byte) has been written there."""
NOBODY_LISTENS: Listeners = MappingProxyType({})


LISTENED_TO, UNCLAIMED = 0xE9, 0xFF


class PortTaken(ValueError):
    """A port outside the I/O space, or one that already belongs to another device."""


class PortMap:
    def __init__(self, listeners: Listeners = NOBODY_LISTENS) -> None:
        self._listeners = listeners
        self._readers: dict[int, Reader] = {}
        self._writers: dict[int, Writer] = {}
        self._wide: dict[int, tuple[WideReader, WideWriter]] = {}

    def claim(self, port: int, read: Reader | None, write: Writer | None) -> None:
        """Give `port` to a register; None where the register has no such direction."""
        self._check_free(port)
        if read is not None:
            self._readers[port] = read
        if write is not None:
            self._writers[port] = write

    def claim_wide(self, first: int, count: int, read: WideReader, write: WideWriter) -> None:
        """Give accesses starting at these ports to a register that sees their width; it may decline."""
        for port in range(first, first + count):
            self._check_free(port)
            self._wide[port] = (read, write)

    def read(self, port: int, width: int, now: int) -> int:
        if port in self._wide:
            value = self._wide[port][0](port, width, now)
            if value is not None:
                return value
        if width == 1:
            return self._read_byte(port, now)
        value = 0
        for byte in range(width):
            value |= self._read_byte(port + byte, now) << 8 * byte
        return value

    def _read_byte(self, port: int, now: int) -> int:
        reader = self._readers.get(port)
        if reader is not None:
            return reader(now)
        return LISTENED_TO if port in self._listeners else UNCLAIMED

    def write(self, port: int, width: int, value: int, now: int) -> None:
        if self._listeners:
            self._tell_listeners(port, width, value)
        if port in self._wide and self._wide[port][1](port, width, value, now):
            return
        for byte in range(width):
            writer = self._writers.get(port + byte)
            if writer is not None:
                writer(value >> 8 * byte & 0xFF, now)

    def _tell_listeners(self, port: int, width: int, value: int) -> None:
        for byte in range(width):
            hear = self._listeners.get(port + byte)
            if hear is not None:
                hear(value >> 8 * byte & 0xFF)

    def _check_free(self, port: int) -> None:
        if not 0 <= port <= 0xFFFF:
            raise PortTaken(f"port {port:#x} lies outside the I/O space")
        if port in self._readers or port in self._writers or port in self._wide:
            raise PortTaken(f"port {port:#x} belongs to another device")
