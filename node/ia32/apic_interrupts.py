"""How the local APIC takes interrupts in, which of them it lets the processor see, and how they end (SDM 3A 10.8).

A vector's upper four bits are its priority class. Accepted vectors wait in IRR; the highest is shown to the processor
when its class is above the processor priority, which is the higher one of TPR's and of the highest vector in service.
Taking it moves it to ISR, EOI takes it out there. `m.apic_vector` and `m.interrupt_line` follow from the registers:
whoever changes one of those calls `refresh`.

The spurious vector is never needed: nothing changes between the moment in which an interrupt is shown and that in which
it is taken.
"""

from node.ia32.apic_registers import (
    APIC_ENABLED,
    BASE_AT_RESET,
    BOOTSTRAP,
    EXTERNAL,
    FIXED,
    IRR,
    ISR,
    LEVEL,
    LVT_ERROR,
    LVT_LINT0,
    MASKED,
    MODE,
    NMI_MODE,
    RECEIVE_ILLEGAL_VECTOR,
    REMOTE_IRR,
    SVR,
    SVR_ENABLED,
    TMR,
    TPR,
    VECTOR,
    is_enabled,
    reset_registers,
)
from node.ia32.faults import general_protection
from node.ia32.state import EXIT_EOI, NO_PORT, Cpu, Machine
from node.ia32.tlb import flush_all
from node.jitted import inlined, jitted

FIRST_VECTOR = 16  # lower ones are exceptions, and illegal in the APIC
BASE_RESERVED = 0x6FF  # of IA32_APIC_BASE's lower half; physical addresses have 36 bits


@jitted
def highest(c: Cpu, first: int) -> int:
    """The highest vector in IRR or ISR; 0: none."""
    for i in range(7, -1, -1):
        bits = c.apic[first + i]
        if bits:
            vector = i << 5
            while bits > 1:
                bits >>= 1
                vector += 1
            return vector
    return 0


@jitted
def processor_priority(c: Cpu) -> int:
    """PPR (10.8.3.1)."""
    served = highest(c, ISR) & 0xF0
    return c.apic[TPR] if c.apic[TPR] & 0xF0 >= served else served


@jitted
def arbitration_priority(c: Cpu) -> int:
    """APR, of the P6 family and before (10.6.2.4)."""
    task, waiting, served = c.apic[TPR], highest(c, IRR) & 0xF0, highest(c, ISR) & 0xF0
    if task & 0xF0 >= waiting and task & 0xF0 > served:
        return task
    return max(task & served & 0xF0, waiting)


@jitted
def refresh(c: Cpu, m: Machine) -> None:
    """Recompute what the machine record shows of the APIC. A request that was waiting may be so no longer, and then a
    device's next one counts: it must not lie in the sink."""
    m.sink_port = NO_PORT
    vector = 0
    if is_enabled(c):
        m.apic_page = c.apic_base >> 12
        waiting = highest(c, IRR)
        if waiting and waiting & 0xF0 > processor_priority(c) & 0xF0:
            vector = waiting
    else:
        m.apic_page = -1
    m.apic_vector = vector
    m.interrupt_line = 1 if vector or (c.apic_pins & 1 and _passes_external(c)) else 0


@inlined
def _passes_external(c: Cpu) -> bool:
    """LINT0 is the processor's INTR: without an APIC, or by its LVT entry."""
    return not is_enabled(c) or c.apic[LVT_LINT0] & (MASKED | MODE) == EXTERNAL


@jitted
def accept(c: Cpu, m: Machine, vector: int, level: int) -> int:
    """A fixed interrupt from a wire, the timer or the bus; 1 if it was taken."""
    if not is_enabled(c) or c.apic[SVR] & SVR_ENABLED == 0:
        return 0
    if vector < FIRST_VECTOR:
        note_error(c, m, RECEIVE_ILLEGAL_VECTOR)
        return 0
    _request(c, m, vector, level)
    return 1


@jitted
def _request(c: Cpu, m: Machine, vector: int, level: int) -> None:
    bit = 1 << (vector & 31)
    c.apic[IRR + (vector >> 5)] |= bit
    if level:
        c.apic[TMR + (vector >> 5)] |= bit
    else:
        c.apic[TMR + (vector >> 5)] &= ~bit
    refresh(c, m)


