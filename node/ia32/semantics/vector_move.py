"""Moves of MMX and XMM registers, whole and in part (SDM 1, 9.4.1, 10.4.1, 11.4.1, 11.4.2.2)."""

from node.ia32.access import probe, store
from node.ia32.debug import check_alignment
from node.ia32.features import MMX as HAS_MMX
from node.ia32.features import SSE, SSE2
from node.ia32.host_sse import NUMBER, compute
from node.ia32.latches import operand_from_value
from node.ia32.operands import REG, check_segment, read_rm, store_op, write_rm
from node.ia32.rows import FORM, Row
from node.ia32.semantics.strings import address_mask
from node.ia32.semantics.vector_integer import packed
from node.ia32.semantics.vector_state import (
    ALIGNED,
    ANYWHERE,
    MMX,
    XMM,
    fetch_operand,
    first_from,
    mmx_ready,
    operand_from,
    operand_to,
    ready,
    source,
    sse_ready,
    store_operand,
    use_mmx,
)
from node.ia32.state import EDI, M32, Cpu, Machine, Op
from node.jitted import inlined, jitted


@inlined
def load_whole(c: Cpu, m: Machine, e: Op, bank: int, size: int, alignment: int, form: int) -> None:
    """reg ← rm; from shorter memory operands zero-extended."""
    if ready(c, m, bank):
        source(c, m, e, bank, size, alignment, form)
        if m.fault == 0:
            operand_to(c, m, bank, int(e.a))


@inlined
def store_whole(c: Cpu, m: Machine, e: Op, bank: int, size: int, alignment: int, form: int) -> None:
    """rm ← reg."""
    if ready(c, m, bank):
        operand_from(c, m, bank, int(e.a))
        if form == REG:
            operand_to(c, m, bank, int(e.b))
        else:
            store_operand(c, m, e, size, alignment)
            if bank == MMX and m.fault == 0:
                use_mmx(c)


@inlined
def load_scalar(c: Cpu, m: Machine, e: Op, operation: int, size: int, form: int) -> None:
    """MOVSS, MOVSD: from memory zero-extended, from a register into the low lane alone."""
    if sse_ready(c, m):
        if form == REG:
            operand_from(c, m, XMM, int(e.b))
            first_from(c, m, XMM, int(e.a))
            compute(m, operation)
        else:
            fetch_operand(c, m, e, size, ANYWHERE)
        if m.fault == 0:
            operand_to(c, m, XMM, int(e.a))


@inlined
def store_scalar(c: Cpu, m: Machine, e: Op, operation: int, size: int, form: int) -> None:
    if sse_ready(c, m):
        operand_from(c, m, XMM, int(e.a))
        if form == REG:
            first_from(c, m, XMM, int(e.b))
            compute(m, operation)
            operand_to(c, m, XMM, int(e.b))
        elif size == 4:
            store_op(c, m, e, 4, int(m.operand[0]))
        else:
            store_operand(c, m, e, 8, ANYWHERE)


@inlined
def store_half(c: Cpu, m: Machine, e: Op, operation: int) -> None:
    """MOVLPS, MOVLPD, MOVHPS, MOVHPD to memory."""
    if sse_ready(c, m):
        operand_from(c, m, XMM, int(e.a))
        compute(m, operation)
        store_operand(c, m, e, 8, ANYWHERE)


@inlined
def load_quad(c: Cpu, m: Machine, e: Op, form: int) -> None:
    """MOVQ to an XMM register: the upper half becomes zero."""
    if sse_ready(c, m):
        source(c, m, e, XMM, 8, ANYWHERE, form)
        if m.fault == 0:
            compute(m, LOW)
            operand_to(c, m, XMM, int(e.a))


@inlined
def store_quad(c: Cpu, m: Machine, e: Op, form: int) -> None:
    if sse_ready(c, m):
        operand_from(c, m, XMM, int(e.a))
        if form == REG:
            compute(m, LOW)
            operand_to(c, m, XMM, int(e.b))
        else:
            store_operand(c, m, e, 8, ANYWHERE)


