"""Loads and stores at linear addresses: a fast path through the TLB table, and the slow path that owns every special
case.

The slow path translates, raises page faults, splits accesses that cross a page (both pages are checked before either is
written), asks `bus.py` where there is no memory, marks pages dirty and drops decoded instructions that are
overwritten.
"""

from node.ia32.blocks import code_written
from node.ia32.bus import LATER, is_on_bus, read_bus, write_bus
from node.ia32.debug import check_alignment, observe
from node.ia32.faults import try_again
from node.ia32.paging import (
    FETCH,
    PERMIT_DIRTY,
    PERMIT_FETCH,
    PERMIT_GLOBAL,
    PERMIT_USER,
    PERMIT_WRITE,
    READ,
    WRITE,
    translate,
)
from node.ia32.physical import MAP_WRITE, backing_of, has_code
from node.ia32.state import CR0_WP, M32, Cpu, Machine
from node.ia32.tlb import (
    FETCH_KERNEL,
    FETCH_USER,
    FLAGS,
    GLOBAL,
    READ_KERNEL,
    READ_USER,
    WRITE_KERNEL,
    WRITE_USER,
    entry_at,
    entry_of,
    entry_to,
    host_of,
    install,
    is_on_one_page,
    page_of,
    place_of,
)
from node.jitted import inlined, jitted, peek8, peek16, peek32, poke8, poke16, poke32, slow_path

NOWHERE = -2  # translated, but no memory takes the access
FAULTED = -1


@inlined
def load(c: Cpu, m: Machine, linear: int, size: int) -> int:
    """`size` (1, 2, 4) bytes at the present privilege level; 0 with m.fault set if that is not allowed."""
    place = place_of(linear)
    if is_on_one_page(place, size):
        entry = entry_at(m, place)
        if entry & m.need_read:
            return peek(host_of(entry, linear), size)
    return load_slow(c, m, linear, size, c.cpl == 3)


@inlined
def store(c: Cpu, m: Machine, linear: int, size: int, value: int) -> None:
    place = place_of(linear)
    if is_on_one_page(place, size):
        entry = entry_at(m, place)
        if entry & m.need_write:
            poke(host_of(entry, linear), size, value)
            return
    store_slow(c, m, linear, size, value, c.cpl == 3)


@inlined
def load_to_change(c: Cpu, m: Machine, linear: int, size: int) -> int:
    """A load by an instruction that will store there: it faults as the store would (SDM 3A 4.7, the W/R flag)."""
    place = place_of(linear)
    if is_on_one_page(place, size):
        entry = entry_at(m, place)
        if entry & m.need_write:
            return peek(host_of(entry, linear), size)
    return load_to_change_slow(c, m, linear, size)


@inlined
def load_system(c: Cpu, m: Machine, linear: int, size: int) -> int:
    """A load by the processor itself (descriptors, TSS, IDT): supervisor rights whatever the CPL."""
    at = linear & M32
    place = place_of(at)
    if is_on_one_page(place, size):
        entry = entry_at(m, place)
        if entry & READ_KERNEL and m.need_read:
            return peek(host_of(entry, at), size)
    return load_slow(c, m, at, size, False)


@inlined
def store_system(c: Cpu, m: Machine, linear: int, size: int, value: int) -> None:
    at = linear & M32
    place = place_of(at)
    if is_on_one_page(place, size):
        entry = entry_at(m, place)
        if entry & WRITE_KERNEL and m.need_write:
            poke(host_of(entry, at), size, value)
            return
    store_slow(c, m, at, size, value, False)


@inlined
def peek(address: int, size: int) -> int:
    if size == 1:
        return peek8(address)
    if size == 2:
        return peek16(address)
    return peek32(address)


@inlined
def poke(address: int, size: int, value: int) -> None:
    if size == 1:
        poke8(address, value)
    elif size == 2:
        poke16(address, value)
    else:
        poke32(address, value)


@jitted
def locate(c: Cpu, m: Machine, linear: int, access: int, user: int) -> int:
    """Backing offset of one byte's page for an access, with the TLB entry installed; FAULTED or NOWHERE."""
    walk = translate(c, m, linear, access, user)
    if walk < 0:
        return FAULTED
    place = backing_of(m, walk & ~0xFFF)
    if place == 0 or (access == WRITE and place & MAP_WRITE == 0):
        if m.reach == LATER and access != FETCH and place == 0 and is_on_bus(m, walk & ~0xFFF):
            try_again(m)
            return FAULTED
        m.nowhere = walk & ~0xFFF
        return NOWHERE
    backing = place & ~0xFFF
    if access == WRITE:
        poke8(m.dirty + (backing >> 12), 1)
    entry = entry_to(m, linear, backing) | READ_KERNEL
    if walk & PERMIT_USER:
        entry |= READ_USER
    if walk & PERMIT_FETCH:
        entry |= FETCH_KERNEL
        if walk & PERMIT_USER:
            entry |= FETCH_USER
    if walk & PERMIT_GLOBAL:
        entry |= GLOBAL
    if access == WRITE and walk & PERMIT_DIRTY and has_code(m, backing) == 0:
        if walk & PERMIT_WRITE or c.cr0 & CR0_WP == 0:
            entry |= WRITE_KERNEL
        if walk & PERMIT_WRITE and walk & PERMIT_USER:
            entry |= WRITE_USER
    elif access != WRITE:
        entry |= _kept_write(m, linear, entry)
    install(m, linear, entry)
    return backing


