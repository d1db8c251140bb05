"""CR0, CR3 and CR4 as the paging unit sees them: which combinations are refused, what is loaded, what is flushed.

SDM 3A 2.5, 4.1, 4.4.1, 4.10.4. A refused write raises #GP(0) and changes nothing. The reserved bits of CR0 are
ignored, those of CR4 refused.
"""

from node.ia32.faults import general_protection
from node.ia32.physical import read_physical
from node.ia32.segments import refresh_level
from node.ia32.state import (
    CR0_AM,
    CR0_CD,
    CR0_EM,
    CR0_ET,
    CR0_MP,
    CR0_NE,
    CR0_NW,
    CR0_PE,
    CR0_PG,
    CR0_TS,
    CR0_WP,
    CR4_PAE,
    CR4_PGE,
    CR4_PSE,
    M32,
    Cpu,
    Machine,
)
from node.ia32.tlb import flush_all, flush_non_global
from node.jitted import jitted

CR0_BITS = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG
PDPTE_RESERVED = 0x7FFF_FFF0_0000_01E6  # and bit 63: 36-bit physical addresses


@jitted
def load_pdptes(c: Cpu, m: Machine, cr3: int) -> None:
    """Read the four PAE page-directory pointers; #GP(0) if one is present with a reserved bit set (SDM 3A 4.4.1)."""
    for i in range(4):
        entry = read_physical(m, (cr3 & 0xFFFF_FFE0) + (i << 3), 8)
        if entry & 1 and (entry < 0 or entry & PDPTE_RESERVED):
            general_protection(m, 0)
    if m.fault:
        return
    for i in range(4):
        entry = read_physical(m, (cr3 & 0xFFFF_FFE0) + (i << 3), 8)
        c.pdpte[i] = entry if entry & 1 else 0


@jitted
def write_cr0(c: Cpu, m: Machine, word: int) -> None:
    value = (word & CR0_BITS) | CR0_ET
    if (value & CR0_PG and value & CR0_PE == 0) or (value & CR0_NW and value & CR0_CD == 0):
        general_protection(m, 0)
        return
    changed = value ^ c.cr0
    if value & CR0_PG and c.cr4 & CR4_PAE and changed & (CR0_PG | CR0_CD | CR0_NW):
        load_pdptes(c, m, c.cr3)
        if m.fault:
            return
    c.cr0 = value
    if changed & (CR0_PG | CR0_PE | CR0_WP):
        flush_all(m)
    if changed & CR0_AM:
        refresh_level(c, m)


@jitted
def write_cr3(c: Cpu, m: Machine, value: int) -> None:
    if c.cr0 & CR0_PG and c.cr4 & CR4_PAE:
        load_pdptes(c, m, value)
        if m.fault:
            return
    c.cr3 = value & M32
    flush_non_global(c, m)


@jitted
def write_cr4(c: Cpu, m: Machine, value: int) -> None:
    if value & ~m.cr4_bits:
        general_protection(m, 0)
        return
    changed = (value ^ c.cr4) & (CR4_PSE | CR4_PAE | CR4_PGE)
    if changed and value & CR4_PAE and c.cr0 & CR0_PG:
        load_pdptes(c, m, c.cr3)
        if m.fault:
            return
    c.cr4 = value
    if changed:
        flush_all(m)