@inlined
def from_general(c: Cpu, m: Machine, e: Op, bank: int, form: int) -> None:
    """MOVD: 32 bits, zero-extended."""
    if ready(c, m, bank):
        value = read_rm(c, m, e, 4, form)
        if m.fault == 0:
            operand_from_value(m, value)
            operand_to(c, m, bank, int(e.a))


@inlined
def to_general(c: Cpu, m: Machine, e: Op, bank: int, form: int) -> None:
    if ready(c, m, bank):
        operand_from(c, m, bank, int(e.a))
        write_rm(c, m, e, 4, form, int(m.operand[0]))
        if bank == MMX and m.fault == 0:
            use_mmx(c)


@inlined
def between_banks(c: Cpu, m: Machine, e: Op, origin: int, target: int) -> None:
    """MOVQ2DQ, MOVDQ2Q."""
    if sse_ready(c, m) and mmx_ready(c, m):
        operand_from(c, m, origin, int(e.b))
        compute(m, LOW)
        operand_to(c, m, target, int(e.a))
        use_mmx(c)


@inlined
def store_around_caches(c: Cpu, m: Machine, e: Op) -> None:
    """MOVNTI."""
    store_op(c, m, e, 4, c.gpr[int(e.a)])


@jitted
def store_masked(c: Cpu, m: Machine, e: Op, bank: int) -> None:
    """MASKMOVQ, MASKMOVDQU: the bytes whose mask has its top bit set, to [EDI]. What lies there must be writable as a
    whole, whatever the mask."""
    if ready(c, m, bank) == 0:
        return
    seg, start, size = int(e.seg) & 7, c.gpr[EDI] & address_mask(e), 16 if bank == XMM else 8
    linear = (c.base[seg] + start) & M32
    check_segment(c, m, seg, start, size, 1)
    if m.fault == 0:
        check_alignment(c, m, linear, size)
    if m.fault == 0:
        probe(c, m, linear, size, 1)
    if m.fault:
        return
    operand_from(c, m, bank, int(e.b))
    compute(m, BYTE_MASK)
    mask = int(m.operand[0])
    operand_from(c, m, bank, int(e.a))
    for i in range(size):
        if mask >> i & 1:
            store(c, m, (linear + i) & M32, 1, (int(m.operand[i >> 2]) >> ((i & 3) << 3)) & 0xFF)
    if bank == MMX:
        use_mmx(c)


LOW, HIGH, BYTE_MASK = NUMBER["low"], NUMBER["high"], NUMBER["pmovmskb"]
LOW_FROM_B, LOW_LANE_FROM_B, HIGH_TO_LOW, HALVES = (
    NUMBER[name] for name in ("movsd", "movss", "movhlps", "punpcklqdq")
)


def _whole(code: str, operand: str, alignment: int, feature: int) -> Row:
    return Row(code, f"Vx,{operand}", load_whole, (XMM, 16, alignment, FORM), faults="always", feature=feature)


def _store(code: str, operand: str, alignment: int, feature: int) -> Row:
    return Row(code, f"{operand},Vx", store_whole, (XMM, 16, alignment, FORM), faults="always", feature=feature)


def _half(code: str, operation: int, feature: int) -> Row:
    return Row(code, "Vx,Mq", packed, (XMM, operation, 8, ANYWHERE, FORM), faults="always", feature=feature)


