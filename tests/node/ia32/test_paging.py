"""The page walk's last word on large and reserved bits: 36-bit addresses, PSE-36, PAT, A20."""

import pytest

from node.ia32.access import load, store
from node.ia32.bus import DIRECT
from node.ia32.paging import READ, translate
from node.ia32.state import CR0_PG, CR4_PAE, CR4_PSE, M32, PAGE
from tests.node.ia32.protected_world import World

DIRECTORY, TABLE = 0x1_0000, 0x1_1000
PRESENT, LARGE, RESERVED_BIT = 0x67, 0xE7, 8  # present, writable, user, accessed and dirty; and PS
LINEAR = 0x40_3000


def paging(model: str, cr4: int) -> World:
    world = World(model)
    world.c.cr3, world.c.cr4 = DIRECTORY, cr4
    world.c.cr0 |= CR0_PG
    return world


def legacy(model: str, directory_entry: int, table_entry: int = 0, cr4: int = CR4_PSE) -> World:
    world = paging(model, cr4)
    world.poke(DIRECTORY + 4, directory_entry)
    world.poke(TABLE + 4 * 3, table_entry)
    return world


def extended(model: str, directory_entry: int, table_entry: int = 0) -> World:
    world = paging(model, CR4_PAE)
    world.c.pdpte[0] = DIRECTORY | 1
    world.poke(DIRECTORY + 8 * 2, directory_entry, 8)
    world.poke(TABLE + 8 * 3, table_entry, 8)
    return world


def page(world: World) -> int | tuple[int, int]:
    """The guest-physical page; or the vector and the error code."""
    world.m.fault = 0
    walk = translate(world.c, world.m, LINEAR, READ, 0)
    if walk < 0:
        return int(world.m.fault) - 256, int(world.m.error)
    return walk & ~0xFFF


def test_pae_reaches_what_lies_above_4_gib_and_not_what_lies_below_it() -> None:
    assert page(extended("i686", TABLE | PRESENT, 0xF_1234_5000 | PRESENT)) == 0xF_1234_5000
    assert page(extended("i686", 0x3_1240_0000 | LARGE)) == 0x3_1240_3000


def test_a_store_above_4_gib_reaches_nobody() -> None:
    world = extended("i686", TABLE | PRESENT, 0x1_0000_5000 | PRESENT)
    world.poke(0x5000, 0x1234)
    world.m.reach = DIRECT
    store(world.c, world.m, LINEAR, 4, 0x5555)
    assert (world.m.fault, world.peek(0x5000)) == (0, 0x1234)
    assert load(world.c, world.m, LINEAR, 4) == M32


def test_page_tables_are_read_with_a20_masked_and_data_is_too() -> None:
    world = extended("i686", TABLE | 1 << 20 | PRESENT, 0x7_0010_5000 | PRESENT)
    world.c.a20_mask = 0xFFEF_FFFF
    assert page(world) == 0x7_0000_5000


@pytest.mark.parametrize("model", ["pentium2", "pentium3", "pentium4"])
def test_pse_36_has_four_more_bits_of_the_address(model: str) -> None:
    assert page(legacy(model, 0x1240_0000 | 0xA << 13 | LARGE)) == 0xA_1240_3000
    for bit in range(17, 22):
        assert page(legacy(model, 1 << bit | LARGE)) == (PAGE, RESERVED_BIT | 1)


@pytest.mark.parametrize("model", ["i686", "pentium"])
def test_without_pse_36_these_are_reserved(model: str) -> None:
    for bit in range(13, 22):
        assert page(legacy(model, 1 << bit | LARGE)) == (PAGE, RESERVED_BIT | 1)


def test_the_bit_of_pat_is_reserved_where_there_is_none() -> None:
    small, large = (TABLE | PRESENT, 0x5000 | LARGE), 0x80_1000 | LARGE
    assert page(legacy("pentium4", *small)) == page(extended("pentium4", *small)) == 0x5000
    assert page(legacy("pentium4", large)) == page(extended("pentium4", large)) == 0x80_3000
    fault = (PAGE, RESERVED_BIT | 1)
    assert page(legacy("i686", *small)) == page(extended("i686", *small)) == fault
    assert page(legacy("i686", large)) == page(extended("i686", large)) == fault


def test_without_pse_no_bit_of_32_bit_paging_is_reserved() -> None:
    assert page(legacy("i686", TABLE | PRESENT, 0x5000 | LARGE, cr4=0)) == 0x5000
    assert page(legacy("i686", (TABLE | LARGE) & M32, 0x5000 | PRESENT, cr4=0)) == 0x5000
