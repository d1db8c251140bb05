"""CPUID: the leaf in EAX, from the table that the processor model has filled (models.py; SDM 2A, CPUID)."""

from node.ia32.apic_registers import APIC_ENABLED
from node.ia32.features import APIC
from node.ia32.state import EAX, EBX, ECX, EDX, Cpu, Machine
from node.jitted import jitted

EXTENDED = 0x8000_0000
BASIC_LEAVES = 3  # slots of m.cpuid: leaves 0-2, then 80000000h on


@jitted
def cpuid_answer(c: Cpu, m: Machine) -> None:
    """Replace EAX EBX ECX EDX. Above the highest basic or extended leaf the answer is the highest basic leaf's."""
    leaf = c.gpr[EAX]
    slot = m.cpuid_basic
    if leaf <= m.cpuid_basic:
        slot = leaf
    elif leaf >= EXTENDED and leaf - EXTENDED <= m.cpuid_extended:
        slot = BASIC_LEAVES + leaf - EXTENDED
    c.gpr[EAX] = m.cpuid[4 * slot]
    c.gpr[EBX] = m.cpuid[4 * slot + 1]
    c.gpr[ECX] = m.cpuid[4 * slot + 2]
    c.gpr[EDX] = m.cpuid[4 * slot + 3]
    if slot == 1 and c.apic_base & APIC_ENABLED == 0:  # SDM 3A 10.4.3: then there is none
        c.gpr[EDX] &= ~APIC
