"""The page walk: linear → guest-physical, with permissions, accessed and dirty bits, and page-fault codes.

32-bit paging with 4 MiB pages (PSE-36's too) and PAE paging with 2 MiB pages and no-execute (SDM 3A 4.3, 4.4).
Accessed is set on every level of a walk that succeeds, dirty on the leaf of a write (4.8). A walk is described by one
int: the guest-physical page, of 36 bits, | PERMIT bits; -1 means that a page fault was raised.
"""

from node.ia32.faults import page_fault
from node.ia32.features import PAT, PSE36
from node.ia32.physical import read_physical, write_physical
from node.ia32.state import (
    CR0_PG,
    CR0_WP,
    CR4_PAE,
    CR4_PGE,
    CR4_PSE,
    EFER_NXE,
    M32,
    Cpu,
    Machine,
)
from node.jitted import inlined, jitted

READ, WRITE, FETCH = 0, 1, 2

PERMIT_USER, PERMIT_WRITE, PERMIT_FETCH, PERMIT_GLOBAL, PERMIT_DIRTY = 1, 2, 4, 8, 16
PERMIT_ALL = PERMIT_USER | PERMIT_WRITE | PERMIT_FETCH | PERMIT_DIRTY

P, RW, US, A, D, PS, G = 0x1, 0x2, 0x4, 0x20, 0x40, 0x80, 0x100
ERROR_P, ERROR_W, ERROR_U, ERROR_RSVD, ERROR_I = 1, 2, 4, 8, 16


PAT_4K, PAT_LARGE = 0x80, 0x1000  # bits of leaves, reserved where there is no PAT (table 4-6, footnote)
LARGE_RESERVED, LARGE_RESERVED_36 = 0x003F_E000, 0x003E_0000  # 4 MiB pages: bits 21..13; with PSE-36 bits 21..17


@inlined
def _with_a20(c: Cpu, gpa: int) -> int:
    """As the address leaves the processor: A20M# masks one bit of every access, page tables' too (3A 8.7.13)."""
    return gpa & (c.a20_mask | ~M32)


@jitted
def translate(c: Cpu, m: Machine, linear: int, access: int, user: int) -> int:
    """Walk for one access; raises #PF and returns -1 when it is not allowed."""
    if c.cr0 & CR0_PG == 0:
        return (linear & ~0xFFF) & c.a20_mask | PERMIT_ALL
    if c.cr4 & CR4_PAE:
        return _walk_pae(c, m, linear, access, user)
    return _walk_32(c, m, linear, access, user)


@jitted
def _refuse(c: Cpu, m: Machine, linear: int, access: int, user: int, reason: int) -> int:
    error = reason
    if access == WRITE:
        error |= ERROR_W
    if user:
        error |= ERROR_U
    if access == FETCH and c.cr4 & CR4_PAE and c.efer & EFER_NXE:
        error |= ERROR_I
    page_fault(c, m, linear, error)
    return -1


@inlined
def _allowed(c: Cpu, access: int, user: int, rights: int) -> bool:
    """`rights`: RW and US as both levels grant them together, and PERMIT_FETCH << 8 when no level forbids fetching."""
    if user and rights & US == 0:
        return False
    if access == WRITE and rights & RW == 0 and (user or c.cr0 & CR0_WP):
        return False
    return not (access == FETCH and rights & (PERMIT_FETCH << 8) == 0)


@inlined
def _describe(c: Cpu, gpa: int, rights: int, leaf: int) -> int:
    permit = PERMIT_FETCH if rights & (PERMIT_FETCH << 8) else 0
    if rights & US:
        permit |= PERMIT_USER
    if rights & RW:
        permit |= PERMIT_WRITE
    if leaf & D:
        permit |= PERMIT_DIRTY
    if leaf & G and c.cr4 & CR4_PGE:
        permit |= PERMIT_GLOBAL
    return _with_a20(c, gpa) & ~0xFFF | permit


@inlined
def _reserved_large(m: Machine) -> int:
    """Bits of a 4 MiB page's entry that must be zero (table 4-4)."""
    reserved = LARGE_RESERVED_36 if m.features & PSE36 else LARGE_RESERVED
    return reserved if m.features & PAT else reserved | PAT_LARGE


