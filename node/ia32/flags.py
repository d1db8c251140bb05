"""The status flags, kept lazily: what was computed last, from which each flag follows when someone asks.

`cc_op` says which operation and size; `cc_dst` is its result and `cc_src` its second operand, both masked to the size.
Conditions test the operands directly, so that a translator can fold `cmp; jl` to one comparison. The kinds:

    EXPLICIT   src holds the six flags themselves
    LOGIC      src = 0; CF = OF = 0, AF = 0
    INC, DEC   src = the CF from before
    SHL        src = CF, the bit shifted out last; OF = src ^ top(dst)
    SAR_SHR    src = the operand shifted right by count - 1 (its bit 0 is CF); OF = top(src) ^ top(dst)
    MUL        CF = OF = src, 1 if the upper half is significant
    ADD, ADC   dst = a + src (+ 1 for ADC: only used when a carry came in)
    SUB, SBB   dst = a - src (- 1 for SBB: only used when a borrow came in)

CF is asked for most, also by what keeps it (INC, DEC), so it is bit 0 of src for all kinds below ADD.

AF after a shift and SF ZF AF PF after MUL are undefined in the manual; here AF = 0 and the others follow dst.
"""

from node.ia32.state import AF, CF, DF, OF, PF, SF, STATUS_FLAGS, ZF, Cpu
from node.jitted import folding, inlined, jitted

# cc_op = kind * 4 + log2(size)
EXPLICIT, LOGIC, INC, DEC, SHL, SAR_SHR, MUL = (kind << 2 for kind in range(7))
ADD, ADC, SUB, SBB = (kind << 2 for kind in range(8, 12))
WITH_CARRY = 4  # the bit that tells ADC and SBB from ADD and SUB


@inlined
def log2_size(size: int) -> int:
    return size >> 1


@inlined
def set_flags(c: Cpu, kind: int, size: int, dst: int, src: int) -> None:
    c.cc_op = kind + log2_size(size)
    c.cc_dst = dst
    c.cc_src = src


@inlined
def set_explicit(c: Cpu, status: int) -> None:
    """Replace all six status flags."""
    c.cc_op = EXPLICIT
    c.cc_dst = 0
    c.cc_src = status & STATUS_FLAGS


@inlined
def _mask(op: int) -> int:
    return (1 << (8 << (op & 3))) - 1


@inlined
def _sign(op: int) -> int:
    return 1 << ((8 << (op & 3)) - 1)


@inlined
def carry(c: Cpu) -> int:
    op = c.cc_op
    if op < ADD:
        return c.cc_src & 1
    below = c.cc_src + ((op & WITH_CARRY) >> 2)
    if op < SUB:
        return 1 if c.cc_dst < below else 0
    return 1 if ((c.cc_dst + below) & _mask(op)) < below else 0


@inlined
def zero(c: Cpu) -> int:
    if c.cc_op == EXPLICIT:
        return (c.cc_src >> 6) & 1
    return 1 if c.cc_dst == 0 else 0


@inlined
def sign(c: Cpu) -> int:
    if c.cc_op == EXPLICIT:
        return (c.cc_src >> 7) & 1
    return 1 if c.cc_dst & _sign(c.cc_op) else 0


@inlined
def _parity(c: Cpu) -> int:
    if c.cc_op == EXPLICIT:
        return (c.cc_src >> 2) & 1
    low = c.cc_dst & 0xFF
    return (0x9669 >> ((low ^ (low >> 4)) & 0xF)) & 1  # by the number of ones in four bits


@inlined
def _overflow(c: Cpu) -> int:
    op = c.cc_op
    kind = op & ~3
    dst, src, top = c.cc_dst, c.cc_src, _sign(op)
    if kind == EXPLICIT:
        return (src >> 11) & 1
    if kind == LOGIC:
        return 0
    if kind == INC:
        return 1 if dst == top else 0
    if kind == DEC:
        return 1 if dst == top - 1 else 0
    if kind == SHL:
        return src ^ (1 if dst & top else 0)
    if kind == SAR_SHR:
        return 1 if (src ^ dst) & top else 0
    if kind == MUL:
        return src
    more = (op & WITH_CARRY) >> 2
    if kind < SUB:
        a = dst - src - more
        return 1 if (a ^ src ^ top) & (a ^ dst) & top else 0
    a = dst + src + more
    return 1 if (a ^ src) & (a ^ dst) & top else 0


@inlined
def _adjust(c: Cpu) -> int:
    op = c.cc_op
    kind = op & ~3
    dst, src = c.cc_dst, c.cc_src
    if kind == EXPLICIT:
        return (src >> 4) & 1
    if kind == INC:
        return 1 if dst & 0xF == 0 else 0
    if kind == DEC:
        return 1 if dst & 0xF == 0xF else 0
    if kind < ADD:
        return 0
    more = (op & WITH_CARRY) >> 2
    a = dst - src - more if kind < SUB else dst + src + more
    return ((a ^ src ^ dst) >> 4) & 1


@folding
def parity(c: Cpu) -> int:
    """1 when the low byte of the result has an even number of ones."""
    return _parity(c)


@folding
def overflow(c: Cpu) -> int:
    return _overflow(c)


@folding
def adjust(c: Cpu) -> int:
    return _adjust(c)


@folding
def status_but_rotates(c: Cpu) -> int:
    """The four flags that rotates leave alone, at their places in EFLAGS."""
    if c.cc_op == EXPLICIT:
        return c.cc_src & ~(CF | OF)
    return _parity(c) * PF + _adjust(c) * AF + zero(c) * ZF + sign(c) * SF


@folding
def status(c: Cpu) -> int:
    """The six flags at their places in EFLAGS."""
    if c.cc_op == EXPLICIT:
        return c.cc_src
    word = carry(c) * CF + _parity(c) * PF + _adjust(c) * AF
    return word + zero(c) * ZF + sign(c) * SF + _overflow(c) * OF


@jitted
def eflags(c: Cpu) -> int:
    """The whole register as PUSHF sees it."""
    return c.flags | status(c)


@jitted
def materialise(c: Cpu) -> None:
    """Bring the lazy state into its one canonical form (snapshots compare bytes)."""
    set_explicit(c, status(c))


@inlined
def less(c: Cpu) -> int:
    """SF != OF: after a comparison, signed less."""
    if c.cc_op == SUB + 2:
        a = ((c.cc_dst + c.cc_src) & 0xFFFF_FFFF) ^ 0x8000_0000
        return 1 if a < (c.cc_src ^ 0x8000_0000) else 0
    return sign(c) ^ overflow(c)


@inlined
def condition(c: Cpu, code: int) -> int:
    """The sixteen conditions of Jcc, SETcc and CMOVcc (SDM 2, appendix B: tttn)."""
    kind = code >> 1
    if kind == 0:
        value = overflow(c)
    elif kind == 1:
        value = carry(c)
    elif kind == 2:
        value = zero(c)
    elif kind == 3:
        value = carry(c) | zero(c)
    elif kind == 4:
        value = sign(c)
    elif kind == 5:
        value = parity(c)
    elif kind == 6:
        value = less(c)
    else:
        value = less(c) | zero(c)
    return value ^ (code & 1)


@inlined
def string_step(c: Cpu, size: int) -> int:
    """+size or -size by DF: may be negative."""
    return -size if c.flags & DF else size
