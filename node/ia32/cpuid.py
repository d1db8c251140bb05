"""What CPUID tells: a Pentium II without MMX, plus no-execute pages (SDM 2A, CPUID).

A bit is set here only when the feature behaves as the manual says. Not offered: VME, DE, MCE, MCA, APIC, MTRR, PAT,
PSE-36, MMX, FXSR, SSE. Above the highest basic or extended leaf the processor answers as for the highest basic leaf.
"""

from node.ia32.state import EAX, EBX, ECX, EDX, Cpu
from node.jitted import jitted

SIGNATURE = 0x652  # family 6, model 5, stepping 2: later than the steppings whose SYSENTER is known broken

FPU, PSE, TSC, MSR, PAE, CX8, SEP, PGE, CMOV = 0x1, 0x8, 0x10, 0x20, 0x40, 0x100, 0x800, 0x2000, 0x8000
FEATURES = FPU | PSE | TSC | MSR | PAE | CX8 | SEP | PGE | CMOV
NX = 0x10_0000

HIGHEST_BASIC, FIRST_EXTENDED, HIGHEST_EXTENDED = 2, 0x8000_0000, 0x8000_0001
GENU, INEI, NTEL = 0x756E_6547, 0x4965_6E69, 0x6C65_746E

# Leaf 2: TLBs of 4 KiB and 4 MiB pages (01 02 03 04), 16 KiB caches of code and data (08 0C), 512 KiB second level (43)
CACHES_EAX, CACHES_EDX = 0x0302_0101, 0x0C04_0843


@jitted
def cpuid_answer(c: Cpu) -> None:
    """Replace EAX EBX ECX EDX by the answer to the leaf in EAX."""
    leaf = c.gpr[EAX]
    if leaf == 0:
        _give(c, HIGHEST_BASIC, GENU, NTEL, INEI)
    elif leaf == 1:
        _give(c, SIGNATURE, 0, 0, FEATURES)
    elif leaf == FIRST_EXTENDED:
        _give(c, HIGHEST_EXTENDED, 0, 0, 0)
    elif leaf == HIGHEST_EXTENDED:
        _give(c, 0, 0, 0, NX)
    else:
        _give(c, CACHES_EAX, 0, 0, CACHES_EDX)


@jitted
def _give(c: Cpu, eax: int, ebx: int, ecx: int, edx: int) -> None:
    c.gpr[EAX] = eax
    c.gpr[EBX] = ebx
    c.gpr[ECX] = ecx
    c.gpr[EDX] = edx
