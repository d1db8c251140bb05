"""Model-specific registers of the processor that CPUID describes (SDM 4, P6 family); all others raise #GP(0).

    10h TSC   17h PLATFORM_ID (0)   1Bh APIC_BASE, not of a Pentium   8Bh BIOS_SIGN_ID (no microcode: 0)
    174h-176h SYSENTER   C0000080h EFER (NXE only)
    1A0h MISC_ENABLE, of a Pentium 4: fast strings can be switched off, to no effect
    MTRRs and PAT, where CPUID offers them: memory_types.py

Values are 64 bits wide, handled as signed ints like every 64-bit field; `join` and `low_half`/`high_half` convert.
Absent because CPUID does not offer them: machine check, performance counters, last-branch control.
"""

from node.ia32.apic_interrupts import set_base
from node.ia32.apic_registers import FAMILY, P5
from node.ia32.faults import general_protection
from node.ia32.features import APIC, NX
from node.ia32.memory_types import (
    CAPABILITIES,
    MSR_PAT,
    MTRR_CAP,
    are_types,
    has_mtrr,
    has_pat,
    is_range,
    range_slot,
)
from node.ia32.state import EFER_NXE, M32, Cpu, Machine
from node.ia32.time_stamp import time_stamp
from node.ia32.tlb import flush_all
from node.jitted import inlined, jitted

MSR_TSC, MSR_PLATFORM_ID, MSR_APIC_BASE, MSR_BIOS_SIGN_ID = 0x10, 0x17, 0x1B, 0x8B
MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP = 0x174, 0x175, 0x176
MSR_MISC_ENABLE, FAST_STRINGS = 0x1A0, 1
MSR_EFER = 0xC000_0080
MISC_ENABLE_SLOT = 0  # of c.misc_msr


@inlined
def low_half(value: int) -> int:
    return value & M32


@inlined
def high_half(value: int) -> int:
    return (value >> 32) & M32


@inlined
def join(high: int, low: int) -> int:
    """EDX:EAX as one signed 64-bit value."""
    return ((high ^ 0x8000_0000) - 0x8000_0000) << 32 | low


@inlined
def has_apic_base(m: Machine) -> bool:
    return m.features & APIC != 0 and m.signature & FAMILY > P5


@inlined
def has_misc_enable(m: Machine) -> bool:
    return m.signature & 0xF00 == 0xF00


@jitted
def read_msr(c: Cpu, m: Machine, index: int) -> int:
    if index == MSR_TSC:
        value = time_stamp(c, m) + c.tsc_offset
        return join(high_half(value), low_half(value))
    if index == MSR_PLATFORM_ID:
        return 0
    if index == MSR_APIC_BASE and has_apic_base(m):
        return c.apic_base
    if index == MSR_BIOS_SIGN_ID:
        return 0
    if index == MSR_SYSENTER_CS:
        return c.sysenter_cs
    if index == MSR_SYSENTER_ESP:
        return c.sysenter_esp
    if index == MSR_SYSENTER_EIP:
        return c.sysenter_eip
    if index == MSR_MISC_ENABLE and has_misc_enable(m):
        return c.misc_msr[MISC_ENABLE_SLOT]
    if index == MSR_EFER and m.features_extended & NX:
        return c.efer
    if index == MSR_PAT and has_pat(m):
        return c.pat
    if index == MTRR_CAP and has_mtrr(m):
        return CAPABILITIES
    if range_slot(index) >= 0 and has_mtrr(m):
        return c.misc_msr[range_slot(index)]
    general_protection(m, 0)
    return 0


@jitted
def write_msr(c: Cpu, m: Machine, index: int, high: int, low: int) -> None:
    if index == MSR_TSC:
        _set_time_stamp(c, m, high, low)
    elif index == MSR_APIC_BASE and has_apic_base(m):
        set_base(c, m, high, low)
    elif index == MSR_BIOS_SIGN_ID:
        return  # CPUID(1) writes the microcode's revision here, and there is none
    elif index == MSR_SYSENTER_CS:
        c.sysenter_cs = low
    elif index == MSR_SYSENTER_ESP:
        c.sysenter_esp = low
    elif index == MSR_SYSENTER_EIP:
        c.sysenter_eip = low
    elif index == MSR_MISC_ENABLE and has_misc_enable(m):
        if high or low & ~FAST_STRINGS:
            general_protection(m, 0)
        else:
            c.misc_msr[MISC_ENABLE_SLOT] = low
    elif index == MSR_EFER and m.features_extended & NX:
        _set_efer(c, m, high, low)
    elif index == MSR_PAT and has_pat(m) and are_types(low, True) and are_types(high, True):
        c.pat = join(high, low)
    elif range_slot(index) >= 0 and has_mtrr(m) and is_range(index, high, low):
        c.misc_msr[range_slot(index)] = join(high, low)
    else:
        general_protection(m, 0)


@jitted
def _set_time_stamp(c: Cpu, m: Machine, high: int, low: int) -> None:
    now = time_stamp(c, m)
    difference = join(high, low) - now
    c.tsc_offset = join(high_half(difference), low_half(difference))


@jitted
def _set_efer(c: Cpu, m: Machine, high: int, low: int) -> None:
    if high or low & ~EFER_NXE:
        general_protection(m, 0)
    elif c.efer != low:
        c.efer = low
        flush_all(m)
