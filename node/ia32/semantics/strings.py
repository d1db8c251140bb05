"""MOVS CMPS STOS LODS SCAS, with REP prefixes (SDM 2B REP).

Each iteration counts as one instruction and commits its registers, so a fault, an interrupt or the end of the budget
between iterations leaves a state from which the same instruction goes on. Iterations that stay within pages known to
the TLB are done in bulk (`string_bulk.py`).
"""

from node.ia32.flags import string_step, zero
from node.ia32.operands import get_reg, load_seg, set_reg, store_seg
from node.ia32.rows import SIZE, Row
from node.ia32.semantics.alu import CMP_, combine
from node.ia32.state import (
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
from node.ia32.string_bulk import compare_bulk, copy_bulk, fill_bulk, scan_bulk
from node.jitted import inlined, jitted

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
        count = in_bulk(c, m, e, kind, size, until, min(c.gpr[ECX] & mask, m.left - done))
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
def in_bulk(c: Cpu, m: Machine, e: Op, kind: int, size: int, until: int, most: int) -> int:
    """Iterations, `most` at most, that have been done at once; 0: the next one must be done by itself."""
    if kind == MOVS_:
        return copy_bulk(c, m, e, size, most)
    if kind == STOS_:
        return fill_bulk(c, m, e, size, most)
    if kind == SCAS_:
        return scan_bulk(c, m, e, size, until, most)
    if kind == CMPS_:
        return compare_bulk(c, m, e, size, until, most)
    return 0


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
