"""Multiboot: what the kernel finds, and what is refused."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.boot.entry import BootError
from node.boot.multiboot import BOOT_MAGIC, HEADER_MAGIC, UNNAMED, is_multiboot, load_multiboot
from node.memory.ram import GuestMemory
from tests.support.kernel_images import Load, elf32

MIB = 1 << 20


def header(flags: int, *addresses: int) -> bytes:
    checksum = -(HEADER_MAGIC + flags) & 0xFFFF_FFFF
    return struct.pack(f"<{3 + len(addresses)}I", HEADER_MAGIC, flags, checksum, *addresses)


def kernel(flags: int = 3) -> bytes:
    return elf32([Load(MIB, header(flags) + bytes(100))], MIB + 12)


def u32(memory: GuestMemory, address: int) -> int:
    return int.from_bytes(memory.read(address, 4), "little")


def text(memory: GuestMemory, address: int) -> str:
    return memory.read(address, 200).split(b"\0")[0].decode()


def test_the_kernel_starts_with_the_magic_and_the_information() -> None:
    memory = GuestMemory(16 * MIB)
    entry = load_multiboot(memory, kernel(), "dirty rate=5", [])
    assert (entry.mode, entry.eip, entry.eax) == ("flat32", MIB + 12, BOOT_MAGIC)
    assert (u32(memory, entry.ebx + 4), u32(memory, entry.ebx + 8)) == (639, 15 * 1024)
    assert text(memory, u32(memory, entry.ebx + 16)) == f"{UNNAMED} dirty rate=5"
    assert text(memory, u32(memory, entry.ebx + 64)) == "Limosa"


@pytest.mark.parametrize(("line", "whole"), [(" a  b ", "x.elf  a  b "), ("", "x.elf")])
def test_the_kernels_file_name_is_the_first_word_of_its_command_line(line: str, whole: str) -> None:
    memory = GuestMemory(16 * MIB)
    info = load_multiboot(memory, kernel(), line, file_name="x.elf").ebx
    assert text(memory, u32(memory, info + 16)) == whole


def test_the_gdt_holds_the_selectors_of_the_entry() -> None:
    memory = GuestMemory(16 * MIB)
    entry = load_multiboot(memory, kernel(), "", [])
    assert entry.gdt_limit == 31
    assert memory.read(entry.gdt_base + entry.cs, 8).hex() == "ffff0000009bcf00"
    assert memory.read(entry.gdt_base + entry.data_selector, 8).hex() == "ffff00000093cf00"


def test_the_memory_map_lists_every_region_with_its_type() -> None:
    memory = GuestMemory(16 * MIB)
    info = load_multiboot(memory, kernel(), "", []).ebx
    length, address = u32(memory, info + 44), u32(memory, info + 48)
    entries = [struct.unpack("<IQQI", memory.read(address + i, 24)) for i in range(0, length, 24)]
    assert entries == [
        (20, 0, 0x9FC00, 1),
        (20, 0x9FC00, 0x400, 2),
        (20, 0xF0000, 0x10000, 2),
        (20, MIB, 15 * MIB, 1),
    ]


def test_modules_lie_page_aligned_in_order_behind_the_kernel() -> None:
    memory = GuestMemory(16 * MIB)
    contents = [b"first" * 2000, b"second"]
    info = load_multiboot(memory, kernel(), "", [(contents[0], "a x=1"), (contents[1], "b")]).ebx
    count, table = u32(memory, info + 20), u32(memory, info + 24)
    modules = [struct.unpack("<IIII", memory.read(table + 16 * i, 16)) for i in range(count)]
    assert [memory.read(start, end - start) for start, end, _, _ in modules] == contents
    assert [start for start, _, _, _ in modules] == [MIB + 4096, MIB + 4 * 4096]
    assert [text(memory, string) for _, _, string, _ in modules] == ["a x=1", "b"]


def test_address_fields_place_a_file_of_any_format() -> None:
    memory = GuestMemory(4 * MIB)
    load = 0x20_0000
    body = header(0x10003, load + 16, load, load + 100, load + 5000, load + 48) + bytes(range(60))
    memory.write(load, b"\xff" * 6000)
    entry = load_multiboot(memory, b"junk" * 2 + bytes(16) + body, "", [])
    assert entry.eip == load + 48
    assert memory.read(load + 16, 84) == body[:84]
    assert memory.read(load + 100, 4901) == bytes(4900) + b"\xff"


def test_without_a_load_end_the_whole_file_is_loaded() -> None:
    memory = GuestMemory(4 * MIB)
    body = header(0x10000, MIB, MIB, 0, 0, MIB + 32) + b"code and data"
    assert load_multiboot(memory, body, "", []).eip == MIB + 32
    assert memory.read(MIB, len(body)) == body


def test_a_kernel_in_low_memory_is_not_overwritten() -> None:
    memory = GuestMemory(4 * MIB)
    content = header(0) + b"\xaa" * (0x9FC00 - 0x90000 - 12)
    load_multiboot(memory, elf32([Load(0x90000, content)], 0x90010), "x" * 300, [])
    assert memory.read(0x90000, len(content)) == content


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"", "no Multiboot 1 header"),
        (elf32([Load(MIB, bytes(9000) + header(0))], MIB), "no Multiboot 1 header"),
        (elf32([Load(MIB, struct.pack("<III", HEADER_MAGIC, 0, 1))], MIB), "no Multiboot 1 header"),
        (kernel(0x18), r"not known here \(flags 0x18\)"),
        (header(0) + b"not an ELF file", "not an ELF file"),
        (header(0x10000, MIB), "truncated inside its Multiboot header"),
        (header(0x10000, MIB, MIB + 4, 0, 0, MIB), "lies outside what it says to load"),
        (header(0x10000, MIB + 16, MIB, 0, 0, MIB), "lies outside what it says to load"),
        (header(0x10000, MIB, MIB, MIB + 9999, 0, MIB), "truncated"),
        (header(0x10000, MIB, MIB, MIB - 1, 0, MIB), "truncated"),
        (header(0x10000, MIB, MIB, 0, 0, MIB + 32), "entry point 0x100020 outside"),
        (kernel()[:-1], "truncated"),
        (elf32([Load(MIB, header(0))], MIB, machine=62, bits=2), "for x86-64"),
    ],
)
def test_what_is_wrong_with_the_kernel_is_told_in_a_sentence(file: bytes, sentence: str) -> None:
    with pytest.raises(BootError, match=sentence):
        load_multiboot(GuestMemory(4 * MIB), file, "", [])


def test_a_module_that_does_not_fit_is_named() -> None:
    with pytest.raises(BootError, match=r"module 1 of 3145728 bytes does not fit"):
        load_multiboot(GuestMemory(4 * MIB), kernel(), "", [(b"a", ""), (bytes(3 * MIB), "")])


def test_a_command_line_with_a_nul_is_refused() -> None:
    with pytest.raises(BootError, match="the kernel command line contains a NUL"):
        load_multiboot(GuestMemory(4 * MIB), kernel(), "a\0b", [])


def test_only_a_valid_header_makes_a_multiboot_kernel() -> None:
    assert is_multiboot(kernel())
    assert not is_multiboot(elf32([Load(MIB, bytes(100))], MIB))


BY_ADDRESSES = header(0x10003, MIB, MIB, MIB + 90, MIB + 500, MIB + 40) + bytes(80)


@settings(deadline=None)
@given(
    st.sampled_from([kernel(), BY_ADDRESSES]),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_no_damage_to_the_file_raises_anything_but_a_boot_error(good: bytes, damage: list[tuple[int, int]]) -> None:
    file = bytearray(good)
    for position, value in damage:
        file[position % len(file)] = value
    memory = GuestMemory(2 * MIB)
    try:
        load_multiboot(memory, bytes(file), "", [(b"module", "")])
    except BootError as error:
        assert "kernel" in str(error) or "module" in str(error)
    finally:
        memory.close()
