"""Memory type ranges and the page attribute table: what can be written, and how a kernel finds them."""

import pytest

from node.ia32.memory_types import (
    ENABLE,
    FIX4K_C0000,
    FIX4K_F8000,
    FIX16K_80000,
    FIX16K_A0000,
    FIX64K_00000,
    FIXED_ENABLE,
    MASK_VALID,
    MSR_PAT,
    MTRR_CAP,
    MTRR_DEF_TYPE,
    PAT_RESET,
    PHYSBASE0,
    PHYSMASK7,
    UC,
    WB,
    WP,
    range_slot,
    set_as_firmware_does,
)
from node.ia32.reset import reset
from node.ia32.state import GP
from tests.node.ia32.model_specific import msr
from tests.node.ia32.protected_world import World

FIXED = (FIX64K_00000, FIX16K_80000, FIX16K_A0000, *range(FIX4K_C0000, FIX4K_F8000 + 1))
VARIABLE = range(PHYSBASE0, PHYSMASK7 + 1)
WITH = pytest.mark.parametrize("model", ["pentium2", "pentium3", "pentium4"])
REFUSED = (GP, 0)


@WITH
def test_there_are_eight_variable_ranges_and_the_fixed_ones(model: str) -> None:
    world = World(model)
    assert msr(world, MTRR_CAP) == 0x508
    assert msr(world, MTRR_CAP, 0x508) == REFUSED
    assert msr(world, PHYSMASK7 + 1) == REFUSED


@pytest.mark.parametrize("model", ["i686", "pentium"])
def test_where_cpuid_offers_none_there_are_none(model: str) -> None:
    world = World(model)
    for index in (MTRR_CAP, MTRR_DEF_TYPE, MSR_PAT, *FIXED, *VARIABLE):
        assert msr(world, index) == msr(world, index, 0) == REFUSED


def test_each_register_is_one_of_its_own() -> None:
    assert len({range_slot(index) for index in (*FIXED, *VARIABLE, MTRR_DEF_TYPE)}) == len(FIXED) + 17
    world = World("pentium4")
    written = {index: WB * 0x0101_0101_0101_0101 - i % 2 for i, index in enumerate(FIXED)}
    written |= {index: (index << 12) | (MASK_VALID if index & 1 else WB) for index in VARIABLE}
    written |= {MTRR_DEF_TYPE: ENABLE | FIXED_ENABLE | WB, MSR_PAT: 0x0706_0504_0100_0706}
    for index, value in written.items():
        assert msr(world, index, value) == 0
    assert {index: msr(world, index) for index in written} == written


@pytest.mark.parametrize("kind", [2, 3, 7, 8, 0x16, 0xFF])
def test_types_that_there_are_not_are_refused(kind: int) -> None:
    world = World("pentium4")
    assert msr(world, PHYSBASE0, kind) == msr(world, MTRR_DEF_TYPE, kind) == REFUSED
    for byte in range(8):
        assert msr(world, FIX64K_00000, kind << 8 * byte) == REFUSED
        assert msr(world, MSR_PAT, kind << 8 * byte) == (0 if kind == 7 else REFUSED)


def test_reserved_bits_are_refused() -> None:
    world = World("pentium4")
    for bit in (8, 9, 10, 11, 36, 63):
        assert msr(world, PHYSBASE0, 1 << bit) == REFUSED
    for bit in (*range(11), 36, 63):
        assert msr(world, PHYSBASE0 + 1, 1 << bit) == REFUSED
    for bit in (8, 9, 12, 32, 63):
        assert msr(world, MTRR_DEF_TYPE, 1 << bit) == REFUSED


def test_after_reset_they_are_off_and_pat_says_what_pwt_and_pcd_said() -> None:
    world = World("pentium3")
    msr(world, MTRR_DEF_TYPE, ENABLE)
    msr(world, MSR_PAT, 0)
    reset(world.c, world.m)
    assert msr(world, MTRR_DEF_TYPE) == 0
    assert msr(world, MSR_PAT) == PAT_RESET == 0x0007_0406_0007_0406


def memory_type(world: World, address: int) -> int:
    """As SDM 3A 11.11.4.1 has it, for one variable range."""
    kind = msr(world, MTRR_DEF_TYPE)
    base, mask = msr(world, PHYSBASE0), msr(world, PHYSBASE0 + 1)
    assert isinstance(kind, int) and isinstance(base, int) and isinstance(mask, int)
    assert kind & ENABLE and kind & FIXED_ENABLE and mask & MASK_VALID
    if address < 1 << 20:
        index, piece = FIX4K_C0000 + ((address - 0xC_0000) >> 15), address >> 12
        if address < 0x8_0000:
            index, piece = FIX64K_00000, address >> 16
        elif address < 0xC_0000:
            index, piece = FIX16K_80000 + ((address - 0x8_0000) >> 17), address >> 14
        pieces = msr(world, index)
        assert isinstance(pieces, int)
        return pieces >> 8 * (piece & 7) & 0xFF
    page = mask & ~0xFFF
    return base & 0xFF if address & page == base & page else kind & 0xFF


@WITH
@pytest.mark.parametrize("ram", [16 << 20, 3 << 30, (3 << 30) + (1 << 20), 7 << 29])
def test_a_kernel_that_is_booted_directly_finds_ram_cached_and_devices_not(model: str, ram: int) -> None:
    world = World(model)
    world.m.ram_bytes = ram
    set_as_firmware_does(world.c, world.m)
    cached = (0, 0x9_FFFF, 1 << 20, ram - 1, 1 << 32, (1 << 36) - 1)
    assert [memory_type(world, address) for address in cached] == [WB] * len(cached)
    assert [memory_type(world, address) for address in (0xA_0000, 0xB_FFFF, 0xFEC0_0000, 0xFEE0_0000)] == [UC] * 4
    assert [memory_type(world, address) for address in (0xC_0000, 0xF_FFFF)] == [WP] * 2


def test_a_kernel_on_a_processor_without_them_is_booted_all_the_same() -> None:
    world = World("i686")
    set_as_firmware_does(world.c, world.m)
    assert all(value == 0 for value in list(world.c.misc_msr)[1:])
