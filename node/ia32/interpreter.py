"""The reference loop: find a block, execute its Ops, deliver what they raised, until the host is needed.

`run` is the same code in plain Python and compiled. `execute` is the inner dispatch: here as a plain loop over the
handler
table, which is the oracle; `node.jit` composes the same handlers into native code that calls each other by tail calls.
The instruction budget is exact: `run` returns with `m.left` == 0 after exactly that many instructions, so that
virtual time
is a function of the guest alone. A REP iteration counts as one instruction.
"""

from node.ia32.apic_interrupts import refresh, take
from node.ia32.blocks import DEAD_HANDLER, ENTRY_HANDLER, FALL_HANDLER, forget_all, op_at
from node.ia32.bus import DIRECT, LATER, NOTHING
from node.ia32.debug import stop_before_instruction
from node.ia32.exceptions import debug_trap, deliver_interrupt, deliver_nmi, deliver_pending
from node.ia32.faults import AGAIN, undefined
from node.ia32.fetch import find, find_again, is_full, is_lasting
from node.ia32.handlers import handlers
from node.ia32.holding import HOLD_ALL, let_go
from node.ia32.host_sse import float_control, set_float_control
from node.ia32.semantics.vector_state import adopt, collect
from node.ia32.state import (
    CPU_BYTES,
    CS,
    EXIT_HALT,
    EXIT_INTERRUPT,
    EXIT_MEMORY,
    EXIT_NONE,
    IF,
    LEAVE_AFTER,
    M32,
    OP_BYTES,
    RF,
    STAY,
    TF,
    Cpu,
    Machine,
    Op,
)
from node.ia32.string_bulk import move_bytes
from node.jitted import inlined, jitted, primitive


@jitted
def run(c: Cpu, m: Machine) -> None:
    """Execute at most `m.left` instructions; `m.exit` says why control came back before that (EXIT_NONE: it did
    not)."""
    m.exit = EXIT_NONE
    m.slice = m.left
    m.held_at = c.instructions
    outer = float_control(m)
    adopt(c, m)
    while m.left > 0 and m.exit == EXIT_NONE:
        let_go(c, m)
        held_off = c.inhibit or m.io_ready or m.answers  # the host has done one half of an access: now comes the other
        if held_off == 0 and c.nmi_pending and c.nmi_masked == 0:
            deliver_nmi(c, m)
        if held_off == 0 and m.interrupt_line and c.flags & IF:
            if m.apic_vector:
                deliver_interrupt(c, m, take(c, m))
            else:
                m.exit = EXIT_INTERRUPT
        elif c.halted:
            m.exit = EXIT_HALT
        else:
            _advance(c, m)
    let_go(c, m)
    collect(c, m)
    set_float_control(m, outer)
    _account(c, m)


@inlined
def _account(c: Cpu, m: Machine) -> None:
    c.instructions += m.slice - m.left
    m.slice = m.left


@jitted
def _advance(c: Cpu, m: Machine) -> None:
    """Up to the next place where interrupts, traps and exceptions are looked at."""
    stepping = c.flags & TF
    if m.watches_code and m.io_ready == 0 and c.inhibit != HOLD_ALL and stop_before_instruction(c, m):
        m.left -= 1
        deliver_pending(c, m)
        return
    if m.alone:
        move_bytes(m.cpu_copy, m.cpu_address, CPU_BYTES)
    resumed, hits = c.flags & RF, c.debug_hits
    c.flags &= ~RF
    held = 0
    single = m.io_ready or m.alone or m.watches_code or c.debug_hits
    if stepping or c.inhibit or single:  # one instruction, then look again
        held = m.left - 1
        m.slice -= held
        m.left = 1
    before = m.left
    m.leave = STAY
    m.reach = DIRECT if m.alone else LATER
    m.posted = m.answers_used = 0
    address = find_again(c, m)
    if address:
        execute(c, m, address)
    elif m.fault == 0 and is_full(m):
        forget_all(m)
    executed = before - m.left
    m.slice += held
    m.left += held
    m.reach = NOTHING
    if m.fault == AGAIN:
        m.fault = m.posted = 0
        if m.alone:
            move_bytes(m.cpu_address, m.cpu_copy, CPU_BYTES)
            refresh(c, m)
            m.exit = EXIT_MEMORY
        elif executed == 0:
            c.flags = c.flags & ~RF | resumed
            c.debug_hits = hits
        m.alone = 1
        return
    m.alone = m.answers = 0
    if m.fault:
        m.left -= (
            1  # a delivery costs like an instruction, so that a guest caught in its own faults cannot hold the host
        )
        c.debug_hits = 0
        deliver_pending(c, m)
        return
    if m.posted:
        m.exit = EXIT_MEMORY
    let_go(c, m)
    if executed and (stepping or c.debug_hits):
        debug_trap(c, m, stepping)


@jitted
def stop_before(c: Cpu, e: Op) -> None:
    """Point c.eip at `e` itself."""
    c.eip = (c.eip + int(e.at)) & M32


@jitted
def settle(c: Cpu, m: Machine, e: Op, ended: int) -> None:
    """`e` has set m.leave: count it and step over it if it completed, stay before it otherwise."""
    settle_at(c, m, int(e.at), int(e.length), ended)


@jitted
def settle_at(c: Cpu, m: Machine, at: int, length: int, ended: int) -> None:
    """The same for the instruction of `length` bytes, `at` bytes behind c.eip."""
    if m.leave != LEAVE_AFTER:
        c.eip = (c.eip + at) & M32
        return
    m.left -= 1
    if ended == 0:
        c.eip = (c.eip + at + length) & M32


@jitted
def follow(c: Cpu, m: Machine, e: Op, before: int) -> int:
    """The target of a direct branch just taken, remembered in `e.link` when it is sure to stay the same: on the same
    page
    (whatever maps there next time), in a segment without a limit. `before`: c.eip of the branch's block."""
    address = find(c, m)
    base = c.base[CS]
    if is_lasting(m, address) and c.limit[CS] == M32 and (base + before) >> 12 == (base + c.eip) >> 12:
        e.link = address
    return address


@primitive(arguments=("cpu", "machine", "i64"), result="void", symbol="limosa_execute")
def execute(c: Cpu, m: Machine, address: int) -> None:
    """Run Ops from `address` on until the budget ends, something leaves, or a block cannot be found.

    Leaves c.eip at the next instruction to execute. `m.left` must be positive.
    """
    numbered = handlers()
    while address:
        e = op_at(address)
        number = int(e.handler)
        handler = numbered[number]
        if number == DEAD_HANDLER:
            return
        if number == FALL_HANDLER:
            stop_before(c, e)
            address = find(c, m)
            continue
        if number == ENTRY_HANDLER:
            address += OP_BYTES
            continue
        if handler is None:
            undefined(m)
            stop_before(c, e)
            return
        gone = handler.semantic(c, m, e, *handler.constants)
        ended = 1 if handler.ends in ("always", "branch") or (handler.ends == "cc" and gone == 1) else 0
        if m.leave != STAY:
            settle(c, m, e, ended)
            return
        m.left -= 1
        if ended == 0:
            address += OP_BYTES
            if m.left == 0:
                stop_before(c, op_at(address))
                return
        elif m.left == 0 or handler.ends == "always":
            return
        else:
            address = find(c, m)
