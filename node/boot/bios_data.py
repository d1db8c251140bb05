"""What a BIOS leaves in low memory for who comes after it: its data area at 400h, and the start of the extended one.

    0400  COM1's port; no COM2 to COM4, no LPT        0413  base memory in KiB, below the extended data area
    040E  segment of the extended data area           041A  next key to read, 041C next to store: both at the buffer's
    0410  equipment: bit 1 a floating-point unit,     047C  COM1's timeout in seconds          start, so it is empty
          9-11 serial ports; no diskette drive,       0480  the key buffer's start, 0482 its end
          no pointing device, no printer              0496  bit 4: a keyboard of 101 or 102 keys

Offsets of the keyboard's buffer are in segment 40h. The rest is zero and means it: no hard disk (0475), no timer tick
so far (046C, and without a BIOS none comes), no key held down (0417), and from 0449 on no display: mode 0, 0 columns,
no port. There are no services behind it: the vector table below 400h stays empty.

The extended area begins with its size in KiB; other tables may lie behind that byte. A loader begins with this, as with
any firmware's work: a kernel that is to lie here overwrites it.
IBM PC/AT Technical Reference, section 5; Ralf Brown's MEMORY.LST.
"""

import struct

from node.boot.memory_map import HOLE_START, KIB, LOW_END
from node.memory.ram import GuestMemory

COM1 = 0x3F8
FLOATING_POINT_UNIT, SERIAL_PORTS = 1 << 1, 1 << 9
KEYS_START, KEYS_END = 0x1E, 0x3E
ENHANCED_KEYBOARD = 0x10

_BYTES, _WORDS = "<B", "<H"
_CONTENT = (
    (0x400, _WORDS, COM1),
    (0x40E, _WORDS, LOW_END >> 4),
    (0x410, _WORDS, FLOATING_POINT_UNIT | SERIAL_PORTS),
    (0x413, _WORDS, LOW_END // KIB),
    (0x41A, _WORDS, KEYS_START),
    (0x41C, _WORDS, KEYS_START),
    (0x47C, _BYTES, 1),
    (0x480, _WORDS, KEYS_START),
    (0x482, _WORDS, KEYS_END),
    (0x496, _BYTES, ENHANCED_KEYBOARD),
)


def put_bios_data(memory: GuestMemory) -> None:
    for address, layout, value in _CONTENT:
        memory.write(address, struct.pack(layout, value))
    memory.write(LOW_END, bytes([(HOLE_START - LOW_END) // KIB]))
