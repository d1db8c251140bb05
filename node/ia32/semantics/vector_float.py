"""SSE and SSE2 floating-point arithmetic and comparisons (SDM 1, 10.4.1, 11.4.1)."""

from node.ia32.features import SSE, SSE2
from node.ia32.flags import set_explicit
from node.ia32.host_sse import ARITHMETIC, COMPARISON, NUMBER
from node.ia32.rows import FORM, Row
from node.ia32.semantics.vector_state import (
    ALIGNED,
    ANYWHERE,
    XMM,
    compare_float,
    compute_float,
    first_from,
    operand_to,
    source,
    sse_ready,
)
from node.ia32.state import CF, PF, ZF, Cpu, Machine, Op
from node.jitted import inlined


@inlined
def floating(c: Cpu, m: Machine, e: Op, operation: int, size: int, alignment: int, form: int) -> None:
    """reg ← operation(reg, rm)."""
    if sse_ready(c, m):
        source(c, m, e, XMM, size, alignment, form)
        if m.fault == 0:
            first_from(c, m, XMM, int(e.a))
            compute_float(c, m, operation)
        if m.fault == 0:
            operand_to(c, m, XMM, int(e.a))


@inlined
def compared(c: Cpu, m: Machine, e: Op, comparison: int, size: int, alignment: int, form: int) -> None:
    """CMPPS, CMPPD, CMPSS, CMPSD: the immediate is the predicate."""
    if sse_ready(c, m):
        source(c, m, e, XMM, size, alignment, form)
        if m.fault == 0:
            first_from(c, m, XMM, int(e.a))
            compare_float(c, m, comparison + (int(e.imm) & 7))
        if m.fault == 0:
            operand_to(c, m, XMM, int(e.a))


@inlined
def compared_to_flags(c: Cpu, m: Machine, e: Op, operation: int, size: int, form: int) -> None:
    """COMISS, COMISD, UCOMISS, UCOMISD: ZF PF CF as FCOMI sets them."""
    if sse_ready(c, m):
        source(c, m, e, XMM, size, ANYWHERE, form)
        if m.fault == 0:
            first_from(c, m, XMM, int(e.a))
            compute_float(c, m, operation)
        if m.fault == 0:
            set_explicit(c, int(m.operand[0]) & (ZF | PF | CF))


# Kind of operand, mandatory prefix, letters, bytes, where in memory, feature
KINDS = (
    ("ps", "NP", "Wx", 16, ALIGNED, SSE),
    ("pd", "66", "Wx", 16, ALIGNED, SSE2),
    ("ss", "F3", "Wd", 4, ANYWHERE, SSE),
    ("sd", "F2", "Wq", 8, ANYWHERE, SSE2),
)
OPCODES = dict(zip(ARITHMETIC, (0x51, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F), strict=True)) | {"rsqrt": 0x52, "rcp": 0x53}


def _arithmetic() -> list[Row]:
    rows = []
    for name, code in OPCODES.items():
        for kind, prefix, letters, size, alignment, feature in KINDS:
            operation = NUMBER.get(name + kind)
            if operation is not None:
                constants = (operation, size, alignment, FORM)
                operands = f"Vx,{letters}"
                rows.append(
                    Row(f"{prefix} 0F {code:02X}", operands, floating, constants, faults="always", feature=feature)
                )
    return rows


ROWS = [
    *_arithmetic(),
    *(
        Row(
            f"{prefix} 0F C2",
            f"Vx,{letters},Ib",
            compared,
            (COMPARISON[f"cmp{kind}"], size, alignment, FORM),
            faults="always",
            feature=feature,
        )
        for kind, prefix, letters, size, alignment, feature in KINDS
    ),
    *(
        Row(
            f"{prefix} 0F {code}",
            f"Vx,{letters}",
            compared_to_flags,
            (NUMBER[name + kind], size, FORM),
            faults="always",
            feature=feature,
        )
        for name, code in (("ucomi", "2E"), ("comi", "2F"))
        for kind, prefix, letters, size, feature in (("ss", "NP", "Wd", 4, SSE), ("sd", "66", "Wq", 8, SSE2))
    ),
]
