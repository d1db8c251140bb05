"""A guest exception is data: a vector and an error code in the machine record, and an instruction that does nothing
more.

Every semantic that calls something which may fault asks `if m.fault: return` before it changes architectural state,
so a
faulting instruction leaves exactly the state it found (SDM 3A 6.5, faults).
"""

from node.ia32.state import GP, LEAVE_AFTER, LEAVE_EXIT, LEAVE_FAULT, PAGE, SS_, UD, Cpu, Machine
from node.jitted import inlined, jitted, slow_path

FAULT = 256  # m.fault is FAULT + vector
AGAIN = 512  # or this: no exception; the instruction has done nothing and is executed again (bus.py)
NO_ERROR = -1


@slow_path
def raise_fault(m: Machine, vector: int, error: int) -> None:
    """Raise `vector`; `error` is its error code or NO_ERROR. The first fault of an instruction stands."""
    if m.fault == 0:
        m.fault = FAULT + vector
        m.error = error
        m.leave = LEAVE_FAULT


@jitted
def try_again(m: Machine) -> None:
    if m.fault == 0:
        m.fault = AGAIN
        m.leave = LEAVE_FAULT


@slow_path
def general_protection(m: Machine, error: int) -> None:
    raise_fault(m, GP, error)


@slow_path
def stack_fault(m: Machine, error: int) -> None:
    raise_fault(m, SS_, error)


@slow_path
def undefined(m: Machine) -> None:
    raise_fault(m, UD, NO_ERROR)


@slow_path
def page_fault(c: Cpu, m: Machine, linear: int, error: int) -> None:
    if m.fault == 0:
        c.cr2 = linear
    raise_fault(m, PAGE, error)


@jitted
def leave_for(m: Machine, exit_reason: int) -> None:
    """Give control to the host *before* this instruction; it is executed again afterwards."""
    m.exit = exit_reason
    m.leave = LEAVE_EXIT


@inlined
def leave_after(m: Machine) -> None:
    """Finish this instruction, then leave native code (interrupts, traps or stale code may be waiting)."""
    if m.leave == 0:
        m.leave = LEAVE_AFTER
