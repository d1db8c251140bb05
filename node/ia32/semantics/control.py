"""Near control transfer: JMP Jcc CALL RET LOOP JECXZ (SDM 2). Each sets c.eip itself and checks the code segment's
limit
before anything else changes, so that a bad target faults at the branch."""

from node.ia32.faults import general_protection
from node.ia32.flags import condition, zero
from node.ia32.operands import drop, next_eip, push, read_rm, top
from node.ia32.rows import COND, FORM, SIZE, Row
from node.ia32.state import CS, ECX, M16, M32, Cpu, Machine, Op
from node.jitted import inlined


@inlined
def go(c: Cpu, m: Machine, target: int) -> None:
    if target > c.limit[CS]:
        general_protection(m, 0)
    else:
        c.eip = target


@inlined
def relative(c: Cpu, e: Op, size: int) -> int:
    target = next_eip(c, e) + int(e.imm)
    return target & (M32 if size == 4 else M16)


@inlined
def jmp_rel(c: Cpu, m: Machine, e: Op, size: int) -> None:
    go(c, m, relative(c, e, size))


@inlined
def jcc(c: Cpu, m: Machine, e: Op, code: int, size: int) -> int:
    if condition(c, code):
        go(c, m, relative(c, e, size))
        return 1
    return 0


@inlined
def jmp_rm(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    target = read_rm(c, m, e, size, form)
    if m.fault == 0:
        go(c, m, target)


@inlined
def call_to(c: Cpu, m: Machine, e: Op, target: int, size: int) -> None:
    if target > c.limit[CS]:
        general_protection(m, 0)
        return
    push(c, m, next_eip(c, e) & (M32 if size == 4 else M16), size)
    if m.fault == 0:
        c.eip = target


@inlined
def call_rel(c: Cpu, m: Machine, e: Op, size: int) -> None:
    call_to(c, m, e, relative(c, e, size), size)


@inlined
def call_rm(c: Cpu, m: Machine, e: Op, size: int, form: int) -> None:
    target = read_rm(c, m, e, size, form)
    if m.fault == 0:
        call_to(c, m, e, target, size)


@inlined
def ret(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """RET and RET imm16 (imm = 0 for the former)."""
    target = top(c, m, 0, size)
    if m.fault == 0:
        go(c, m, target)
        if m.fault == 0:
            drop(c, m, size + int(e.imm))


@inlined
def loop(c: Cpu, m: Machine, e: Op, kind: int, size: int) -> int:
    """E0 LOOPNE, E1 LOOPE, E2 LOOP, E3 JECXZ; the counter is CX or ECX by address size."""
    mask = M32 >> ((int(e.scale) & 4) << 2)
    if kind == 3:
        taken = c.gpr[ECX] & mask == 0
    else:
        count = (c.gpr[ECX] - 1) & mask
        taken = count != 0
        if kind == 0 and zero(c) == 1:
            taken = False
        if kind == 1 and zero(c) == 0:
            taken = False
        if taken and relative(c, e, size) > c.limit[CS]:
            general_protection(m, 0)
            return 1
        c.gpr[ECX] = (c.gpr[ECX] & ~mask) | count
    if taken:
        go(c, m, relative(c, e, size))
        return 1
    return 0


ROWS = [
    Row("EB", "Jb,v", jmp_rel, (SIZE,), faults="always", ends="branch"),
    Row("E9", "Jz", jmp_rel, (SIZE,), faults="always", ends="branch"),
    Row("70+cc", "Jb,v", jcc, (COND, SIZE), faults="always", ends="cc"),
    Row("0F 80+cc", "Jz", jcc, (COND, SIZE), faults="always", ends="cc"),
    Row("FF /4", "Ev", jmp_rm, (SIZE, FORM), faults="always", ends="branch"),
    Row("E8", "Jz", call_rel, (SIZE,), faults="always", ends="branch"),
    Row("FF /2", "Ev", call_rm, (SIZE, FORM), faults="always", ends="branch"),
    Row("C3", "v", ret, (SIZE,), faults="always", ends="branch"),
    Row("C2", "Iw,v", ret, (SIZE,), faults="always", ends="branch"),
    *(Row(f"{0xE0 + kind:02X}", "Jb,v", loop, (kind, SIZE), faults="always", ends="cc") for kind in range(4)),
]
