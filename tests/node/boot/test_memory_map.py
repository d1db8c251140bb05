"""The memory map, and what a loader may place where."""

from itertools import pairwise

import pytest

from node.boot.entry import BootError
from node.boot.memory_map import Kind, Region, memory_map, usable
from node.boot.placement import Placement
from node.memory.ram import GuestMemory

MIB = 1 << 20


def test_the_map_has_the_hole_below_one_mebibyte() -> None:
    assert memory_map(64 * MIB) == (
        Region(0, 0x9FC00, Kind.USABLE),
        Region(0x9FC00, 0xA0000, Kind.RESERVED),
        Region(0xF0000, 0x100000, Kind.RESERVED),
        Region(0x100000, 64 * MIB, Kind.USABLE),
    )


@pytest.mark.parametrize("ram_bytes", [4096, 0x80000, 0x9FC00, 0xA0000, MIB, MIB + 4096, 3 << 30])
def test_usable_regions_lie_inside_memory_and_ascend(ram_bytes: int) -> None:
    regions = usable(ram_bytes)
    assert all(0 <= r.start < r.end <= ram_bytes for r in regions)
    assert all(a.end <= b.start for a, b in pairwise(regions))


def test_high_placement_goes_below_the_limit_and_below_what_is_there() -> None:
    placement = Placement(GuestMemory(4 * MIB))
    first = placement.put_high("one", b"x" * 5000, below=4 * MIB)
    second = placement.put_high("two", b"y" * 10, below=4 * MIB)
    third = placement.put_high("three", b"z", below=3 * MIB)
    assert (first, second, third) == (4 * MIB - 8192, 4 * MIB - 12288, 3 * MIB - 4096)


def test_high_placement_falls_into_low_memory_when_the_rest_is_full() -> None:
    placement = Placement(GuestMemory(2 * MIB))
    placement.put("kernel", MIB, bytes(MIB))
    assert placement.put_high("data", bytes(4096), below=2 * MIB) == 0x9E000


def test_low_placement_skips_what_is_there() -> None:
    placement = Placement(GuestMemory(4 * MIB))
    placement.put("kernel", MIB, bytes(5000))
    assert placement.put_low("module", bytes(100), above=MIB) == MIB + 8192
    assert placement.put_low("module", bytes(100), above=MIB) == MIB + 12288


def test_what_fits_nowhere_is_refused_by_name_and_size() -> None:
    placement = Placement(GuestMemory(2 * MIB))
    with pytest.raises(BootError, match=r"the initrd of 2097152 bytes does not fit beside the kernel in 2 MiB"):
        placement.put_high("the initrd", bytes(2 * MIB), below=2 * MIB)


def test_placed_pages_are_dirty() -> None:
    memory = GuestMemory(4 * MIB)
    Placement(memory).put("kernel", MIB + 100, b"x", size=5000)
    assert list(memory.dirty_pages()) == [256, 257]
