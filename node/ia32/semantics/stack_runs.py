"""Two to four PUSH of registers, or POP, one behind another, as one: functions begin and end so.

No Op executes these: translators take them for runs of Ops. They look once at what lies on one page of a flat 32-bit
stack. Everything else (a page's end, a fault) is a slow path, which a translator leaves to the instructions themselves.
The registers stand in `a`, `b`, `base` and `index` of an Op, in the order of the instructions; none is ESP.
"""

from node.ia32.operands import drop, push, top
from node.ia32.semantics.stack import pop_reg, push_reg
from node.ia32.state import ESP, M32, Cpu, Machine, Op
from node.ia32.tlb import entry_at, host_of, is_on_one_page, place_of
from node.jitted import inlined, peek32, poke32, slow_path

MOST = 4


@inlined
def may_run(register: int) -> bool:
    """Whether a PUSH or POP of it may be one of a run: ESP is what the others change."""
    return register != ESP


@inlined
def push_regs(c: Cpu, m: Machine, e: Op, count: int) -> None:
    lowest = (c.gpr[ESP] - 4 * count) & M32
    place = place_of(lowest)
    if is_on_one_page(place, 4 * count):
        entry = entry_at(m, place)
        if entry & m.need_write:
            last = host_of(entry, lowest) + 4 * count - 4
            poke32(last, c.gpr[int(e.a)])
            poke32(last - 4, c.gpr[int(e.b)])
            if count > 2:
                poke32(last - 8, c.gpr[int(e.base)])
            if count > 3:
                poke32(last - 12, c.gpr[int(e.index)])
            c.gpr[ESP] = lowest
            return
    _push_each(c, m, e, count)


@inlined
def pop_regs(c: Cpu, m: Machine, e: Op, count: int) -> None:
    lowest = c.gpr[ESP]
    place = place_of(lowest)
    if is_on_one_page(place, 4 * count):
        entry = entry_at(m, place)
        if entry & m.need_read:
            first = host_of(entry, lowest)
            c.gpr[ESP] = (lowest + 4 * count) & M32
            c.gpr[int(e.a)] = peek32(first)
            c.gpr[int(e.b)] = peek32(first + 4)
            if count > 2:
                c.gpr[int(e.base)] = peek32(first + 8)
            if count > 3:
                c.gpr[int(e.index)] = peek32(first + 12)
            return
    _pop_each(c, m, e, count)


@inlined
def _register(e: Op, number: int) -> int:
    if number == 0:
        return int(e.a)
    if number == 1:
        return int(e.b)
    return int(e.base) if number == 2 else int(e.index)


@slow_path
def _push_each(c: Cpu, m: Machine, e: Op, count: int) -> None:
    for i in range(count):
        if m.fault == 0:
            push(c, m, c.gpr[_register(e, i)], 4)


@slow_path
def _pop_each(c: Cpu, m: Machine, e: Op, count: int) -> None:
    for i in range(count):
        value = top(c, m, 0, 4)
        if m.fault == 0:
            drop(c, m, 4)
            c.gpr[_register(e, i)] = value


# By the semantic of one, for 32-bit operands
RUNS = {push_reg: push_regs, pop_reg: pop_regs}
