"""The processor about itself: HLT CPUID RDTSC RDMSR WRMSR RDPMC INVLPG INVD WBINVD SYSENTER SYSEXIT (SDM 2A, 2B)."""

from node.ia32.cpuid import cpuid_answer
from node.ia32.descriptors import is_null
from node.ia32.faults import general_protection, leave_after
from node.ia32.features import MSR, P6, SEP, TSC
from node.ia32.msr import MSR_TSC, high_half, low_half, read_msr, write_msr
from node.ia32.operands import offset_of
from node.ia32.privilege import fall_through, require_level0
from node.ia32.rows import Row
from node.ia32.segments import install_flat, set_level
from node.ia32.state import (
    ATTR_ACCESSED,
    ATTR_CODE,
    ATTR_D,
    ATTR_DPL_SHIFT,
    ATTR_G,
    ATTR_P,
    ATTR_RW,
    ATTR_S,
    CR0_PE,
    CR4_PAE,
    CR4_PSE,
    CR4_TSD,
    CS,
    EAX,
    ECX,
    EDX,
    ESP,
    IF,
    M32,
    RF,
    SS,
    VM,
    Cpu,
    Machine,
    Op,
)
from node.ia32.tlb import flush_page
from node.jitted import jitted

FLAT = ATTR_P | ATTR_S | ATTR_RW | ATTR_ACCESSED | ATTR_D | ATTR_G
FLAT_CODE = FLAT | ATTR_CODE
USER = 3 << ATTR_DPL_SHIFT


@jitted
def hlt(c: Cpu, m: Machine, e: Op) -> None:
    """Stop until an interrupt; the outer loop sees c.halted."""
    require_level0(c, m)
    if m.fault == 0:
        c.halted = 1
        fall_through(c, e)
        leave_after(m)


@jitted
def cpuid(c: Cpu, m: Machine, e: Op) -> None:
    cpuid_answer(c, m)


@jitted
def rdtsc(c: Cpu, m: Machine, e: Op) -> None:
    if c.cr4 & CR4_TSD:
        require_level0(c, m)
    if m.fault == 0:
        _give(c, read_msr(c, m, MSR_TSC))


@jitted
def _give(c: Cpu, value: int) -> None:
    c.gpr[EAX] = low_half(value)
    c.gpr[EDX] = high_half(value)


@jitted
def rdmsr(c: Cpu, m: Machine, e: Op) -> None:
    require_level0(c, m)
    value = read_msr(c, m, c.gpr[ECX]) if m.fault == 0 else 0
    if m.fault == 0:
        _give(c, value)


@jitted
def wrmsr(c: Cpu, m: Machine, e: Op) -> None:
    require_level0(c, m)
    if m.fault == 0:
        write_msr(c, m, c.gpr[ECX], c.gpr[EDX], c.gpr[EAX])
    if m.fault == 0:
        fall_through(c, e)


@jitted
def rdpmc(c: Cpu, m: Machine, e: Op) -> None:
    """No performance counters are offered: every index is invalid."""
    general_protection(m, 0)


@jitted
def invlpg(c: Cpu, m: Machine, e: Op) -> None:
    """Drop the translation of the operand's page: the TLB holds large pages in 4 KiB pieces, all of which must go."""
    require_level0(c, m)
    if m.fault:
        return
    linear = (c.base[int(e.seg) & 7] + offset_of(c, e)) & M32
    if c.cr4 & (CR4_PAE | CR4_PSE):
        pieces = 512 if c.cr4 & CR4_PAE else 1024
        first = linear & ~((pieces << 12) - 1)
        for i in range(pieces):
            flush_page(m, first + (i << 12))
    else:
        flush_page(m, linear)
    fall_through(c, e)


@jitted
def invalidate_caches(c: Cpu, m: Machine, e: Op) -> None:
    """INVD, WBINVD: memory is always coherent here."""
    require_level0(c, m)


@jitted
def sysenter(c: Cpu, m: Machine, e: Op) -> None:
    """To level 0 at SYSENTER_EIP, on flat segments (SDM 2B)."""
    if c.cr0 & CR0_PE == 0 or is_null(c.sysenter_cs):
        general_protection(m, 0)
        return
    c.flags &= ~(VM | IF | RF)
    selector = c.sysenter_cs & 0xFFFC
    _enter_level(c, m, selector, selector + 8, 0)
    c.gpr[ESP] = c.sysenter_esp
    c.eip = c.sysenter_eip


@jitted
def sysexit(c: Cpu, m: Machine, e: Op) -> None:
    """Back to level 3: EIP from EDX, ESP from ECX."""
    if c.cr0 & CR0_PE == 0 or is_null(c.sysenter_cs) or c.cpl != 0:
        general_protection(m, 0)
        return
    selector = c.sysenter_cs | 3
    _enter_level(c, m, selector + 16, selector + 24, 3)
    c.gpr[ESP] = c.gpr[ECX]
    c.eip = c.gpr[EDX]


@jitted
def _enter_level(c: Cpu, m: Machine, code: int, stack: int, level: int) -> None:
    rights = USER if level == 3 else 0
    install_flat(c, m, CS, code, FLAT_CODE | rights)
    install_flat(c, m, SS, stack, FLAT | rights)
    set_level(c, m, level)


ROWS = [
    Row("F4", "", hlt, faults="always", ends="always", privileged=True, oracle=False),
    Row("0F A2", "", cpuid, faults="never", oracle=False),
    Row("0F 31", "", rdtsc, faults="always", counts=True, oracle=False, feature=TSC),
    Row("0F 32", "", rdmsr, faults="always", counts=True, privileged=True, oracle=False, feature=MSR),
    Row("0F 30", "", wrmsr, faults="always", ends="always", counts=True, privileged=True, oracle=False, feature=MSR),
    Row("0F 33", "", rdpmc, faults="always", privileged=True, oracle=False, feature=P6),
    Row("0F 01 /7", "Mb", invlpg, faults="always", ends="always", privileged=True, oracle=False),
    Row("0F 08", "", invalidate_caches, faults="always", privileged=True, oracle=False),
    Row("0F 09", "", invalidate_caches, faults="always", privileged=True, oracle=False),
    Row("0F 34", "", sysenter, faults="always", ends="always", oracle=False, feature=SEP),
    Row("0F 35", "", sysexit, faults="always", ends="always", privileged=True, oracle=False, feature=SEP),
]
