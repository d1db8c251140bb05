"""MOV MOVZX MOVSX LEA XCHG XLAT CMOVcc SETcc BSWAP CBW/CWDE CWD/CDQ, and the instructions that do nothing (SDM 2)."""

from node.ia32.features import CMOV, P6
from node.ia32.flags import condition
from node.ia32.operands import (
    get_reg,
    load_seg,
    mask_of,
    offset_of,
    read_rm,
    read_to_change,
    set_reg,
    sign_extend,
    write_rm,
)
from node.ia32.rows import COND, FORM, SIZE, Row
from node.ia32.state import EAX, EBX, EDX, M32, Cpu, Machine, Op
from node.jitted import inlined


@inlined
def mov_to_rm(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    write_rm(c, m, e, size, form, get_reg(c, int(e.a), size))


@inlined
def mov_from_rm(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    value = read_rm(c, m, e, size, form)
    if m.fault == 0:
        set_reg(c, int(e.a), size, value)


@inlined
def mov_imm_rm(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    write_rm(c, m, e, size, form, int(e.imm))


@inlined
def mov_imm(c: Cpu, m: Machine, e: Op, size: int) -> None:
    set_reg(c, int(e.a), size, int(e.imm))


@inlined
def mov_acc_from(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """A0, A1: AL/eAX ← [moffs]."""
    value = load_seg(c, m, int(e.seg) & 7, int(e.disp), size)
    if m.fault == 0:
        set_reg(c, EAX, size, value)


@inlined
def mov_acc_to(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    write_rm(c, m, e, size, form, get_reg(c, EAX, size))


@inlined
def extend(c: Cpu, m: Machine, e: Op, signed: int, size: int, source: int, form: int) -> None:
    """MOVZX, MOVSX: a `source`-byte rm into a `size`-byte register."""
    value = read_rm(c, m, e, source, form)
    if m.fault == 0:
        if signed:
            value = sign_extend(value, source) & mask_of(size)
        set_reg(c, int(e.a), size, value)


@inlined
def lea(c: Cpu, m: Machine, e: Op, size: int) -> None:
    set_reg(c, int(e.a), size, offset_of(c, e))


@inlined
def xchg(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    value = read_to_change(c, m, e, size, form)
    if m.fault == 0:
        write_rm(c, m, e, size, form, get_reg(c, int(e.a), size))
        set_reg(c, int(e.a), size, value)


@inlined
def xchg_acc(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """90+r: XCHG eAX, reg; 90 itself is NOP."""
    value = get_reg(c, EAX, size)
    set_reg(c, EAX, size, get_reg(c, int(e.a), size))
    set_reg(c, int(e.a), size, value)


@inlined
def xlat(c: Cpu, m: Machine, e: Op) -> None:
    mask = M32 >> ((int(e.scale) & 4) << 2)
    value = load_seg(c, m, int(e.seg) & 7, (c.gpr[EBX] + (c.gpr[EAX] & 0xFF)) & mask, 1)
    if m.fault == 0:
        set_reg(c, EAX, 1, value)


@inlined
def cmov(c: Cpu, m: Machine, e: Op, code: int, size: int, form: int) -> None:
    """The source is read whatever the condition says (SDM 2A CMOVcc)."""
    value = read_rm(c, m, e, size, form)
    if m.fault == 0 and condition(c, code):
        set_reg(c, int(e.a), size, value)


@inlined
def setcc(c: Cpu, m: Machine, e: Op, code: int, form: int) -> None:
    write_rm(c, m, e, 1, form, condition(c, code))


@inlined
def bswap(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """With a 16-bit operand the result is undefined in the manual; processors clear the register's low half."""
    v = c.gpr[int(e.a)]
    if size == 4:
        c.gpr[int(e.a)] = (v >> 24) | ((v >> 8) & 0xFF00) | ((v << 8) & 0xFF_0000) | ((v << 24) & 0xFF00_0000)
    else:
        set_reg(c, int(e.a), 2, 0)


@inlined
def widen_acc(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """CBW, CWDE."""
    half = size >> 1
    set_reg(c, EAX, size, sign_extend(get_reg(c, EAX, half), half) & mask_of(size))


@inlined
def widen_into_dx(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """CWD, CDQ."""
    set_reg(c, EDX, size, mask_of(size) if get_reg(c, EAX, size) >> ((size << 3) - 1) else 0)


@inlined
def nop(c: Cpu, m: Machine, e: Op) -> None:
    """NOP, PAUSE, ENDBR, long NOP and prefetch hints: memory operands are not touched."""


ROWS = [
    Row("88", "Eb,Gb", mov_to_rm, (SIZE, FORM)),
    Row("89", "Ev,Gv", mov_to_rm, (SIZE, FORM)),
    Row("8A", "Gb,Eb", mov_from_rm, (SIZE, FORM)),
    Row("8B", "Gv,Ev", mov_from_rm, (SIZE, FORM)),
    Row("C6 /0", "Eb,Ib", mov_imm_rm, (SIZE, FORM)),
    Row("C7 /0", "Ev,Iz", mov_imm_rm, (SIZE, FORM)),
    Row("B0+r", "Zb,Ib", mov_imm, (SIZE,), faults="never"),
    Row("B8+r", "Zv,Iz", mov_imm, (SIZE,), faults="never"),
    Row("A0", "AL,Ob", mov_acc_from, (1,), faults="always"),
    Row("A1", "eAX,Ov", mov_acc_from, (SIZE,), faults="always"),
    Row("A2", "Ob,AL", mov_acc_to, (1, 1), faults="always"),
    Row("A3", "Ov,eAX", mov_acc_to, (SIZE, 1), faults="always"),
    Row("0F B6", "Gv,Eb", extend, (0, SIZE, 1, FORM)),
    Row("0F B7", "Gv,Ew", extend, (0, SIZE, 2, FORM)),
    Row("0F BE", "Gv,Eb", extend, (1, SIZE, 1, FORM)),
    Row("0F BF", "Gv,Ew", extend, (1, SIZE, 2, FORM)),
    Row("8D", "Gv,M", lea, (SIZE,), faults="never"),
    Row("86", "Eb,Gb", xchg, (SIZE, FORM), lock=True),
    Row("87", "Ev,Gv", xchg, (SIZE, FORM), lock=True),
    Row("90+r", "Zv", xchg_acc, (SIZE,), faults="never"),
    Row("D7", "", xlat, (), faults="always"),
    Row("0F 40+cc", "Gv,Ev", cmov, (COND, SIZE, FORM), feature=CMOV),
    Row("0F 90+cc", "Eb", setcc, (COND, FORM)),
    Row("0F C8+r", "Zv", bswap, (SIZE,), faults="never"),
    Row("98", "v", widen_acc, (SIZE,), faults="never"),
    Row("99", "v", widen_into_dx, (SIZE,), faults="never"),
    *(Row(f"0F {op:02X}", "Ev", nop, (), faults="never", feature=P6) for op in range(0x19, 0x20)),
    Row("0F 18", "Ev", nop, (), faults="never", feature=P6),
    Row("0F 0D", "Ev", nop, (), faults="never", feature=P6),
]