@jitted
def note_error(c: Cpu, m: Machine, error: int) -> None:
    """The first error after a write of ESR interrupts, if the LVT lets it (10.5.3)."""
    entry = c.apic[LVT_ERROR]
    if c.apic_errors == 0 and entry & MASKED == 0 and entry & VECTOR >= FIRST_VECTOR:
        _request(c, m, entry & VECTOR, 0)
    c.apic_errors |= error


@jitted
def take(c: Cpu, m: Machine) -> int:
    """The processor acknowledges `m.apic_vector`: it is in service from now on."""
    vector = m.apic_vector
    c.apic[IRR + (vector >> 5)] &= ~(1 << (vector & 31))
    c.apic[ISR + (vector >> 5)] |= 1 << (vector & 31)
    refresh(c, m)
    return vector


@jitted
def end_of_interrupt(c: Cpu, m: Machine) -> None:
    """EOI: the highest vector in service has been served; I/O APICs hear of it if it was level-triggered (10.8.5)."""
    vector = highest(c, ISR)
    if vector:
        bit = 1 << (vector & 31)
        c.apic[ISR + (vector >> 5)] &= ~bit
        if c.apic[TMR + (vector >> 5)] & bit:
            m.eoi_vector = vector
            m.exit = EXIT_EOI
            for pin in range(2):
                if c.apic[LVT_LINT0 + pin] & VECTOR == vector:
                    c.apic[LVT_LINT0 + pin] &= ~REMOTE_IRR
                    _level(c, m, pin)
        refresh(c, m)


@jitted
def drive(c: Cpu, m: Machine, pin: int, high: int) -> None:
    """LINT0 (the PIC's INTR) or LINT1 changes its level (10.5.1)."""
    rises = high and c.apic_pins >> pin & 1 == 0
    c.apic_pins = c.apic_pins & ~(1 << pin) | high << pin
    if not is_enabled(c):
        if rises and pin == 1:
            c.nmi_pending = 1
    elif c.apic[LVT_LINT0 + pin] & MASKED == 0 and rises:
        entry = c.apic[LVT_LINT0 + pin]
        if entry & MODE == NMI_MODE:
            c.nmi_pending = 1
        elif entry & (MODE | LEVEL) == FIXED:
            accept(c, m, entry & VECTOR, 0)
    _level(c, m, pin)
    refresh(c, m)


@jitted
def _level(c: Cpu, m: Machine, pin: int) -> None:
    """A level-triggered pin requests while it is high, and again after each EOI."""
    entry = c.apic[LVT_LINT0 + pin]
    level = entry & (MODE | LEVEL | MASKED | REMOTE_IRR) == FIXED | LEVEL
    if level and c.apic_pins >> pin & 1 and accept(c, m, entry & VECTOR, 1):
        c.apic[LVT_LINT0 + pin] |= REMOTE_IRR


@jitted
def write_pin(c: Cpu, m: Machine, register: int, value: int) -> None:
    """The LVT entry of LINT0 or LINT1; remote IRR is the APIC's own."""
    kept = c.apic[register] & REMOTE_IRR if value & (MODE | LEVEL) == FIXED | LEVEL else 0
    c.apic[register] = value | kept
    _level(c, m, register - LVT_LINT0)


@jitted
def reset_apic(c: Cpu, m: Machine) -> None:
    c.apic_base = BASE_AT_RESET
    reset_registers(c)
    refresh(c, m)


@jitted
def set_base(c: Cpu, m: Machine, high: int, low: int) -> None:
    """WRMSR IA32_APIC_BASE (10.4.4). Switched off and on again, the APIC is as after power-up (10.4.3)."""
    if high & ~0xF or low & BASE_RESERVED:
        general_protection(m, 0)
        return
    if (c.apic_base ^ low) & APIC_ENABLED:
        reset_registers(c)
    c.apic_base = high << 32 | low & ~BOOTSTRAP | c.apic_base & BOOTSTRAP
    refresh(c, m)
    flush_all(m)