ROWS = [
    *(_whole(f"{prefix} 0F 10", "Wx", ANYWHERE, feature) for prefix, feature in (("NP", SSE), ("66", SSE2))),
    *(_store(f"{prefix} 0F 11", "Wx", ANYWHERE, feature) for prefix, feature in (("NP", SSE), ("66", SSE2))),
    *(_whole(f"{prefix} 0F 28", "Wx", ALIGNED, feature) for prefix, feature in (("NP", SSE), ("66", SSE2))),
    *(_store(f"{prefix} 0F 29", "Wx", ALIGNED, feature) for prefix, feature in (("NP", SSE), ("66", SSE2))),
    *(_store(f"{prefix} 0F 2B", "Mx", ALIGNED, feature) for prefix, feature in (("NP", SSE), ("66", SSE2))),
    _whole("66 0F 6F", "Wx", ALIGNED, SSE2),
    _whole("F3 0F 6F", "Wx", ANYWHERE, SSE2),
    _store("66 0F 7F", "Wx", ALIGNED, SSE2),
    _store("F3 0F 7F", "Wx", ANYWHERE, SSE2),
    _store("66 0F E7", "Mx", ALIGNED, SSE2),
    Row("NP 0F 6F", "Pq,Qq", load_whole, (MMX, 8, ANYWHERE, FORM), faults="always", feature=HAS_MMX),
    Row("NP 0F 7F", "Qq,Pq", store_whole, (MMX, 8, ANYWHERE, FORM), faults="always", feature=HAS_MMX),
    Row("NP 0F E7", "Mq,Pq", store_whole, (MMX, 8, ANYWHERE, FORM), faults="always", feature=SSE),
    Row("F3 0F 10", "Vx,Wd", load_scalar, (LOW_LANE_FROM_B, 4, FORM), faults="always", feature=SSE),
    Row("F2 0F 10", "Vx,Wq", load_scalar, (LOW_FROM_B, 8, FORM), faults="always", feature=SSE2),
    Row("F3 0F 11", "Wd,Vx", store_scalar, (LOW_LANE_FROM_B, 4, FORM), faults="always", feature=SSE),
    Row("F2 0F 11", "Wq,Vx", store_scalar, (LOW_FROM_B, 8, FORM), faults="always", feature=SSE2),
    _half("NP 0F 12", LOW_FROM_B, SSE),
    _half("66 0F 12", LOW_FROM_B, SSE2),
    _half("NP 0F 16", HALVES, SSE),
    _half("66 0F 16", HALVES, SSE2),
    Row("NP 0F 12", "Vx,Ux", packed, (XMM, HIGH_TO_LOW, 8, ANYWHERE, FORM), faults="always", feature=SSE),
    Row("NP 0F 16", "Vx,Ux", packed, (XMM, HALVES, 8, ANYWHERE, FORM), faults="always", feature=SSE),
    *(
        Row(f"{prefix} 0F {code}", "Mq,Vx", store_half, (operation,), faults="always", feature=feature)
        for code, operation in (("13", LOW), ("17", HIGH))
        for prefix, feature in (("NP", SSE), ("66", SSE2))
    ),
    Row("F3 0F 7E", "Vx,Wq", load_quad, (FORM,), faults="always", feature=SSE2),
    Row("66 0F D6", "Wq,Vx", store_quad, (FORM,), faults="always", feature=SSE2),
    Row("NP 0F 6E", "Pq,Ed", from_general, (MMX, FORM), faults="always", feature=HAS_MMX),
    Row("66 0F 6E", "Vx,Ed", from_general, (XMM, FORM), faults="always", feature=SSE2),
    Row("NP 0F 7E", "Ed,Pq", to_general, (MMX, FORM), faults="always", feature=HAS_MMX),
    Row("66 0F 7E", "Ed,Vx", to_general, (XMM, FORM), faults="always", feature=SSE2),
    Row("F3 0F D6", "Vx,Nq", between_banks, (MMX, XMM), faults="always", feature=SSE2),
    Row("F2 0F D6", "Pq,Ux", between_banks, (XMM, MMX), faults="always", feature=SSE2),
    Row("NP 0F C3", "Md,Gd", store_around_caches, (), faults="always", feature=SSE2),
    Row("NP 0F F7", "Pq,Nq", store_masked, (MMX,), faults="always", feature=SSE),
    Row("66 0F F7", "Vx,Ux", store_masked, (XMM,), faults="always", feature=SSE2),
]
