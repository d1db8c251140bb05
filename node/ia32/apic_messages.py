"""Interrupt messages: from the interrupt command register, and what reaches this processor of those on the bus
(SDM 3A 10.6, 10.7). There is no other processor, so what is meant for others has arrived when it was sent.
"""

from node.ia32.apic_interrupts import FIRST_VECTOR, accept, note_error
from node.ia32.apic_registers import (
    DFR,
    FIXED,
    ICR_HIGH,
    ICR_LOW,
    ID,
    INIT,
    LDR,
    LEVEL,
    LOWEST_PRIORITY,
    MODE,
    NMI_MODE,
    SEND_ILLEGAL_VECTOR,
    VECTOR,
    before_pentium4,
    is_enabled,
)
from node.ia32.state import EXIT_INIT, Cpu, Machine
from node.jitted import jitted

LOGICAL, ASSERTED = 0x800, 0x4000  # of the command
SHORTHAND, TO_OTHERS = 0xC_0000, 0xC_0000  # of the four: none, self, all, all others
WRITABLE = VECTOR | MODE | LOGICAL | ASSERTED | LEVEL | SHORTHAND


@jitted
def send(c: Cpu, m: Machine, command: int) -> None:
    """A write of ICR's lower half."""
    c.apic[ICR_LOW] = command & WRITABLE
    mode = command & MODE
    if mode <= LOWEST_PRIORITY and command & VECTOR < FIRST_VECTOR:
        note_error(c, m, SEND_ILLEGAL_VECTOR)
    elif mode == INIT and command & (ASSERTED | LEVEL) == LEVEL:
        return  # de-assert: synchronises arbitration numbers, of which there is one
    elif _includes_sender(c, m, command):
        receive(c, m, mode, command & VECTOR, 0)


@jitted
def _includes_sender(c: Cpu, m: Machine, command: int) -> bool:
    shorthand = command & SHORTHAND
    if shorthand == 0:
        return is_addressed(c, m, c.apic[ICR_HIGH] >> 24, command & LOGICAL)
    return shorthand != TO_OTHERS


@jitted
def receive(c: Cpu, m: Machine, mode: int, vector: int, level: int) -> int:
    """1 if the message was taken as an interrupt. SMI has nobody to serve it; STARTUP is for processors that wait."""
    if mode == FIXED or mode == LOWEST_PRIORITY:
        return accept(c, m, vector, level)
    if mode == NMI_MODE:
        c.nmi_pending = 1
    elif mode == INIT:
        m.exit = EXIT_INIT
    return 0


@jitted
def is_addressed(c: Cpu, m: Machine, destination: int, logical: int) -> bool:
    """Is this processor among those that a destination field means?"""
    if not is_enabled(c):
        return False
    if logical == 0:
        everybody = 0xF if before_pentium4(m) else 0xFF
        return destination & everybody == everybody or destination & everybody == c.apic[ID] >> 24 & everybody
    own = c.apic[LDR] >> 24
    if c.apic[DFR] >> 28 == 0xF:  # flat: a bit each
        return destination & own != 0
    in_cluster = destination >> 4 == own >> 4 or destination >> 4 == 0xF
    return in_cluster and destination & own & 0xF != 0
