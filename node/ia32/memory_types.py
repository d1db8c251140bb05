"""Memory type range registers and the page attribute table (SDM 3A 11.11, 11.12): which memory the guest's system says
may be cached, and how.

    FEh MTRRCAP, to be read   200h-20Fh eight pairs PHYSBASE, PHYSMASK   2FFh MTRR_DEF_TYPE   277h PAT
    250h 258h 259h 268h-26Fh  the first MiB in pieces of 64, 16 and 4 KiB, a byte of type each

There are no caches, so no type changes what an access does; what is checked is what the manual says is: reserved bits
and types raise #GP(0).
"""

from node.ia32.features import MTRR, PAT
from node.ia32.state import Cpu, Machine
from node.jitted import inlined, jitted

MTRR_CAP, MTRR_DEF_TYPE, MSR_PAT = 0xFE, 0x2FF, 0x277
PHYSBASE0, PHYSMASK7 = 0x200, 0x20F
FIX64K_00000, FIX16K_80000, FIX16K_A0000, FIX4K_C0000, FIX4K_F8000 = 0x250, 0x258, 0x259, 0x268, 0x26F

CAPABILITIES = 0x508  # write-combining, fixed ranges, 8 variable ones
UC, WC, WT, WP, WB, UC_MINUS = 0, 1, 4, 5, 6, 7
MASK_VALID = 1 << 11
FIXED_ENABLE, ENABLE = 1 << 10, 1 << 11
PAT_RESET = 0x0007_0406_0007_0406

# Slots of c.misc_msr; that of msr.py is before them
_PHYS, _FIX64K, _FIX16K, _FIX4K, _DEF_TYPE = 1, 17, 18, 20, 28


@inlined
def has_mtrr(m: Machine) -> bool:
    return m.features & MTRR != 0


@inlined
def has_pat(m: Machine) -> bool:
    return m.features & PAT != 0


@jitted
def range_slot(index: int) -> int:
    """Of a register that can be read and written; -1: it is none."""
    if PHYSBASE0 <= index <= PHYSMASK7:
        return _PHYS + index - PHYSBASE0
    if index == FIX64K_00000:
        return _FIX64K
    if index in (FIX16K_80000, FIX16K_A0000):
        return _FIX16K + index - FIX16K_80000
    if FIX4K_C0000 <= index <= FIX4K_F8000:
        return _FIX4K + index - FIX4K_C0000
    if index == MTRR_DEF_TYPE:
        return _DEF_TYPE
    return -1


@inlined
def _is_type(value: int) -> bool:
    return value in (UC, WC, WT, WP, WB)


@jitted
def are_types(half: int, uc_minus: bool) -> bool:
    """Whether each byte of a 32-bit half is a memory type."""
    for i in range(4):
        value = half >> (8 * i) & 0xFF
        if not (_is_type(value) or (uc_minus and value == UC_MINUS)):
            return False
    return True


@jitted
def is_range(index: int, high: int, low: int) -> bool:
    """Whether EDX:EAX may be written to the register with a slot."""
    if index == MTRR_DEF_TYPE:
        return high == 0 and low & ~(ENABLE | FIXED_ENABLE | 0xFF) == 0 and _is_type(low & 0xFF)
    if index > PHYSMASK7:
        return are_types(low, False) and are_types(high, False)
    if high > 0xF:  # 36-bit physical addresses
        return False
    if index & 1:
        return low & 0x7FF == 0
    return low & 0xF00 == 0 and _is_type(low & 0xFF)


def set_as_firmware_does(c: Cpu, m: Machine) -> None:
    """As the firmware of a PC leaves it to who loads the system: everything write-back but the legacy screen and what
    lies above RAM, where devices are. Plain Python, once, of a processor in the state after RESET."""
    if not has_mtrr(m):
        return
    size = 1 << 30
    while (1 << 32) - size < m.ram_bytes:
        size >>= 1
    everywhere = 0x0101_0101_0101_0101
    c.misc_msr[_PHYS] = (1 << 32) - size | UC
    c.misc_msr[_PHYS + 1] = (1 << 36) - size | MASK_VALID
    c.misc_msr[_FIX64K] = c.misc_msr[_FIX16K] = WB * everywhere
    c.misc_msr[_FIX16K + 1] = UC * everywhere
    for i in range(8):
        c.misc_msr[_FIX4K + i] = WP * everywhere
    c.misc_msr[_DEF_TYPE] = ENABLE | FIXED_ENABLE | WB
