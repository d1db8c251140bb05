"""The items that firmware reads: found through the directory, as SeaBIOS does."""

import struct

from tests.node.devices.pc import Pc


def item(pc: Pc, selector: int, length: int) -> bytes:
    pc.platform.write(0x510, 2, selector, 0)
    return bytes(pc.inb(0x511) for _ in range(length))


def test_the_signature_and_the_plain_interface_are_told() -> None:
    pc = Pc()
    assert item(pc, 0, 4) == b"QEMU"
    assert int.from_bytes(item(pc, 1, 4), "little") == 1, "no DMA"


def files(pc: Pc) -> dict[str, bytes]:
    """All that the directory leads to."""
    count = int.from_bytes(item(pc, 0x19, 4), "big")
    entries = [struct.unpack(">IHH56s", bytes(pc.inb(0x511) for _ in range(64))) for _ in range(count)]
    return {name.rstrip(b"\0").decode(): item(pc, selector, length) for length, selector, _, name in entries}


def test_the_directory_leads_to_the_memory_map_and_to_the_port_of_the_serial_console() -> None:
    found = files(Pc(memory_bytes=300 << 20))
    assert found == {"etc/e820": struct.pack("<QQI", 0, 300 << 20, 1), "etc/sercon-port": b"\xf8\x03"}


def test_behind_an_item_and_in_an_absent_one_there_are_zeros() -> None:
    pc = Pc()
    assert item(pc, 0, 10) == b"QEMU" + bytes(6)
    assert item(pc, 0x8003, 4) == bytes(4)
    assert item(pc, 0, 4) == b"QEMU", "a selection begins at the first byte"


def test_a_selection_is_a_word() -> None:
    pc = Pc()
    item(pc, 0, 2)
    pc.outb(0x510, 1)
    assert pc.inb(0x511) == ord("M"), "the signature, and where we were in it"


def test_kernels_are_told_how_much_memory_and_how_many_processors_there_are() -> None:
    pc = Pc()
    assert int.from_bytes(item(pc, 3, 8), "little") == pc.platform.config.memory_bytes
    assert (int.from_bytes(item(pc, 5, 2), "little"), int.from_bytes(item(pc, 15, 2), "little")) == (1, 1)
