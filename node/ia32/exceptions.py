"""Exceptions and interrupts: from a vector to the handler's first instruction, and what becomes of a fault on the way.

`deliver` does one delivery and may itself fault (m.fault is then set and nothing has changed). `deliver_pending`
turns the fault in m.fault into deliveries until one succeeds: a second fault during the first is handled in its own
right, becomes a double fault, or shuts the processor down, by the classes of SDM 3A table 6-5:

    first \\ second     benign   contributory   page fault
    benign             serial   serial         serial
    contributory       serial   double         serial
    page fault         serial   double         double
    double fault       serial   shutdown       shutdown

Debug exceptions are raised by debug.py.
"""

from node.ia32.access import load_system
from node.ia32.debug import raise_trap
from node.ia32.faults import FAULT, NO_ERROR, general_protection
from node.ia32.flags import eflags
from node.ia32.gates import deliver_protected
from node.ia32.holding import HOLD_ALL
from node.ia32.segments import check_entry, install_real
from node.ia32.stacks import push_word
from node.ia32.state import (
    AC,
    AC_,
    BR,
    CR0_PE,
    CS,
    DB,
    DE,
    DOUBLE,
    ESP,
    EXIT_SHUTDOWN,
    GP,
    IF,
    LEAVE_EXIT,
    LEAVE_FAULT,
    MF,
    NM,
    NMI,
    NO_PORT,
    NP,
    PAGE,
    RF,
    SS_,
    STAY,
    TF,
    TS_,
    UD,
    XM,
    Cpu,
    Machine,
)
from node.jitted import inlined, jitted

EXCEPTION, SOFTWARE, EXTERNAL = 0, 1, 2  # who caused a delivery; INT1 counts as external (no DPL check, EXT set)

CONTRIBUTORY = 1 << DE | 1 << TS_ | 1 << NP | 1 << SS_ | 1 << GP
PAGE_CLASS = 1 << PAGE | 1 << DOUBLE
FAULT_CLASS = (  # restartable: RF is pushed set (SDM 3B 17.3.1.1)
    CONTRIBUTORY | 1 << BR | 1 << UD | 1 << NM | 1 << PAGE | 1 << MF | 1 << AC_ | 1 << XM
)
DR7_GD = 0x2000


@jitted
def deliver(c: Cpu, m: Machine, vector: int, error: int, source: int) -> int:
    """Enter the handler of `vector`, to return to c.eip."""
    return enter_handler(c, m, vector, error, source, c.eip)


@jitted
def enter_handler(c: Cpu, m: Machine, vector: int, error: int, source: int, return_eip: int) -> int:
    """`error`: error code or NO_ERROR. On failure m.fault is set and nothing has changed, unless the result is 1: then
    a task switch committed, and the fault is the new task's."""
    image = eflags(c)
    if source == EXCEPTION and FAULT_CLASS >> vector & 1:
        image |= RF
    committed = 0
    if c.cr0 & CR0_PE:
        committed = deliver_protected(c, m, vector, error, source == SOFTWARE, image, return_eip)
    else:
        _deliver_real(c, m, vector, image, return_eip)
    if vector == DB and m.fault == 0:
        c.dr[7] &= ~DR7_GD
    return committed


@jitted
def _deliver_real(c: Cpu, m: Machine, vector: int, image: int, return_eip: int) -> None:
    """Through the interrupt vector table (SDM 3A 20.1.4): no error codes, no privilege."""
    if vector * 4 + 3 > c.idt_limit:
        general_protection(m, 0)
        return
    offset = load_system(c, m, c.idt_base + vector * 4, 2)
    selector = load_system(c, m, c.idt_base + vector * 4 + 2, 2)
    esp = c.gpr[ESP]
    push_word(c, m, image, 2)
    push_word(c, m, c.selector[CS], 2)
    push_word(c, m, return_eip, 2)
    if m.fault == 0:
        check_entry(c, m, offset, c.limit[CS], 0)
    if m.fault:
        c.gpr[ESP] = esp
        return
    install_real(c, m, CS, selector)
    c.eip = offset
    c.flags &= ~(IF | TF | AC | RF)


@inlined
def _is_contributory(vector: int) -> bool:
    return CONTRIBUTORY >> vector & 1 != 0


@jitted
def _doubles(first: int, second: int) -> bool:
    """A double fault, or for a first one that was it already, shutdown."""
    worse = PAGE_CLASS | CONTRIBUTORY if _is_contributory(second) else PAGE_CLASS if second == PAGE else 0
    return worse >> first & 1 != 0


@jitted
def deliver_pending(c: Cpu, m: Machine) -> None:
    """Deliver the exception in m.fault. Afterwards m.fault is 0, and m.exit is EXIT_SHUTDOWN after a triple fault."""
    first = -1
    while m.fault:
        vector, error = m.fault - FAULT, m.error
        m.fault = 0
        if first >= 0 and _doubles(first, vector):
            if first == DOUBLE:
                _shut_down(m)
                return
            vector, error = DOUBLE, 0
        m.exceptions += 1
        deliver(c, m, vector, error, EXCEPTION)
        first = vector
    if m.leave == LEAVE_FAULT:
        m.leave = STAY


@jitted
def _shut_down(m: Machine) -> None:
    """A fault while a double fault was being delivered: the processor stops until RESET (SDM 3A 6.15, #DF)."""
    m.exit = EXIT_SHUTDOWN
    m.leave = LEAVE_EXIT


@jitted
def deliver_interrupt(c: Cpu, m: Machine, vector: int) -> None:
    """A maskable interrupt that the host has acknowledged; whether it may come now is the caller's check."""
    c.halted = 0
    m.interrupts += 1
    deliver(c, m, vector, NO_ERROR, EXTERNAL)
    deliver_pending(c, m)


@jitted
def deliver_nmi(c: Cpu, m: Machine) -> None:
    """Take the pending NMI; further ones wait for the next IRET (SDM 3A 6.7.1)."""
    c.halted = 0
    c.nmi_pending = 0
    c.nmi_masked = 1
    m.sink_port = NO_PORT  # the next one counts again, as in apic_interrupts.refresh
    deliver(c, m, NMI, NO_ERROR, EXTERNAL)
    deliver_pending(c, m)


@jitted
def debug_trap(c: Cpu, m: Machine, stepping: int) -> None:
    """The trap after an instruction that began with TF set or hit a data breakpoint (SDM 3B 17.3.1.2, 17.3.1.4); none
    after MOV SS, POP SS and INT n, but hits wait for the next instruction's. It ends HLT (SDM 2A, HLT)."""
    if c.inhibit != HOLD_ALL:
        c.halted = 0
        raise_trap(c, m, stepping)
        deliver_pending(c, m)


@jitted
def settle_new_task(c: Cpu, m: Machine, committed: int) -> None:
    """After an instruction that may have switched tasks: a fault of the new task is delivered there, at its own EIP."""
    if committed and m.fault:
        deliver_pending(c, m)
