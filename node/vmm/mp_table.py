"""The tables that tell a kernel of its APICs, as firmware would leave them (Intel MultiProcessor Specification 1.4).

    9fc10h  floating pointer, "_MP_"  ->  configuration table, "PCMP": processor, bus, I/O APIC, interrupts

They lie in the BIOS' extended data area, the kilobyte below 640 KiB that the memory map reserves, which is one of the
three places where kernels look; its first byte is its size (`node/boot/bios_data.py`). One processor, the ISA bus, and
what the board wires: IRQ n to input n of the I/O APIC, the timer's IRQ 0 to input 2; the 8259A pair's INTR to LINT0,
non-maskable interrupts to LINT1.
"""

import struct

from node.boot.memory_map import LOW_END
from node.ia32.models import CpuModel
from node.memory.ram import GuestMemory

POINTER_AT = LOW_END + 16
FLOATING_POINTER_BYTES = 16
LOCAL_APIC, IO_APIC = 0xFEE0_0000, 0xFEC0_0000
SPEC_1_4 = 4
PROCESSOR_ID, IO_APIC_ID, ISA_BUS = 0, 1, 0
ENABLED_BOOTSTRAP, ENABLED = 3, 1
INT, NMI, EXTINT = 0, 1, 3  # interrupt types
AS_THE_BUS_SAYS = 0  # polarity and trigger
_PROCESSOR, _BUS, _IO_APIC, _INTERRUPT, _LOCAL_INTERRUPT = range(5)  # entry types


def put_mp_table(memory: GuestMemory, model: CpuModel, apic_version: int) -> None:
    """`apic_version`: what the local APIC's version register reads, with which kernels compare."""
    table_at = POINTER_AT + FLOATING_POINTER_BYTES
    pointer = bytearray(struct.pack("<4sIBBBBBBBB", b"_MP_", table_at, 1, SPEC_1_4, 0, 0, 0, 0, 0, 0))
    memory.write(POINTER_AT, _with_checksum(pointer, at=10))
    memory.write(table_at, _configuration(_entries(model, apic_version & 0xFF)))


def _configuration(entries: list[bytes]) -> bytes:
    body = b"".join(entries)
    head = struct.pack(
        "<4sHBB8s12sIHHIHBB",
        *(b"PCMP", 44 + len(body), SPEC_1_4, 0, b"LIMOSA  ", b"PC          "),
        *(0, 0, len(entries), LOCAL_APIC, 0, 0, 0),
    )
    return _with_checksum(bytearray(head + body), at=7)


def _entries(model: CpuModel, version: int) -> list[bytes]:
    processor = struct.pack(
        "<BBBBIIII", _PROCESSOR, PROCESSOR_ID, version, ENABLED_BOOTSTRAP, model.signature, model.features, 0, 0
    )
    bus = struct.pack("<BB6s", _BUS, ISA_BUS, b"ISA   ")
    io_apic = struct.pack("<BBBBI", _IO_APIC, IO_APIC_ID, 0x11, ENABLED, IO_APIC)
    wired = [(irq, 2 if irq == 0 else irq) for irq in range(16) if irq != 2]
    interrupts = [_interrupt(_INTERRUPT, INT, irq, IO_APIC_ID, pin) for irq, pin in wired]
    local = [_interrupt(_LOCAL_INTERRUPT, kind, 0, PROCESSOR_ID, pin) for kind, pin in ((EXTINT, 0), (NMI, 1))]
    return [processor, bus, io_apic, *interrupts, *local]


def _interrupt(entry: int, kind: int, irq: int, apic: int, pin: int) -> bytes:
    return struct.pack("<BBHBBBB", entry, kind, AS_THE_BUS_SAYS, ISA_BUS, irq, apic, pin)


def _with_checksum(data: bytearray, *, at: int) -> bytes:
    """Makes all bytes sum to zero."""
    data[at] = -sum(data) & 0xFF
    return bytes(data)
