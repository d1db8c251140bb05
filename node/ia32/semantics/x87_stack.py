"""x87 without arithmetic: FXCH, FCMOVcc, FCHS, FABS, FFREE, FINCSTP, FNOP."""

from node.ia32.features import P6
from node.ia32.flags import condition
from node.ia32.rows import Row
from node.ia32.semantics.x87_state import (
    begin,
    buffer,
    copy,
    fill,
    filled,
    pop,
    remember,
    set_indefinite,
    settle,
    st,
    stack_fault,
    turn,
    vacate,
)
from node.ia32.state import Cpu, Machine, Op
from node.jitted import folding, jitted, peek16, poke16


@folding
def exchange(c: Cpu, m: Machine, e: Op) -> None:
    """FXCH; a masked underflow first makes what is empty an indefinite."""
    if begin(c, m) == 0:
        return
    remember(c, e)
    i = int(e.b)
    if filled(c, 0) & filled(c, i):
        settle(c, m, 0, 0)
    elif stack_fault(c, m, 0, 0):
        if filled(c, 0) == 0:
            set_indefinite(st(c, m, 0))
        if filled(c, i) == 0:
            set_indefinite(st(c, m, i))
        fill(c, 0)
        fill(c, i)
    else:
        return
    copy(buffer(m), st(c, m, 0))
    copy(st(c, m, 0), st(c, m, i))
    copy(st(c, m, i), buffer(m))


@jitted
def move_if(c: Cpu, m: Machine, e: Op, code: int) -> None:
    """FCMOVcc: both registers must be filled, whether the move happens or not; C1 is not affected."""
    if begin(c, m) == 0:
        return
    remember(c, e)
    if filled(c, 0) & filled(c, int(e.b)) == 0:
        if stack_fault(c, m, 0, 0):
            set_indefinite(st(c, m, 0))
            fill(c, 0)
    elif condition(c, code):
        copy(st(c, m, 0), st(c, m, int(e.b)))


@folding
def set_sign(c: Cpu, m: Machine, e: Op, keep: int, flip: int) -> None:
    """FCHS and FABS: of any value, without exception."""
    if begin(c, m) == 0:
        return
    remember(c, e)
    if filled(c, 0):
        word = st(c, m, 0) + 8
        poke16(word, (peek16(word) & keep) ^ flip)
        settle(c, m, 0, 0)
    elif stack_fault(c, m, 0, 0):
        set_indefinite(st(c, m, 0))
        fill(c, 0)


@jitted
def turn_stack(c: Cpu, m: Machine, e: Op, by: int) -> None:
    """FINCSTP (1) and FDECSTP (7): tags and values stay where they are."""
    if begin(c, m):
        remember(c, e)
        settle(c, m, 0, 0)
        turn(c, by)


@jitted
def free(c: Cpu, m: Machine, e: Op, pops: int) -> None:
    """FFREE, and the undocumented FFREEP that then pops."""
    if begin(c, m):
        remember(c, e)
        settle(c, m, 0, 0)
        vacate(c, int(e.b))
        pop(c, pops)


@jitted
def no_operation(c: Cpu, m: Machine, e: Op) -> None:
    """FNOP: waits for a pending exception like any other."""
    if begin(c, m):
        remember(c, e)


BELOW, EQUAL, BELOW_OR_EQUAL, UNORDERED = 2, 4, 6, 10  # condition codes; + 1 negates

ROWS = [
    Row("D9 /1", "R", exchange, faults="always"),
    Row("DD /1", "R", exchange, faults="always"),  # DD C8, DF C8: undocumented aliases
    Row("DF /1", "R", exchange, faults="always"),
    *(
        Row(f"{escape} /{reg}", "R", move_if, (code + negated,), faults="always", feature=P6)
        for escape, negated in (("DA", 0), ("DB", 1))
        for reg, code in enumerate((BELOW, EQUAL, BELOW_OR_EQUAL, UNORDERED))
    ),
    Row("D9 /4:0", "", set_sign, (0xFFFF, 0x8000), faults="always"),
    Row("D9 /4:1", "", set_sign, (0x7FFF, 0), faults="always"),
    Row("D9 /6:6", "", turn_stack, (7,), faults="always"),
    Row("D9 /6:7", "", turn_stack, (1,), faults="always"),
    Row("DD /0", "R", free, (0,), faults="always"),
    Row("DF /0", "R", free, (1,), faults="always"),
    Row("D9 /2:0", "", no_operation, faults="always"),
]
