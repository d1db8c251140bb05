"""Packed integers and bitwise logic on MMX and XMM registers (SDM 1, 9.4, 10.4.4, 11.4.2).

Most opcodes have two forms: without prefix on MMX registers, with 66 on XMM registers. The logic and unpacking of SSE's
floating-point vectors are here too, since they move bits.
"""

from node.ia32.features import MMX as HAS_MMX
from node.ia32.features import SSE, SSE2
from node.ia32.host_sse import NUMBER, SHUFFLE, compute, shuffle
from node.ia32.latches import operand_from_value
from node.ia32.operands import REG
from node.ia32.rows import FORM, Row
from node.ia32.semantics.vector_state import (
    ALIGNED,
    ANYWHERE,
    MMX,
    XMM,
    fetch_operand,
    first_from,
    operand_from,
    operand_to,
    ready,
    source,
    use_mmx,
)
from node.ia32.state import Cpu, Machine, Op
from node.jitted import inlined, jitted


@inlined
def packed(c: Cpu, m: Machine, e: Op, bank: int, operation: int, size: int, alignment: int, form: int) -> None:
    """reg ← operation(reg, rm)."""
    if ready(c, m, bank):
        source(c, m, e, bank, size, alignment, form)
        if m.fault == 0:
            first_from(c, m, bank, int(e.a))
            compute(m, operation)
            operand_to(c, m, bank, int(e.a))


@inlined
def shift_by_immediate(c: Cpu, m: Machine, e: Op, bank: int, operation: int) -> None:
    """rm ← rm shifted, every lane by the immediate."""
    if ready(c, m, bank):
        operand_from_value(m, int(e.imm))
        first_from(c, m, bank, int(e.b))
        compute(m, operation)
        operand_to(c, m, bank, int(e.b))


@jitted
def arrange(m: Machine, kind: int, order: int) -> None:
    """One copy of the shuffles for all who use them."""
    shuffle(m, kind, order)


@inlined
def shift_bytes(c: Cpu, m: Machine, e: Op, kind: int) -> None:
    """PSLLDQ, PSRLDQ: rm as one number."""
    if ready(c, m, XMM):
        first_from(c, m, XMM, int(e.b))
        arrange(m, kind, int(e.imm))
        operand_to(c, m, XMM, int(e.b))


@inlined
def shuffled(c: Cpu, m: Machine, e: Op, bank: int, kind: int, size: int, form: int) -> None:
    """reg ← lanes of reg and rm as the immediate says."""
    if ready(c, m, bank):
        source(c, m, e, bank, size, ALIGNED if size == 16 else ANYWHERE, form)
        if m.fault == 0:
            first_from(c, m, bank, int(e.a))
            arrange(m, kind, int(e.imm))
            operand_to(c, m, bank, int(e.a))


@inlined
def insert_word(c: Cpu, m: Machine, e: Op, bank: int, last: int, form: int) -> None:
    """PINSRW: a word of a general register or of memory; `last` is the highest lane's number."""
    if ready(c, m, bank):
        if form == REG:
            operand_from_value(m, c.gpr[int(e.b)] & 0xFFFF)
        else:
            fetch_operand(c, m, e, 2, ANYWHERE)
        if m.fault == 0:
            first_from(c, m, bank, int(e.a))
            arrange(m, PINSRW, int(e.imm) & last)
            operand_to(c, m, bank, int(e.a))


@inlined
def extract_word(c: Cpu, m: Machine, e: Op, bank: int, last: int) -> None:
    """PEXTRW."""
    if ready(c, m, bank):
        operand_from(c, m, bank, int(e.b))
        arrange(m, PEXTRW, int(e.imm) & last)
        c.gpr[int(e.a)] = int(m.operand[0])
        if bank == MMX:
            use_mmx(c)


@inlined
def sign_mask(c: Cpu, m: Machine, e: Op, bank: int, operation: int) -> None:
    """PMOVMSKB, MOVMSKPS, MOVMSKPD: the lanes' top bits to a general register."""
    if ready(c, m, bank):
        operand_from(c, m, bank, int(e.b))
        compute(m, operation)
        c.gpr[int(e.a)] = int(m.operand[0])
        if bank == MMX:
            use_mmx(c)


PINSRW, PEXTRW = SHUFFLE["pinsrw"], SHUFFLE["pextrw"]

BOTH = {
    0x60: "punpcklbw", 0x61: "punpcklwd", 0x62: "punpckldq", 0x63: "packsswb", 0x64: "pcmpgtb", 0x65: "pcmpgtw",
    0x66: "pcmpgtd", 0x67: "packuswb", 0x68: "punpckhbw", 0x69: "punpckhwd", 0x6A: "punpckhdq", 0x6B: "packssdw",
    0x74: "pcmpeqb", 0x75: "pcmpeqw", 0x76: "pcmpeqd", 0xD1: "psrlw", 0xD2: "psrld", 0xD3: "psrlq", 0xD5: "pmullw",
    0xD8: "psubusb", 0xD9: "psubusw", 0xDB: "pand", 0xDC: "paddusb", 0xDD: "paddusw", 0xDF: "pandn", 0xE1: "psraw",
    0xE2: "psrad", 0xE5: "pmulhw", 0xE8: "psubsb", 0xE9: "psubsw", 0xEB: "por", 0xEC: "paddsb", 0xED: "paddsw",
    0xEF: "pxor", 0xF1: "psllw", 0xF2: "pslld", 0xF3: "psllq", 0xF5: "pmaddwd", 0xF8: "psubb", 0xF9: "psubw",
    0xFA: "psubd", 0xFC: "paddb", 0xFD: "paddw", 0xFE: "paddd",
}  # fmt: skip
BOTH_WITH_SSE = {
    0xDA: "pminub", 0xDE: "pmaxub", 0xE0: "pavgb", 0xE3: "pavgw", 0xE4: "pmulhuw", 0xEA: "pminsw", 0xEE: "pmaxsw",
    0xF6: "psadbw",
}  # fmt: skip
BOTH_WITH_SSE2 = {0xD4: "paddq", 0xF4: "pmuludq", 0xFB: "psubq"}
XMM_ONLY = {0x6C: "punpcklqdq", 0x6D: "punpckhqdq"}
LOGIC = {0x54: "pand", 0x55: "pandn", 0x56: "por", 0x57: "pxor"}
UNPACK = {0x14: ("punpckldq", "punpcklqdq"), 0x15: ("punpckhdq", "punpckhqdq")}
SHIFTS = {0x71: "w", 0x72: "d", 0x73: "q"}
SHIFT_KINDS = {2: "psrl", 4: "psra", 6: "psll"}


