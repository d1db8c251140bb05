"""x87 control: FLDCW, FNSTCW, FNSTSW, FNCLEX, FNINIT, WAIT, and what is left of the 287's mode instructions.

Control instructions leave the last-instruction pointers alone; those with N in their name do not wait for a pending
exception.
"""

from node.ia32.faults import NO_ERROR, raise_fault
from node.ia32.operands import load_op, store_op
from node.ia32.rows import Row
from node.ia32.semantics.x87_state import ES, EXCEPTIONS, STACK, begin, begin_control, set_status
from node.ia32.state import CR0_MP, CR0_NE, CR0_TS, EAX, MF, NM, Cpu, Machine, Op
from node.jitted import folding, jitted

DEFAULT_CONTROL = 0x37F
CONTROL_BITS = 0x1F3F  # what can be set (X, the infinity control, is kept without effect)
CONTROL_ONES = 0x40


@folding
def set_control(c: Cpu, m: Machine, word: int) -> None:
    """New masks may make a recorded exception pending, or no longer so."""
    c.fcw = (word & CONTROL_BITS) | CONTROL_ONES
    set_status(c, m, c.fsw)


@folding
def load_control(c: Cpu, m: Machine, e: Op) -> None:
    if begin(c, m):
        word = load_op(c, m, e, 2)
        if m.fault == 0:
            set_control(c, m, word)


@folding
def store_control(c: Cpu, m: Machine, e: Op) -> None:
    if begin_control(c, m):
        store_op(c, m, e, 2, c.fcw)


@folding
def store_status(c: Cpu, m: Machine, e: Op) -> None:
    if begin_control(c, m):
        store_op(c, m, e, 2, c.fsw)


@folding
def status_to_ax(c: Cpu, m: Machine, e: Op) -> None:
    if begin_control(c, m):
        c.gpr[EAX] = (c.gpr[EAX] & 0xFFFF_0000) | c.fsw


@jitted
def clear_exceptions(c: Cpu, m: Machine, e: Op) -> None:
    if begin_control(c, m):
        set_status(c, m, c.fsw & ~(EXCEPTIONS | STACK))


@jitted
def reset_unit(c: Cpu, m: Machine) -> None:
    """FNINIT: the registers keep their contents but are all empty."""
    c.fcw = DEFAULT_CONTROL
    set_status(c, m, 0)
    c.ftw = 0
    c.fip = 0
    c.fcs = 0
    c.fdp = 0
    c.fds = 0
    c.fop = 0


@jitted
def initialise(c: Cpu, m: Machine, e: Op) -> None:
    if begin_control(c, m):
        reset_unit(c, m)


@jitted
def no_control(c: Cpu, m: Machine, e: Op) -> None:
    """FNENI, FNDISI (8087), FNSETPM (287): accepted, without effect."""
    begin_control(c, m)


@jitted
def wait(c: Cpu, m: Machine, e: Op) -> None:
    """WAIT minds TS only if MP is set, and never EM."""
    if c.cr0 & CR0_MP and c.cr0 & CR0_TS:
        raise_fault(m, NM, NO_ERROR)
    elif c.fsw & ES and c.cr0 & CR0_NE:
        raise_fault(m, MF, NO_ERROR)


ROWS = [
    Row("D9 /5", "Mw", load_control, faults="always"),
    Row("D9 /7", "Mw", store_control, faults="always"),
    Row("DD /7", "Mw", store_status, faults="always"),
    Row("DF /4:0", "", status_to_ax, faults="always"),
    Row("DB /4:0", "", no_control, faults="always"),
    Row("DB /4:1", "", no_control, faults="always"),
    Row("DB /4:2", "", clear_exceptions, faults="always"),
    Row("DB /4:3", "", initialise, faults="always"),
    Row("DB /4:4", "", no_control, faults="always"),
    Row("9B", "", wait, faults="always"),
]
