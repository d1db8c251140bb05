"""An entry of the TLB leads to a host's address and back to the page, wherever the host has put guest memory."""

import pytest

from node.ia32.tlb import (
    FETCH_USER,
    READ_KERNEL,
    WRITE_USER,
    entry_at,
    entry_of,
    entry_to,
    host_of,
    install,
    is_on_one_page,
    page_of,
    place_of,
    protect_backing,
)
from tests.node.ia32.protected_world import World

FLAGS = READ_KERNEL | WRITE_USER | FETCH_USER
HIGH, LOW = 0x7F12_3456_7000, 0x1_0000  # where a host has memory as a rule, and where differences are below zero
PAGE = 0x12_3000


@pytest.mark.parametrize("ram", [HIGH, LOW])
@pytest.mark.parametrize("linear", [0, 0x1FFF, 0xC012_3ABC, 0xFFFF_FFFF])
def test_an_entry_leads_to_the_host_and_back(ram: int, linear: int) -> None:
    world = World()
    m = world.m
    m.ram = ram
    install(m, linear, entry_to(m, linear, PAGE) | FLAGS)
    entry = entry_at(m, place_of(linear))
    assert entry == entry_of(m, linear) and entry & 0xFFF == FLAGS
    assert host_of(entry, linear) == ram + PAGE + (linear & 0xFFF)
    assert page_of(m, entry, linear) == PAGE


@pytest.mark.parametrize("ram", [HIGH, LOW])
def test_a_page_with_code_is_protected_wherever_it_is_mapped(ram: int) -> None:
    world = World()
    m = world.m
    m.ram = ram
    others = {0x5000: PAGE + 0x1000, 0x8000_0000: PAGE - 0x1000}
    mapped = {0x4000: PAGE, 0xC000_0000: PAGE, **others}
    for linear, page in mapped.items():
        install(m, linear, entry_to(m, linear, page) | FLAGS)
    protect_backing(m, PAGE + 0x123)
    writable = {linear for linear in mapped if entry_of(m, linear) & WRITE_USER}
    assert writable == set(others)
    assert all(page_of(m, entry_of(m, linear), linear) == page for linear, page in mapped.items())


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16, 108])
@pytest.mark.parametrize("page", [0, 0x1000, 0xC012_3000, 0xFFFF_F000])
def test_bytes_are_on_one_page_if_the_first_and_the_last_are(page: int, size: int) -> None:
    offsets = (0, 1, 2, *range(4096 - size - 2, 4096))
    told = [offset for offset in offsets if is_on_one_page(place_of(page + offset), size)]
    assert told == [offset for offset in offsets if (page + offset) >> 12 == (page + offset + size - 1) >> 12]
