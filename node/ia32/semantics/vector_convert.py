"""Conversions between integers and the two floating-point formats (SDM 1, 11.4.1.6, 11.4.4)."""

from node.ia32.features import SSE, SSE2
from node.ia32.host_sse import NUMBER
from node.ia32.latches import operand_from_value
from node.ia32.operands import REG, read_rm
from node.ia32.rows import FORM, Row
from node.ia32.semantics.vector_float import floating
from node.ia32.semantics.vector_state import (
    ALIGNED,
    ANYWHERE,
    MMX,
    XMM,
    compute_float,
    first_from,
    mmx_ready,
    operand_to,
    source,
    sse_ready,
    use_mmx,
)
from node.ia32.state import Cpu, Machine, Op
from node.jitted import inlined


@inlined
def from_integer(c: Cpu, m: Machine, e: Op, operation: int, form: int) -> None:
    """CVTSI2SS, CVTSI2SD: a general register or memory to the low lane."""
    if sse_ready(c, m):
        value = read_rm(c, m, e, 4, form)
        if m.fault == 0:
            operand_from_value(m, value)
            first_from(c, m, XMM, int(e.a))
            compute_float(c, m, operation)
        if m.fault == 0:
            operand_to(c, m, XMM, int(e.a))


@inlined
def to_integer(c: Cpu, m: Machine, e: Op, operation: int, size: int, form: int) -> None:
    """CVTSS2SI, CVTSD2SI and the truncating ones: the low lane to a general register."""
    if sse_ready(c, m):
        source(c, m, e, XMM, size, ANYWHERE, form)
        if m.fault == 0:
            compute_float(c, m, operation)
        if m.fault == 0:
            c.gpr[int(e.a)] = int(m.operand[0])


@inlined
def from_mmx(c: Cpu, m: Machine, e: Op, operation: int, form: int) -> None:
    """CVTPI2PS, CVTPI2PD: two integers of an MMX register, or of memory and then nothing of the x87 unit."""
    if sse_ready(c, m) and (form != REG or mmx_ready(c, m)):
        source(c, m, e, MMX, 8, ANYWHERE, form)
        if m.fault == 0:
            first_from(c, m, XMM, int(e.a))
            compute_float(c, m, operation)
        if m.fault == 0:
            operand_to(c, m, XMM, int(e.a))
            if form == REG:
                use_mmx(c)


@inlined
def to_mmx(c: Cpu, m: Machine, e: Op, operation: int, size: int, alignment: int, form: int) -> None:
    """CVTPS2PI, CVTPD2PI and the truncating ones: two integers to an MMX register."""
    if sse_ready(c, m) and mmx_ready(c, m):
        source(c, m, e, XMM, size, alignment, form)
        if m.fault == 0:
            compute_float(c, m, operation)
        if m.fault == 0:
            operand_to(c, m, MMX, int(e.a))


def _between(code: str, operands: str, name: str, size: int) -> Row:
    """XMM to XMM; 16-byte memory operands must be aligned."""
    alignment = ALIGNED if size == 16 else ANYWHERE
    return Row(code, operands, floating, (NUMBER[name], size, alignment, FORM), faults="always", feature=SSE2)


ROWS = [
    _between("NP 0F 5A", "Vx,Wq", "cvtps2pd", 8),
    _between("66 0F 5A", "Vx,Wx", "cvtpd2ps", 16),
    _between("F3 0F 5A", "Vx,Wd", "cvtss2sd", 4),
    _between("F2 0F 5A", "Vx,Wq", "cvtsd2ss", 8),
    _between("NP 0F 5B", "Vx,Wx", "cvtdq2ps", 16),
    _between("66 0F 5B", "Vx,Wx", "cvtps2dq", 16),
    _between("F3 0F 5B", "Vx,Wx", "cvttps2dq", 16),
    _between("66 0F E6", "Vx,Wx", "cvttpd2dq", 16),
    _between("F3 0F E6", "Vx,Wq", "cvtdq2pd", 8),
    _between("F2 0F E6", "Vx,Wx", "cvtpd2dq", 16),
    Row("F3 0F 2A", "Vx,Ed", from_integer, (NUMBER["cvtsi2ss"], FORM), faults="always", feature=SSE),
    Row("F2 0F 2A", "Vx,Ed", from_integer, (NUMBER["cvtsi2sd"], FORM), faults="always", feature=SSE2),
    Row("F3 0F 2C", "Gd,Wd", to_integer, (NUMBER["cvttss2si"], 4, FORM), faults="always", feature=SSE),
    Row("F2 0F 2C", "Gd,Wq", to_integer, (NUMBER["cvttsd2si"], 8, FORM), faults="always", feature=SSE2),
    Row("F3 0F 2D", "Gd,Wd", to_integer, (NUMBER["cvtss2si"], 4, FORM), faults="always", feature=SSE),
    Row("F2 0F 2D", "Gd,Wq", to_integer, (NUMBER["cvtsd2si"], 8, FORM), faults="always", feature=SSE2),
    Row("NP 0F 2A", "Vx,Qq", from_mmx, (NUMBER["cvtpi2ps"], FORM), faults="always", feature=SSE),
    Row("66 0F 2A", "Vx,Qq", from_mmx, (NUMBER["cvtdq2pd"], FORM), faults="always", feature=SSE2),
    Row("NP 0F 2C", "Pq,Wq", to_mmx, (NUMBER["cvttps2pi"], 8, ANYWHERE, FORM), faults="always", feature=SSE),
    Row("66 0F 2C", "Pq,Wx", to_mmx, (NUMBER["cvttpd2dq"], 16, ALIGNED, FORM), faults="always", feature=SSE2),
    Row("NP 0F 2D", "Pq,Wq", to_mmx, (NUMBER["cvtps2pi"], 8, ANYWHERE, FORM), faults="always", feature=SSE),
    Row("66 0F 2D", "Pq,Wx", to_mmx, (NUMBER["cvtpd2dq"], 16, ALIGNED, FORM), faults="always", feature=SSE2),
]
