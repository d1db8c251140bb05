"""Guest-physical addresses → the backing memory, and what is there when nothing is.

    0          0xA0000       0x100000            ram_bytes             rom_gpa        4 GiB
    |  low_map: RAM | hole, ROM, shadow |  RAM, offset = gpa  |  nothing   |   ROM      |

The local APIC's page is no memory, wherever it lies. To the page walk, reads of nothing give all ones and writes are
lost, as on an ISA/PCI bus with no device; an instruction's accesses go on to `bus.py`. The page walk and the access
slow path are the only users.
"""

from node.ia32.state import M32, Machine
from node.jitted import inlined, jitted, peek8, peek32, peek64, poke8, poke32, poke64

MAP_READ, MAP_WRITE = 1, 2  # low bits of a map entry; 0: nothing is there
ONE_MIB = 0x10_0000


@jitted
def backing_of(m: Machine, gpa: int) -> int:
    """Map entry of the page that holds `gpa`: backing offset of the page | MAP flags, or 0."""
    if gpa >> 12 == m.apic_page:
        return 0
    if gpa < ONE_MIB:
        return peek64(m.low_map + ((gpa >> 12) << 3))
    if gpa < m.ram_bytes:
        return (gpa & ~0xFFF) | MAP_READ | MAP_WRITE
    if gpa >= m.rom_gpa and gpa <= M32:
        return (m.ram_bytes + (gpa - m.rom_gpa)) & ~0xFFF | MAP_READ
    return 0


@jitted
def read_physical(m: Machine, gpa: int, size: int) -> int:
    """An aligned 4- or 8-byte read by the page walk; an 8-byte one gives the bit pattern as a signed value."""
    entry = backing_of(m, gpa)
    if entry == 0:
        return M32 if size == 4 else -1
    address = m.ram + (entry & ~0xFFF) + (gpa & 0xFFF)
    return peek32(address) if size == 4 else peek64(address)


@jitted
def write_physical(m: Machine, gpa: int, size: int, value: int) -> None:
    """An aligned write by the page walk (accessed and dirty bits): marks the page dirty like any other write."""
    entry = backing_of(m, gpa)
    if entry & MAP_WRITE:
        address = m.ram + (entry & ~0xFFF) + (gpa & 0xFFF)
        poke8(m.dirty + (entry >> 12), 1)
        if size == 4:
            poke32(address, value)
        else:
            poke64(address, value)


@inlined
def has_code(m: Machine, backing: int) -> int:
    return peek8(m.code + (backing >> 12))