def _mmx(code: int, name: str, feature: int) -> Row:
    operation = NUMBER.get(f"{name}_mmx", NUMBER[name])
    size = 4 if name.startswith("punpckl") else 8
    return Row(
        f"NP 0F {code:02X}",
        "Pq,Qd" if size == 4 else "Pq,Qq",
        packed,
        (MMX, operation, size, ANYWHERE, FORM),
        faults="always",
        feature=feature,
    )


def _xmm(code: int, name: str, feature: int, prefix: str = "66") -> Row:
    constants = (XMM, NUMBER[name], 16, ALIGNED, FORM)
    return Row(f"{prefix} 0F {code:02X}", "Vx,Wx", packed, constants, faults="always", feature=feature)


def _shift_rows() -> list[Row]:
    rows = []
    for code, letter in SHIFTS.items():
        for reg, kind in SHIFT_KINDS.items():
            operation = NUMBER.get(kind + letter)
            if operation is None:  # there is no PSRAQ
                continue
            for prefix, operand, bank, feature in (("NP", "Nq", MMX, HAS_MMX), ("66", "Ux", XMM, SSE2)):
                rows.append(
                    Row(
                        f"{prefix} 0F {code:02X} /{reg}",
                        f"{operand},Ib",
                        shift_by_immediate,
                        (bank, operation),
                        faults="always",
                        feature=feature,
                    )
                )
    return rows


def _shuffled(code: str, name: str, bank: int, feature: int) -> Row:
    operands, size = ("Vx,Wx,Ib", 16) if bank == XMM else ("Pq,Qq,Ib", 8)
    return Row(code, operands, shuffled, (bank, SHUFFLE[name], size, FORM), faults="always", feature=feature)


ROWS = [
    *(_mmx(code, name, HAS_MMX) for code, name in BOTH.items()),
    *(_mmx(code, name, SSE) for code, name in BOTH_WITH_SSE.items()),
    *(_mmx(code, name, SSE2) for code, name in BOTH_WITH_SSE2.items()),
    *(_xmm(code, name, SSE2) for code, name in {**BOTH, **BOTH_WITH_SSE, **BOTH_WITH_SSE2, **XMM_ONLY}.items()),
    *(_xmm(code, name, SSE, "NP") for code, name in LOGIC.items()),
    *(_xmm(code, name, SSE2) for code, name in LOGIC.items()),
    *(_xmm(code, names[0], SSE, "NP") for code, names in UNPACK.items()),
    *(_xmm(code, names[1], SSE2) for code, names in UNPACK.items()),
    *_shift_rows(),
    Row("66 0F 73 /3", "Ux,Ib", shift_bytes, (SHUFFLE["psrldq"],), faults="always", feature=SSE2),
    Row("66 0F 73 /7", "Ux,Ib", shift_bytes, (SHUFFLE["pslldq"],), faults="always", feature=SSE2),
    _shuffled("NP 0F 70", "pshuflw", MMX, SSE),  # PSHUFW
    _shuffled("66 0F 70", "pshufd", XMM, SSE2),
    _shuffled("F3 0F 70", "pshufhw", XMM, SSE2),
    _shuffled("F2 0F 70", "pshuflw", XMM, SSE2),
    _shuffled("NP 0F C6", "shufps", XMM, SSE),
    _shuffled("66 0F C6", "shufpd", XMM, SSE2),
    Row("NP 0F C4", "Pq,Ed,Ib", insert_word, (MMX, 3, FORM), faults="always", feature=SSE),
    Row("66 0F C4", "Vx,Ed,Ib", insert_word, (XMM, 7, FORM), faults="always", feature=SSE2),
    Row("NP 0F C5", "Gd,Nq,Ib", extract_word, (MMX, 3), faults="always", feature=SSE),
    Row("66 0F C5", "Gd,Ux,Ib", extract_word, (XMM, 7), faults="always", feature=SSE2),
    Row("NP 0F D7", "Gd,Nq", sign_mask, (MMX, NUMBER["pmovmskb"]), faults="always", feature=SSE),
    Row("66 0F D7", "Gd,Ux", sign_mask, (XMM, NUMBER["pmovmskb"]), faults="always", feature=SSE2),
    Row("NP 0F 50", "Gd,Ux", sign_mask, (XMM, NUMBER["movmskps"]), faults="always", feature=SSE),
    Row("66 0F 50", "Gd,Ux", sign_mask, (XMM, NUMBER["movmskpd"]), faults="always", feature=SSE2),
]
