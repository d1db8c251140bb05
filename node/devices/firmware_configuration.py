"""What the machine tells software of itself, item by item: the fw_cfg interface of an emulated i440FX, which SeaBIOS
looks for, and so do kernels that were written to be started by an emulator.

    0x510  selector, a 16-bit write: chooses an item and goes to its first byte
    0x511  data: the item's next byte; zeros behind its end, and for items that are not there

    0x0000 signature "QEMU" | 0x0001 features, bit 0: as described here | 0x0003 bytes of memory (64 bits)
    0x0005 processors (16) | 0x000F most processors (16) | 0x0019 directory | 0x0020 … files, read-only

The directory: count, then size (both 32 bits), selector (16), two bytes reserved and a name of 56 bytes for each file,
all big-endian; the files' own contents are little-endian:

    etc/e820         address, length (both 64 bits) and type (32), 1 = memory, of each range; there is one, from 0 on
    etc/sercon-port  sends firmware's screen to COM1 and takes its keys from there, because the machine has no screen,
                     and nobody types on its keyboard

The map leaves to firmware what it keeps of the first MiB for itself. Some, like qboot, takes no other word for memory.
QEMU documentation: specs/fw_cfg.
"""

import struct

from node.devices.ports import PortMap
from node.devices.record import U16, U32, Record, allocate

SELECTOR, DATA = 0x510, 0x511
SIGNATURE, FEATURES, MEMORY_BYTES, PROCESSORS, MOST_PROCESSORS = 0x00, 0x01, 0x03, 0x05, 0x0F
DIRECTORY, FIRST_FILE = 0x19, 0x20
TRADITIONAL = 1
COM1 = 0x3F8
MEMORY = 1

_RANGE = struct.Struct("<QQI")
_ENTRY = struct.Struct(">IHH56s")


class FirmwareConfigurationRecord:
    selected: U16
    position: U32  # of the next byte in the selected item


class FirmwareConfiguration:
    def __init__(self, memory_bytes: int) -> None:
        self._record, self._state = allocate(FirmwareConfigurationRecord)
        self._items = _items(memory_bytes)

    def claim(self, ports: PortMap) -> None:
        ports.claim_wide(SELECTOR, 1, self._read_selector, self._select)
        ports.claim(DATA, self._next_byte, None)

    def records(self) -> dict[str, Record]:
        return {"firmware_configuration": self._record}

    def _read_selector(self, port: int, width: int, now: int) -> int | None:
        return None

    def _select(self, port: int, width: int, value: int, now: int) -> bool:
        if width != 2:
            return False
        self._state.selected, self._state.position = value, 0
        return True

    def _next_byte(self, now: int) -> int:
        item, position = self._items.get(self._state.selected, b""), self._state.position
        if position >= len(item):
            return 0
        self._state.position = position + 1
        return item[position]


def _items(memory_bytes: int) -> dict[int, bytes]:
    files = (
        ("etc/e820", _RANGE.pack(0, memory_bytes, MEMORY)),
        ("etc/sercon-port", COM1.to_bytes(2, "little")),
    )
    directory = len(files).to_bytes(4, "big")
    items = {
        SIGNATURE: b"QEMU",
        FEATURES: TRADITIONAL.to_bytes(4, "little"),
        MEMORY_BYTES: memory_bytes.to_bytes(8, "little"),
        PROCESSORS: (1).to_bytes(2, "little"),
        MOST_PROCESSORS: (1).to_bytes(2, "little"),
    }
    for selector, (name, content) in enumerate(files, FIRST_FILE):
        directory += _ENTRY.pack(len(content), selector, 0, name.encode())
        items[selector] = content
    return items | {DIRECTORY: directory}
