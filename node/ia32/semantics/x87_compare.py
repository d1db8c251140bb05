"""x87 comparisons: FCOM, FUCOM, FTST and their popping forms into C3 C2 C0; FCOMI, FUCOMI into ZF PF CF; FXAM.

C3 C2 C0 are 000 for ST(0) > source, 001 for <, 100 for =, 111 for unordered. As the manual says, an unmasked invalid
operand leaves conditions and flags as they were (processors exist that set them), and FCOMI clears C1 and touches no
other condition.
"""

from node.ia32 import host_fpu
from node.ia32.features import P6
from node.ia32.flags import set_explicit
from node.ia32.rows import Row
from node.ia32.semantics.x87_state import (
    C0,
    C1,
    C2,
    C3,
    CONDITIONS,
    DE,
    IE,
    STACK,
    begin,
    fetched,
    filled,
    operate,
    pop,
    precluded,
    remember,
    remember_operand,
    settle,
    st,
)
from node.ia32.state import CF, PF, ZF, Cpu, Machine, Op
from node.jitted import folding, jitted, peek16, peek32, peek64

UNORDERED = C0 | C2 | C3


@folding
def conclude(c: Cpu, m: Machine, status: int, pops: int) -> None:
    """Set the conditions, unless an invalid operand is unmasked; pop, unless something stopped the comparison."""
    settle(c, m, status & ~C1, 0 if precluded(c, status, IE) else UNORDERED)
    if precluded(c, status, IE | DE) == 0:
        pop(c, pops)


@folding
def compared(c: Cpu, m: Machine, operation: int, other: int) -> int:
    """The status word of ST(0) compared with ST(other); an empty register is a stack underflow and unordered."""
    if filled(c, 0) & filled(c, other) == 0:
        return IE | STACK | UNORDERED
    return operate(c, operation, st(c, m, 0), st(c, m, other), 0)


@folding
def compare_register(c: Cpu, m: Machine, e: Op, operation: int, pops: int) -> None:
    """FCOM, FUCOM with ST(i), and FTST, for which Op.b does not matter."""
    if begin(c, m):
        remember(c, e)
        other = 0 if operation == host_fpu.COMPARE_WITH_ZERO else int(e.b)
        conclude(c, m, compared(c, m, operation, other), pops)


@folding
def compare_memory(c: Cpu, m: Machine, e: Op, operation: int, size: int, pops: int) -> None:
    if begin(c, m) == 0:
        return
    source = fetched(c, m, e, size)
    if source == 0:
        return
    remember_operand(c, e)
    status = IE | STACK | UNORDERED
    if filled(c, 0):
        status = operate(c, operation, st(c, m, 0), source, 0)
    conclude(c, m, status, pops)


@folding
def compare_to_flags(c: Cpu, m: Machine, e: Op, operation: int, pops: int) -> None:
    """FCOMI and FUCOMI: OF, SF and AF are cleared."""
    if begin(c, m) == 0:
        return
    remember(c, e)
    status = compared(c, m, operation, int(e.b))
    settle(c, m, status & ~C1, 0)
    if precluded(c, status, IE) == 0:
        equal, below = ZF if status & C3 else 0, CF if status & C0 else 0
        set_explicit(c, equal | below | (PF if status & C2 else 0))
    if precluded(c, status, IE | DE) == 0:
        pop(c, pops)


@jitted
def classify(address: int) -> int:
    """C3 C2 C0 of a register's class (SDM 2, FXAM)."""
    exponent = peek16(address + 8) & 0x7FFF
    whole = peek32(address + 4) >> 31
    if exponent == 0:
        return C3 if peek64(address) == 0 else C3 | C2  # zero, denormal
    if whole == 0:
        return 0  # unsupported: unnormal, pseudo-infinity, pseudo-NaN
    if exponent != 0x7FFF:
        return C2  # normal
    return C2 | C0 if (peek32(address + 4) << 1) & 0xFFFF_FFFF == 0 and peek32(address) == 0 else C0  # infinity, NaN


@jitted
def examine(c: Cpu, m: Machine, e: Op) -> None:
    """FXAM: no class is an exception, and C1 is the sign even of an empty register."""
    if begin(c, m):
        remember(c, e)
        sign = C1 if peek16(st(c, m, 0) + 8) & 0x8000 else 0
        settle(c, m, sign | (classify(st(c, m, 0)) if filled(c, 0) else C3 | C0), CONDITIONS)


ORDERED = host_fpu.WITH_REGISTER + 2
QUIET = host_fpu.UNORDERED_COMPARE

ROWS = [
    *(
        Row(f"{escape} /{2 + pops}", operand, compare_memory, (group + 2, size, pops), faults="always")
        for escape, operand, group, size in (
            ("D8", "Md", host_fpu.WITH_REAL32, 4),
            ("DA", "Md", host_fpu.WITH_INT32, 4),
            ("DC", "Mq", host_fpu.WITH_REAL64, 8),
            ("DE", "Mw", host_fpu.WITH_INT16, 2),
        )
        for pops in (0, 1)
    ),
    Row("D8 /2", "R", compare_register, (ORDERED, 0), faults="always"),
    Row("D8 /3", "R", compare_register, (ORDERED, 1), faults="always"),
    Row("DC /2", "R", compare_register, (ORDERED, 0), faults="always"),  # DC D0, DC D8, DE D0: undocumented aliases
    Row("DC /3", "R", compare_register, (ORDERED, 1), faults="always"),
    Row("DE /2", "R", compare_register, (ORDERED, 1), faults="always"),
    Row("DE /3:1", "R", compare_register, (ORDERED, 2), faults="always"),
    Row("DD /4", "R", compare_register, (QUIET, 0), faults="always"),
    Row("DD /5", "R", compare_register, (QUIET, 1), faults="always"),
    Row("DA /5:1", "R", compare_register, (QUIET, 2), faults="always"),
    Row("D9 /4:4", "", compare_register, (host_fpu.COMPARE_WITH_ZERO, 0), faults="always"),
    Row("DB /6", "R", compare_to_flags, (ORDERED, 0), faults="always", feature=P6),
    Row("DF /6", "R", compare_to_flags, (ORDERED, 1), faults="always", feature=P6),
    Row("DB /5", "R", compare_to_flags, (QUIET, 0), faults="always", feature=P6),
    Row("DF /5", "R", compare_to_flags, (QUIET, 1), faults="always", feature=P6),
    Row("D9 /4:5", "", examine, faults="always"),
]
