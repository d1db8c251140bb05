"""MOVS CMPS STOS LODS SCAS, with REP prefixes (SDM 2B REP).

Each iteration counts as one instruction and commits its registers, so a fault, an interrupt or the end of the budget
between
iterations leaves a state from which the same instruction goes on. Iterations of MOVS and STOS that stay within pages
known to
the TLB are done in bulk.
"""

import ctypes

from node.ia32.access import peek, poke
from node.ia32.flags import string_step, zero
from node.ia32.operands import get_reg, load_seg, set_reg, store_seg
from node.ia32.rows import SIZE, Row
from node.ia32.semantics.alu import CMP_, combine
from node.ia32.state import (
    DF,
    EAX,
    ECX,
    EDI,
    ES,
    ESI,
    LEAVE_EXIT,
    M32,
    REP,
    REPNE,
    RF,
    Cpu,
    Machine,
    Op,
)
from node.ia32.tlb import entry_of
from node.jitted import inlined, jitted, primitive

MOVS_, CMPS_, STOS_, LODS_, SCAS_ = range(5)


@inlined
def address_mask(e: Op) -> int:
    return M32 >> ((int(e.scale) & 4) << 2)


@inlined
def advance(c: Cpu, register: int, step: int, mask: int) -> None:
    c.gpr[register] = (c.gpr[register] & ~mask) | ((c.gpr[register] + step) & mask)


@inlined
def string(c: Cpu, m: Machine, e: Op, kind: int, size: int) -> None:
    if int(e.seg) & (REP | REPNE):
        repeated(c, m, e, kind, size)
    else:
        once(c, m, e, kind, size)


@inlined
def once(c: Cpu, m: Machine, e: Op, kind: int, size: int) -> None:
    """One iteration; nothing changes if it faults."""
    mask = address_mask(e)
    step = string_step(c, size)
    if kind == MOVS_:
        value = load_seg(c, m, int(e.seg) & 7, c.gpr[ESI] & mask, size)
        if m.fault == 0:
            store_seg(c, m, ES, c.gpr[EDI] & mask, size, value)
        if m.fault == 0:
            advance(c, ESI, step, mask)
            advance(c, EDI, step, mask)
    elif kind == STOS_:
        store_seg(c, m, ES, c.gpr[EDI] & mask, size, get_reg(c, EAX, size))
        if m.fault == 0:
            advance(c, EDI, step, mask)
    elif kind == LODS_:
        value = load_seg(c, m, int(e.seg) & 7, c.gpr[ESI] & mask, size)
        if m.fault == 0:
            set_reg(c, EAX, size, value)
            advance(c, ESI, step, mask)
    elif kind == SCAS_:
        value = load_seg(c, m, ES, c.gpr[EDI] & mask, size)
        if m.fault == 0:
            combine(c, CMP_, size, get_reg(c, EAX, size), value)
            advance(c, EDI, step, mask)
    else:
        first = load_seg(c, m, int(e.seg) & 7, c.gpr[ESI] & mask, size)
        second = load_seg(c, m, ES, c.gpr[EDI] & mask, size) if m.fault == 0 else 0
        if m.fault == 0:
            combine(c, CMP_, size, first, second)
            advance(c, ESI, step, mask)
            advance(c, EDI, step, mask)


@jitted
def repeated(c: Cpu, m: Machine, e: Op, kind: int, size: int) -> None:
    """As many iterations as the count, the budget and the condition allow."""
    mask = address_mask(e)
    until = 2  # REPE ends when ZF = 0, REPNE when ZF = 1
    if kind == CMPS_ or kind == SCAS_:
        until = 0 if int(e.seg) & REP else 1
    done = 0
    while c.gpr[ECX] & mask and m.left - done > 0 and m.leave == 0:
        count = (
            bulk(c, m, e, kind, size, min(c.gpr[ECX] & mask, m.left - done)) if kind == MOVS_ or kind == STOS_ else 0
        )
        if count == 0:
            once(c, m, e, kind, size)
            if m.fault:
                break
            count = 1
        advance(c, ECX, -count, mask)
        done += count
        if until == zero_or_two(c, until):
            break
    finished = c.gpr[ECX] & mask == 0 or (until == zero_or_two(c, until) and done > 0)
    settle(m, done, finished)
    if not finished:
        c.flags |= RF  # an interrupt or trap between iterations pushes it (SDM 3B 17.3.1.1)


@inlined
def zero_or_two(c: Cpu, until: int) -> int:
    """ZF for an instruction whose repetition depends on it; otherwise a value that is never equal to `until`."""
    return zero(c) if until < 2 else 3


@inlined
def settle(m: Machine, done: int, finished: bool) -> None:
    """Charge `done` iterations; an unfinished instruction is executed again, a finished one counts itself."""
    if m.fault:
        m.left -= done
    elif not finished:
        m.left -= done
        m.leave = LEAVE_EXIT
    elif done:
        m.left -= done - 1


@primitive(
    arguments=("i64", "i64", "i64"),
    result="void",
    llvm="%d = inttoptr i64 %0 to ptr\n%s = inttoptr i64 %1 to ptr\n"
    "call void @llvm.memmove.p0.p0.i64(ptr %d, ptr %s, i64 %2, i1 false)\nret void",
)
def move_bytes(target: int, source: int, count: int) -> None:
    """memmove between addresses of this process."""
    ctypes.memmove(int(target), int(source), int(count))


@jitted
def bulk(c: Cpu, m: Machine, e: Op, kind: int, size: int, most: int) -> int:
    """Iterations of a forward MOVS or STOS that touch one page each side, through the TLB; 0 if it must be done
    singly."""
    mask = address_mask(e)
    seg = int(e.seg) & 7
    if c.flags & DF or mask != M32 or m.seg_ok[ES] & 2 == 0:
        return 0
    to = (c.base[ES] + c.gpr[EDI]) & M32
    entry = entry_of(m, to)
    count = min(most, (4096 - (to & 0xFFF)) // size)
    if entry & m.need_write == 0 or count == 0:
        return 0
    target = m.ram + (entry & ~0xFFF) + (to & 0xFFF)
    if kind == STOS_:
        value = get_reg(c, EAX, size)
        for i in range(count):
            poke(target + i * size, size, value)
    else:
        if m.seg_ok[seg] & 1 == 0:
            return 0
        start = (c.base[seg] + c.gpr[ESI]) & M32
        entry = entry_of(m, start)
        count = min(count, (4096 - (start & 0xFFF)) // size)
        if entry & m.need_read == 0 or count == 0:
            return 0
        source = m.ram + (entry & ~0xFFF) + (start & 0xFFF)
        if target <= source or target >= source + count * size:
            move_bytes(target, source, count * size)
        else:  # overlapping upwards: each iteration sees what the ones before it wrote
            for i in range(count):
                poke(target + i * size, size, peek(source + i * size, size))
        c.gpr[ESI] = (c.gpr[ESI] + count * size) & M32
    c.gpr[EDI] = (c.gpr[EDI] + count * size) & M32
    return count


def _rows() -> list[Row]:
    rows = []
    for kind, code, operands in (
        (MOVS_, 0xA4, "Y,X"),
        (CMPS_, 0xA6, "X,Y"),
        (STOS_, 0xAA, "Y"),
        (LODS_, 0xAC, "X"),
        (SCAS_, 0xAE, "Y"),
    ):
        rows.append(Row(f"{code:02X}", operands, string, (kind, 1), faults="always", counts=True))
        rows.append(Row(f"{code + 1:02X}", f"{operands},v", string, (kind, SIZE), faults="always", counts=True))
    return rows


ROWS = _rows()
