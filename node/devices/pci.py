"""PCI configuration space by mechanism 1, and the two functions that make the machine an i440FX PC.

    0xCF8  address, whole 32-bit accesses only:  31 enable | 23-16 bus | 15-11 device | 10-8 function | 7-2 register
    0xCFC  data, 1, 2 or 4 bytes at the register's offset

    00:00.0  8086:1237  82441FX host bridge (PAM registers 0x59-0x5F held here; the address map reads them)
    00:01.0  8086:7000  82371SB PIIX3 ISA bridge

A function is 256 bytes and a mask of the bits a write may change. Absent functions read all ones. The host bridge's
subsystem is the one by which SeaBIOS knows an emulated i440FX.
"""

from typing import Annotated

from node.devices.ports import PortMap
from node.devices.record import U8, U32, Cells, Record, allocate, cells

ADDRESS, DATA = 0xCF8, 0xCFC
ENABLE = 0x8000_0000
PAM = 0x59
PAM_REGISTERS = 7


class FunctionRecord:
    config: Annotated[Cells, cells(U8, 256)]  # configuration space


class PciRecord:
    address: U32  # CONFIG_ADDRESS


class PciFunction:
    """A function's type-0 configuration space: header from `identity`, nothing writable until `allow` says so."""

    def __init__(self, *, vendor: int, device: int, class_code: int, revision: int) -> None:
        self.record, self.state = allocate(FunctionRecord)
        self._writable = bytearray(256)
        self.preset(0x00, vendor.to_bytes(2, "little") + device.to_bytes(2, "little"))
        self.preset(0x08, (class_code << 8 | revision).to_bytes(4, "little"))

    def preset(self, offset: int, data: bytes) -> None:
        """Values after reset."""
        for index, byte in enumerate(data, offset):
            self.state.config[index] = byte

    def allow(self, offset: int, mask: bytes) -> None:
        """Bits that the guest may change."""
        self._writable[offset : offset + len(mask)] = mask

    def read(self, offset: int, width: int) -> int:
        config = self.state.config
        return sum(config[offset + byte] << 8 * byte for byte in range(width))

    def write(self, offset: int, width: int, value: int) -> None:
        config = self.state.config
        for index in range(offset, offset + width):
            mask = self._writable[index]
            config[index] = config[index] & ~mask | value & mask
            value >>= 8


def host_bridge() -> PciFunction:
    function = PciFunction(vendor=0x8086, device=0x1237, class_code=0x060000, revision=0x02)
    function.preset(0x04, b"\x06\x00\x80\x02")  # memory and bus master; fast back-to-back, medium DEVSEL
    function.preset(0x2C, b"\xf4\x1a\x00\x11")
    function.preset(0x72, b"\x02")  # SMRAM: compatible segment at 0xA0000
    function.allow(0x04, b"\x02\x01")
    function.allow(0x0D, b"\xf8")
    function.allow(0x50, b"\xff" * 9)  # PMCCFG, DETURBO, DBC, AXC, DRT
    function.allow(PAM, b"\x30" + b"\x33" * 6)
    function.allow(0x60, b"\xff" * 9)  # DRAM row boundaries and fixed hole control
    function.allow(0x70, b"\xff\x1f\x7f")
    return function


def isa_bridge() -> PciFunction:
    function = PciFunction(vendor=0x8086, device=0x7000, class_code=0x060100, revision=0x00)
    function.preset(0x04, b"\x07\x00\x00\x02")
    function.preset(0x4C, b"\x4d\x00\x03\x00")  # I/O recovery, X-bus chip selects
    function.preset(0x60, b"\x80\x80\x80\x80")  # PIRQA-D: not routed
    function.preset(0x69, b"\x02")
    function.preset(0x70, b"\x80")
    function.preset(0x76, b"\x0c\x0c")
    function.allow(0x04, b"\x08\x01")
    function.allow(0x4C, b"\xff\x00\xff\x0f")
    function.allow(0x60, b"\x8f\x8f\x8f\x8f")
    function.allow(0x69, b"\xfe\x87")
    function.allow(0x70, b"\xef")
    function.allow(0x76, b"\x8f\x8f")
    function.allow(0x80, b"\x7f\x00\x0f")
    function.allow(0xA0, b"\x1f\x00\xff\xff\xff\xff\xff\x00\xff\x00\xff")
    return function


class Pci:
    def __init__(self) -> None:
        self._record, self.state = allocate(PciRecord)
        self.host = host_bridge()
        self.host_written = False  # its registers may have changed: whoever follows them looks, and clears this
        self._names = {"pci_host": self.host, "pci_isa": isa_bridge()}
        self._functions = {0x00: self.host, 0x08: self._names["pci_isa"]}  # by device << 3 | function on bus 0

    def pam(self) -> bytes:
        """The host bridge's programmable attribute registers: who answers between 0xC0000 and 0xFFFFF."""
        return self.host.read(PAM, PAM_REGISTERS).to_bytes(PAM_REGISTERS, "little")

    def claim(self, ports: PortMap) -> None:
        ports.claim_wide(ADDRESS, 1, self._read_address, self._write_address)
        ports.claim_wide(DATA, 4, self._read_data, self._write_data)

    def records(self) -> dict[str, Record]:
        return {"pci": self._record, **{name: function.record for name, function in self._names.items()}}

    def _read_address(self, port: int, width: int, now: int) -> int | None:
        return self.state.address if width == 4 else None

    def _write_address(self, port: int, width: int, value: int, now: int) -> bool:
        if width != 4:
            return False
        self.state.address = value & 0x80FF_FFFC
        return True

    def _selected(self) -> PciFunction | None:
        address = self.state.address
        if not address & ENABLE or address & 0xFF_0000:
            return None
        return self._functions.get(address >> 8 & 0xFF)

    def _read_data(self, port: int, width: int, now: int) -> int | None:
        function = self._selected()
        within = port - DATA
        if function is None or within + width > 4:  # across the register's end it is no data access
            return None
        return function.read((self.state.address & 0xFC) + within, width)

    def _write_data(self, port: int, width: int, value: int, now: int) -> bool:
        function = self._selected()
        within = port - DATA
        if function is None or within + width > 4:
            return False
        function.write((self.state.address & 0xFC) + within, width, value)
        self.host_written |= function is self.host
        return True
