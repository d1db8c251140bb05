"""The processors that a machine may have: what CPUID says of each, and so which instructions and registers there are.

A bit is set here only where the feature behaves as the manual says; what is left out against the silicon of that name
(MCE, MCA, and what came after SSE2) is what is not implemented. A model is part of a
machine's configuration; its features decide the decoder's table, the bits of CR4 and MXCSR, and the MSRs.
"""

from dataclasses import dataclass

from node.ia32.cpuid import BASIC_LEAVES, EXTENDED
from node.ia32.features import (
    APIC,
    CLFSH,
    CMOV,
    CX8,
    DE,
    FPU,
    FXSR,
    MMX,
    MSR,
    MTRR,
    NX,
    PAE,
    PAT,
    PGE,
    PSE,
    PSE36,
    SEP,
    SSE,
    SSE2,
    TSC,
    VME,
)
from node.ia32.state import (
    CR4_DE,
    CR4_OSFXSR,
    CR4_OSXMMEXCPT,
    CR4_PAE,
    CR4_PCE,
    CR4_PGE,
    CR4_PSE,
    CR4_PVI,
    CR4_TSD,
    CR4_VME,
    Machine,
)

GENU, INEI, NTEL = 0x756E_6547, 0x4965_6E69, 0x6C65_746E


LINE_UNITS = 8 << 8  # leaf 1, EBX: CLFLUSH's line in units of 8 bytes
WITHOUT_DAZ, WITH_DAZ = 0xFFBF, 0xFFFF

Leaf = tuple[int, int, int, int]  # EAX EBX ECX EDX
_P5 = FPU | VME | DE | PSE | TSC | MSR | CX8 | APIC
_P6 = _P5 | PAE | SEP | PGE | CMOV
_DESCHUTES = _P6 | MTRR | PAT | PSE36 | MMX | FXSR  # the Pentium II of this signature, and its successors


@dataclass(frozen=True, slots=True)
class CpuModel:
    name: str
    signature: int  # family, model, stepping: CPUID(1).EAX, and EDX after RESET
    features: int  # CPUID(1).EDX
    caches: Leaf | None = None  # CPUID(2); None: there is no such leaf
    features_extended: int = 0  # CPUID(80000001h).EDX
    brand: str = ""
    mxcsr_bits: int = WITHOUT_DAZ

    def leaves(self) -> tuple[list[Leaf], list[Leaf]]:
        """Basic and extended leaves, from 0 and from 80000000h."""
        line = LINE_UNITS if self.features & CLFSH else 0
        basic = [(2 if self.caches else 1, GENU, NTEL, INEI), (self.signature, line, 0, self.features)]
        basic += [self.caches] if self.caches else []
        extended: list[Leaf] = []
        if self.features_extended or self.brand:
            extended = [(EXTENDED + (4 if self.brand else 1), 0, 0, 0), (0, 0, 0, self.features_extended)]
        text = self.brand.encode().ljust(48, b"\0") if self.brand else b""
        words = [int.from_bytes(text[i : i + 4], "little") for i in range(0, len(text), 4)]
        extended += [(words[i], words[i + 1], words[i + 2], words[i + 3]) for i in range(0, len(words), 4)]
        return basic, extended


# Leaf 2, P6: TLBs of 4 KiB and 4 MiB pages (01 02 03 04), 16 KiB caches of code and data (08 0C), 512 KiB second level
# (43). Pentium 4: TLBs (50 5B), 8 KiB of data (66), 12 K micro-operations (70), 512 KiB second level (7B).
_CACHES_P6: Leaf = (0x0302_0101, 0, 0, 0x0C04_0843)
_CACHES_P4: Leaf = (0x665B_5001, 0, 0, 0x007B_7000)

_ALL = (
    # A Pentium II without MMX, memory types, debugging and virtual-8086 mode extensions, later than the steppings whose
    # SYSENTER is known broken, plus no-execute pages.
    CpuModel("i686", 0x652, _P6 & ~(VME | DE), _CACHES_P6, NX),
    CpuModel("pentium", 0x543, _P5 | MMX),
    CpuModel("pentium2", 0x652, _DESCHUTES, _CACHES_P6),
    CpuModel("pentium3", 0x673, _DESCHUTES | SSE, _CACHES_P6),
    # Plus no-execute pages, which its last steppings had, together with SSE3.
    CpuModel(
        "pentium4",
        0xF29,
        _DESCHUTES | CLFSH | SSE | SSE2,
        _CACHES_P4,
        NX,
        brand="Intel(R) Pentium(R) 4 CPU",
        mxcsr_bits=WITH_DAZ,
    ),
)
MODELS = {model.name: model for model in _ALL}
DEFAULT = MODELS["i686"]

_CR4_NEEDS = (
    (CR4_VME, VME), (CR4_PVI, VME), (CR4_TSD, TSC), (CR4_DE, DE), (CR4_PSE, PSE), (CR4_PAE, PAE), (CR4_PGE, PGE),
    (CR4_PCE, CMOV), (CR4_OSFXSR, FXSR), (CR4_OSXMMEXCPT, SSE),
)  # fmt: skip


def install_model(m: Machine, model: CpuModel) -> None:
    """Put what jitted code asks about the model into the machine record."""
    m.features, m.features_extended = model.features, model.features_extended
    m.signature, m.mxcsr_bits = model.signature, model.mxcsr_bits
    m.cr4_bits = 0
    for bit, needed in _CR4_NEEDS:
        m.cr4_bits |= bit if model.features & needed else 0
    basic, extended = model.leaves()
    m.cpuid_basic, m.cpuid_extended = len(basic) - 1, len(extended) - 1
    for slot, leaf in [*enumerate(basic), *((BASIC_LEAVES + i, leaf) for i, leaf in enumerate(extended))]:
        for i, word in enumerate(leaf):
            m.cpuid[4 * slot + i] = word
