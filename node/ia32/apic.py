"""The local APIC as memory: 32-bit registers at multiples of 16 of one page (SDM 3A 10.4.1, table 10-1).

Other accesses are not defined by the manual: here a read gives the bytes of the register that lie there and zeros
between registers, and a write is lost. A register that does not exist reads as 0 and is an error of its own, except
on a Pentium. Reads and writes are exact in time: `bus.py` lets them come one instruction at a time.
"""

from node.ia32.apic_interrupts import (
    arbitration_priority,
    end_of_interrupt,
    note_error,
    processor_priority,
    refresh,
    write_pin,
)
from node.ia32.apic_messages import send
from node.ia32.apic_registers import (
    APR,
    CURRENT_COUNT,
    DFR,
    DIVIDE,
    EOI,
    ESR,
    FAMILY,
    ICR_HIGH,
    ICR_LOW,
    ID,
    ILLEGAL_REGISTER,
    INITIAL_COUNT,
    LDR,
    LVT_ERROR,
    LVT_LINT0,
    LVT_LINT1,
    LVT_TIMER,
    MASKED,
    P5,
    PPR,
    SVR,
    SVR_ENABLED,
    SVR_FOCUS,
    TPR,
    VERSION,
    before_pentium4,
    version_of,
    writable_lvt,
)
from node.ia32.apic_timer import current_count, start_timer, write_divide, write_timer_entry
from node.ia32.state import Cpu, Machine
from node.ia32.time_stamp import time_stamp
from node.jitted import inlined, jitted

REMOTE_READ = 0x0C


@jitted
def read_apic(c: Cpu, m: Machine, offset: int, size: int) -> int:
    first = offset & 0xF
    if first >= 4:
        return 0
    return _read_register(c, m, offset >> 4) >> (first << 3) & (1 << (size << 3)) - 1


@jitted
def _read_register(c: Cpu, m: Machine, register: int) -> int:
    if not _exists(m, register):
        _no_such_register(c, m)
        return 0
    if register == VERSION:
        return version_of(m)
    if register == PPR:
        return processor_priority(c)
    if register == APR:
        return arbitration_priority(c)
    if register == CURRENT_COUNT:
        return current_count(c, time_stamp(c, m))
    return c.apic[register]


@inlined
def _exists(m: Machine, register: int) -> bool:
    if register == APR or register == REMOTE_READ:
        return before_pentium4(m)
    if LVT_TIMER <= register <= LVT_ERROR:
        return writable_lvt(m, register) != 0
    if ID <= register <= VERSION or TPR <= register <= ESR:
        return True
    return ICR_LOW <= register <= CURRENT_COUNT or register == DIVIDE


@inlined
def _no_such_register(c: Cpu, m: Machine) -> None:
    if m.signature & FAMILY != P5:
        note_error(c, m, ILLEGAL_REGISTER)


@jitted
def write_apic(c: Cpu, m: Machine, offset: int, size: int, value: int) -> None:
    register = offset >> 4
    if offset & 0xF or size != 4:
        return
    if not _exists(m, register):
        _no_such_register(c, m)
    elif register == ID:
        c.apic[ID] = value & (0x0F00_0000 if before_pentium4(m) else 0xFF00_0000)
    elif register == TPR:
        c.apic[TPR] = value & 0xFF
    elif register == EOI:
        end_of_interrupt(c, m)
    elif register == LDR:
        c.apic[LDR] = value & 0xFF00_0000
    elif register == DFR:
        c.apic[DFR] = value | 0x0FFF_FFFF
    elif register == SVR:
        _write_svr(c, m, value)
    elif register == ESR:
        c.apic[ESR] = c.apic_errors
        c.apic_errors = 0
    elif register == ICR_LOW:
        send(c, m, value)
    elif register == ICR_HIGH:
        c.apic[ICR_HIGH] = value & 0xFF00_0000
    elif LVT_TIMER <= register <= LVT_ERROR:
        _write_lvt(c, m, register, value)
    elif register == INITIAL_COUNT:
        start_timer(c, m, value, time_stamp(c, m))
    elif register == DIVIDE:
        write_divide(c, m, value, time_stamp(c, m))
    refresh(c, m)


@jitted
def _write_svr(c: Cpu, m: Machine, value: int) -> None:
    """While the APIC is disabled here, all of the LVT is masked (10.4.7.2)."""
    c.apic[SVR] = value & (0xFF | SVR_ENABLED | SVR_FOCUS)
    if before_pentium4(m):
        c.apic[SVR] |= 0xF
    if c.apic[SVR] & SVR_ENABLED == 0:
        for register in range(LVT_TIMER, LVT_ERROR + 1):
            _write_lvt(c, m, register, c.apic[register])


@jitted
def _write_lvt(c: Cpu, m: Machine, register: int, value: int) -> None:
    entry = value & writable_lvt(m, register)
    if c.apic[SVR] & SVR_ENABLED == 0:
        entry |= MASKED
    if register == LVT_TIMER:
        write_timer_entry(c, m, entry, time_stamp(c, m))
    elif register == LVT_LINT0 or register == LVT_LINT1:
        write_pin(c, m, register, entry)
    else:
        c.apic[register] = entry
