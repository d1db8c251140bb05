"""The local APIC's registers: where they lie, which of their bits can be written, what RESET leaves (SDM 3A 10.4).

`c.apic[offset >> 4]` is the register at `offset` of the page; the interrupt command's upper half and what is only
computed when it is read (PPR, the timer's current count) included. Three of them are 256 bits, one a vector: IRR what
has been accepted, ISR what is being served, TMR which of them are level-triggered.

One choice is not the manual's: LINT0 comes out of RESET as an external-interrupt pin that is not masked, which is what
a PC's firmware makes of it (MP specification 3.6.2.2, virtual wire mode), and loaders start kernels without any.
"""

from node.ia32.state import Cpu, Machine
from node.jitted import inlined, jitted

ID, VERSION, TPR, APR, PPR, EOI, LDR, DFR, SVR = 0x02, 0x03, 0x08, 0x09, 0x0A, 0x0B, 0x0D, 0x0E, 0x0F
ISR, TMR, IRR = 0x10, 0x18, 0x20  # eight registers each
ESR, ICR_LOW, ICR_HIGH = 0x28, 0x30, 0x31
LVT_TIMER, LVT_THERMAL, LVT_COUNTERS, LVT_LINT0, LVT_LINT1, LVT_ERROR = range(0x32, 0x38)
INITIAL_COUNT, CURRENT_COUNT, DIVIDE = 0x38, 0x39, 0x3E

APIC_ENABLED, BOOTSTRAP = 0x800, 0x100  # IA32_APIC_BASE
BASE_AT_RESET = 0xFEE0_0000 | APIC_ENABLED | BOOTSTRAP
SVR_ENABLED, SVR_FOCUS = 0x100, 0x200

VECTOR, MODE, REMOTE_IRR, LEVEL, MASKED, PERIODIC = 0xFF, 0x700, 0x4000, 0x8000, 0x1_0000, 0x2_0000
FIXED, LOWEST_PRIORITY, SMI, NMI_MODE, INIT, STARTUP, EXTERNAL = (mode << 8 for mode in (0, 1, 2, 4, 5, 6, 7))
WIRE = VECTOR | MODE | 0x2000 | LEVEL | MASKED  # an LVT entry of a pin; 2000h is its polarity, which wires here lack

SEND_ILLEGAL_VECTOR, RECEIVE_ILLEGAL_VECTOR, ILLEGAL_REGISTER = 0x20, 0x40, 0x80  # ESR

FAMILY, P5, P6 = 0xF00, 0x500, 0x600


@inlined
def is_enabled(c: Cpu) -> bool:
    return c.apic_base & APIC_ENABLED != 0


@inlined
def before_pentium4(m: Machine) -> bool:
    return m.signature & FAMILY <= P6


@jitted
def version_of(m: Machine) -> int:
    """Version, and in bits 16-23 the number of the last LVT entry: a Pentium lacks those of the performance counters
    and the thermal sensor, the P6 family the latter."""
    family = m.signature & FAMILY
    if family == P5:
        return 0x0003_0010
    return 0x0004_0011 if family == P6 else 0x0005_0014


@jitted
def writable_lvt(m: Machine, register: int) -> int:
    """Bits of an LVT entry that software decides; 0: this model has no such entry."""
    if register == LVT_TIMER:
        return VECTOR | MASKED | PERIODIC
    if register == LVT_THERMAL:
        return 0 if before_pentium4(m) else VECTOR | MODE | MASKED
    if register == LVT_COUNTERS:
        return 0 if m.signature & FAMILY == P5 else VECTOR | MODE | MASKED
    return VECTOR | MASKED if register == LVT_ERROR else WIRE


@jitted
def reset_registers(c: Cpu) -> None:
    """After power-up, RESET, or being switched on by IA32_APIC_BASE (SDM 3A 10.4.7.1)."""
    for register in range(64):
        c.apic[register] = 0
    c.apic[DFR] = 0xFFFF_FFFF
    c.apic[SVR] = 0xFF
    for register in range(LVT_TIMER, LVT_ERROR + 1):
        c.apic[register] = MASKED
    c.apic[LVT_LINT0] = EXTERNAL
    c.apic_errors = c.apic_count = c.apic_since = 0
    c.apic_due = NEVER


NEVER = (1 << 63) - 1  # a guest time
