"""Reading and placing ELF executables."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.boot.elf import read_elf32
from node.boot.entry import BootError
from node.boot.placement import Placement
from node.memory.ram import GuestMemory
from tests.support.kernel_images import Load, elf32

MIB = 1 << 20
CODE = bytes(range(100))
GOOD = elf32([Load(MIB, CODE), Load(MIB + 8192, b"data", memory_size=5000)], MIB + 4)


def test_segments_lie_at_their_physical_addresses_and_zeros_follow() -> None:
    memory = GuestMemory(4 * MIB)
    memory.write(MIB + 8192, b"\xff" * 6000)
    executable = read_elf32(GOOD)
    executable.place(Placement(memory), "the kernel")
    assert executable.entry == MIB + 4
    assert executable.end == MIB + 8192 + 5000
    assert memory.read(MIB, 100) == CODE
    assert memory.read(MIB + 8192, 5001) == b"data" + bytes(4996) + b"\xff"


def test_a_virtual_entry_point_is_translated_to_its_physical_address() -> None:
    file = elf32([Load(MIB, CODE, virtual=0xC010_0000)], 0xC010_0010)
    assert read_elf32(file).entry == MIB + 0x10


def test_a_physical_entry_point_stays_although_the_segment_is_virtual_elsewhere() -> None:
    assert read_elf32(elf32([Load(MIB, CODE, virtual=0xC010_0000)], MIB + 8)).entry == MIB + 8


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"MZ" + bytes(100), "not an ELF file"),
        (GOOD[:40], "truncated: 40 bytes cannot hold an ELF header"),
        (GOOD[:80], "truncated: its program headers"),
        (GOOD[:-1], "truncated: its segment at 0x102000"),
        (elf32([Load(MIB, CODE)], MIB, machine=62, bits=2), r"for x86-64 \(64-bit\)"),
        (elf32([Load(MIB, CODE)], MIB, machine=62), r"for x86-64 \(32-bit\)"),
        (elf32([Load(MIB, CODE)], MIB, machine=40), "for ARM"),
        (elf32([Load(MIB, CODE)], MIB, machine=20, byte_order=2), r"for PowerPC \(32-bit, big-endian\)"),
        (elf32([Load(MIB, CODE)], MIB, machine=999), "machine number 999"),
        (elf32([Load(MIB, CODE)], MIB, kind=1), "not an executable"),
        (elf32([], MIB), "no loadable segment"),
        (elf32([Load(MIB, CODE)], 0x5000), "entry point 0x5000 outside"),
        (elf32([Load(MIB, CODE, memory_size=10)], MIB), "more bytes in the file than in memory"),
    ],
)
def test_what_is_wrong_with_the_file_is_told_in_a_sentence(file: bytes, sentence: str) -> None:
    with pytest.raises(BootError, match=sentence):
        read_elf32(file)


@pytest.mark.parametrize(
    ("loads", "sentence"),
    [
        ([Load(MIB, CODE), Load(MIB + 50, CODE)], "would overwrite"),
        ([Load(MIB, CODE, memory_size=9 * MIB)], "not memory in a guest of 4 MiB"),
        ([Load(0x9_8000, CODE, memory_size=0x10000)], "not memory"),
        ([Load(0xB_8000, CODE)], "not memory"),
        ([Load(0xFFFF_FFF0, CODE)], "not memory"),
    ],
)
def test_segments_may_not_overlap_or_leave_memory(loads: list[Load], sentence: str) -> None:
    memory = GuestMemory(4 * MIB)
    executable = read_elf32(elf32(loads, loads[0].physical))
    with pytest.raises(BootError, match=sentence):
        executable.place(Placement(memory), "the kernel")


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_no_damage_to_the_file_raises_anything_but_a_boot_error(damage: list[tuple[int, int]]) -> None:
    file = bytearray(GOOD)
    for position, value in damage:
        file[position] = value
    memory = GuestMemory(2 * MIB)
    try:
        read_elf32(bytes(file)).place(Placement(memory), "the kernel")
    except BootError as error:
        assert "the kernel" in str(error)
    finally:
        memory.close()