@inlined
def _kept_write(m: Machine, linear: int, new: int) -> int:
    """A refill for a read or fetch must not cost the page its write permission."""
    old = entry_of(m, linear)
    if old & ~FLAGS == new & ~FLAGS:
        return old & (WRITE_KERNEL | WRITE_USER)
    return 0


@slow_path
def load_slow(c: Cpu, m: Machine, linear: int, size: int, user: int) -> int:
    m.tlb_misses += 1
    if m.need_read == 0 and user:
        check_alignment(c, m, linear, size)
        if m.fault:
            return 0
    offset = linear & 0xFFF
    if not is_on_one_page(place_of(linear), size):
        return _load_across(c, m, linear, size, user)
    backing = locate(c, m, linear, READ, user)
    if m.need_read == 0 and backing != FAULTED:
        observe(c, m, linear, size, 0)
    if backing < 0:
        return read_bus(c, m, m.nowhere | offset, size) if backing == NOWHERE else 0
    return peek(m.ram + backing + offset, size)


@slow_path
def load_to_change_slow(c: Cpu, m: Machine, linear: int, size: int) -> int:
    if m.need_write == 0:
        check_alignment(c, m, linear, size)
        if m.fault:
            return 0
    probe(c, m, linear, size, 1)
    return load(c, m, linear, size) if m.fault == 0 else 0


@jitted
def _load_across(c: Cpu, m: Machine, linear: int, size: int, user: int) -> int:
    first = locate(c, m, linear, READ, user)
    nowhere = m.nowhere
    second = locate(c, m, (linear + size - 1) & 0xFFFF_F000, READ, user) if first != FAULTED else FAULTED
    if first == FAULTED or second == FAULTED:
        return 0
    if m.need_read == 0:
        observe(c, m, linear, size, 0)
    value = 0
    for i in range(size):
        at = (linear + i) & M32
        here = at >> 12 == linear >> 12
        page = first if here else second
        if page == NOWHERE:
            byte = read_bus(c, m, (nowhere if here else m.nowhere) | at & 0xFFF, 1)
        else:
            byte = peek8(m.ram + page + (at & 0xFFF))
        value |= byte << (i << 3)
    return value


@slow_path
def store_slow(c: Cpu, m: Machine, linear: int, size: int, value: int, user: int) -> None:
    m.tlb_misses += 1
    if m.need_write == 0 and user:
        check_alignment(c, m, linear, size)
        if m.fault:
            return
    offset = linear & 0xFFF
    if not is_on_one_page(place_of(linear), size):
        _store_across(c, m, linear, size, value, user)
        return
    backing = locate(c, m, linear, WRITE, user)
    if m.need_write == 0 and backing != FAULTED:
        observe(c, m, linear, size, 1)
    if backing == NOWHERE:
        write_bus(c, m, m.nowhere | offset, size, value)
    if backing < 0:
        return
    poke(m.ram + backing + offset, size, value)
    if has_code(m, backing):
        code_written(m, backing + offset, size)


@jitted
def _store_across(c: Cpu, m: Machine, linear: int, size: int, value: int, user: int) -> None:
    first = locate(c, m, linear, WRITE, user)
    nowhere = m.nowhere
    second = locate(c, m, (linear + size - 1) & 0xFFFF_F000, WRITE, user) if first != FAULTED else FAULTED
    if m.need_write == 0 and first != FAULTED and second != FAULTED:
        observe(c, m, linear, size, 1)
    if first == FAULTED or second == FAULTED:
        return
    for i in range(size):
        at = (linear + i) & M32
        here = at >> 12 == linear >> 12
        page = first if here else second
        if page == NOWHERE:
            write_bus(c, m, (nowhere if here else m.nowhere) | at & 0xFFF, 1, (value >> (i << 3)) & 0xFF)
        else:
            poke8(m.ram + page + (at & 0xFFF), (value >> (i << 3)) & 0xFF)
            if has_code(m, page):
                code_written(m, page + (at & 0xFFF), 1)


@jitted
def probe(c: Cpu, m: Machine, linear: int, size: int, write: int) -> None:
    """Raise the fault that an access would raise, without making it."""
    user = c.cpl == 3
    access = WRITE if write else READ
    if locate(c, m, linear, access, user) != FAULTED and not is_on_one_page(place_of(linear), size):
        locate(c, m, (linear + size - 1) & 0xFFFF_F000, access, user)


@jitted
def fetch_page(c: Cpu, m: Machine, linear: int) -> int:
    """Backing offset of the page from which code at `linear` is fetched; FAULTED or NOWHERE."""
    entry = entry_of(m, linear)
    if entry & m.need_fetch:
        return page_of(m, entry, linear)
    m.tlb_misses += 1
    return locate(c, m, linear, FETCH, c.cpl == 3)
