"""The BIOS data area as loaders leave it. What a kernel reads there: tests/guests/bios_data."""

from node.boot.bios_data import COM1, put_bios_data
from node.boot.multiboot import HEADER_MAGIC, load_multiboot
from node.devices.platform import SERIAL_DATA
from node.memory.ram import GuestMemory
from tests.support.kernel_images import Load, elf32

MIB = 1 << 20


def test_com1_is_where_the_machine_has_it() -> None:
    assert COM1 == SERIAL_DATA


def test_nothing_else_is_touched_and_every_write_is_dirty() -> None:
    memory = GuestMemory(MIB)
    memory.clear_dirty()
    put_bios_data(memory)
    written = [address for address in range(MIB) if memory.view[address]]
    assert written and all(0x400 <= address < 0x500 or address == 0x9FC00 for address in written)
    assert list(memory.dirty_pages()) == [0, 0x9F]


def test_a_kernel_that_is_to_lie_there_does() -> None:
    memory = GuestMemory(4 * MIB)
    header = HEADER_MAGIC.to_bytes(4, "little") + bytes(4) + (-HEADER_MAGIC & 0xFFFF_FFFF).to_bytes(4, "little")
    content = header + b"\xaa" * 0x1000
    load_multiboot(memory, elf32([Load(0x100, content)], 0x10C), "")
    assert memory.read(0x100, len(content)) == content