@jitted
def _walk_32(c: Cpu, m: Machine, linear: int, access: int, user: int) -> int:
    pde_at = _with_a20(c, (c.cr3 & 0xFFFF_F000) + ((linear >> 22) << 2))
    pde = read_physical(m, pde_at, 4)
    if pde & P == 0:
        return _refuse(c, m, linear, access, user, 0)
    if pde & PS and c.cr4 & CR4_PSE:
        if pde & _reserved_large(m):
            return _refuse(c, m, linear, access, user, ERROR_P | ERROR_RSVD)
        rights = pde & (RW | US) | PERMIT_FETCH << 8
        if not _allowed(c, access, user, rights):
            return _refuse(c, m, linear, access, user, ERROR_P)
        marked = pde | A | (D if access == WRITE else 0)
        if marked != pde:
            write_physical(m, pde_at, 4, marked)
        high = pde >> 13 & 0xF  # reserved without PSE-36, so 0
        return _describe(c, high << 32 | (pde & 0xFFC0_0000) | (linear & 0x003F_F000), rights, marked)
    pte_at = _with_a20(c, (pde & 0xFFFF_F000) + (((linear >> 12) & 0x3FF) << 2))
    pte = read_physical(m, pte_at, 4)
    if pte & P == 0:
        return _refuse(c, m, linear, access, user, 0)
    if pte & PAT_4K and c.cr4 & CR4_PSE and m.features & PAT == 0:
        return _refuse(c, m, linear, access, user, ERROR_P | ERROR_RSVD)
    rights = pde & pte & (RW | US) | PERMIT_FETCH << 8
    if not _allowed(c, access, user, rights):
        return _refuse(c, m, linear, access, user, ERROR_P)
    if pde & A == 0:
        write_physical(m, pde_at, 4, pde | A)
    marked = pte | A | (D if access == WRITE else 0)
    if marked != pte:
        write_physical(m, pte_at, 4, marked)
    return _describe(c, pte & 0xFFFF_F000, rights, marked)


@inlined
def _reserved_pae(c: Cpu, entry: int) -> bool:
    """Bits 62..36 must be zero (36-bit physical addresses), and bit 63 too while NX is off."""
    if entry & 0x7FFF_FFF0_0000_0000:
        return True
    return entry < 0 and c.efer & EFER_NXE == 0


@jitted
def _walk_pae(c: Cpu, m: Machine, linear: int, access: int, user: int) -> int:
    pdpte = c.pdpte[linear >> 30]
    if pdpte & P == 0:
        return _refuse(c, m, linear, access, user, 0)
    pde_at = _with_a20(c, (pdpte & 0xF_FFFF_F000) + (((linear >> 21) & 0x1FF) << 3))
    pde = read_physical(m, pde_at, 8)
    if pde & P == 0:
        return _refuse(c, m, linear, access, user, 0)
    if _reserved_pae(c, pde) or (pde & PS and pde & (0x1F_E000 if m.features & PAT else 0x1F_F000)):
        return _refuse(c, m, linear, access, user, ERROR_P | ERROR_RSVD)
    rights = pde & (RW | US)
    if pde >= 0:
        rights |= PERMIT_FETCH << 8
    if pde & PS:
        if not _allowed(c, access, user, rights):
            return _refuse(c, m, linear, access, user, ERROR_P)
        marked = pde | A | (D if access == WRITE else 0)
        if marked != pde:
            write_physical(m, pde_at, 8, marked)
        return _describe(c, (pde & 0xF_FFE0_0000) | (linear & 0x001F_F000), rights, marked)
    pte_at = _with_a20(c, (pde & 0xF_FFFF_F000) + (((linear >> 12) & 0x1FF) << 3))
    pte = read_physical(m, pte_at, 8)
    if pte & P == 0:
        return _refuse(c, m, linear, access, user, 0)
    if _reserved_pae(c, pte) or (pte & PAT_4K and m.features & PAT == 0):
        return _refuse(c, m, linear, access, user, ERROR_P | ERROR_RSVD)
    rights &= pte | ~(RW | US)
    if pte < 0:
        rights &= ~(PERMIT_FETCH << 8)
    if not _allowed(c, access, user, rights):
        return _refuse(c, m, linear, access, user, ERROR_P)
    if pde & A == 0:
        write_physical(m, pde_at, 8, pde | A)
    marked = pte | A | (D if access == WRITE else 0)
    if marked != pte:
        write_physical(m, pte_at, 8, marked)
    return _describe(c, pte & 0xF_FFFF_F000, rights, marked)


@jitted
def linear_gpa(c: Cpu, m: Machine, linear: int) -> int:
    """Where a linear address lies, for tests and debuggers: supervisor read."""
    walk = translate(c, m, linear & M32, READ, 0)
    return -1 if walk < 0 else (walk & ~0xFFF) | (linear & 0xFFF)
