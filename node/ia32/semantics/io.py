"""Port I/O: IN, OUT, INS, OUTS, and who may use which port (SDM 1 chapter 19).

The port itself is the host's business: an instruction that may proceed stops before it changes anything, with m.exit
= EXIT_IO and m.io_port, io_size, io_write and for writes io_value set; the host acts, sets m.io_ready = 1 (for reads
with the value in io_value), and the instruction is executed again and finishes. INS and OUTS make one iteration at a
time, and touch memory once before the host acts, so that no page fault comes after a device has been read.

The host may say beforehand what bytes some ports give as long as it is not asked anything (m.port_answers), and that it
can take later what is written to one (m.sink_port), or lend a counter (m.timer_port): then IN and OUT finish at once.
"""

from node.ia32.access import load_system, probe
from node.ia32.bus import DIRECT
from node.ia32.debug import observe_port
from node.ia32.descriptors import KIND, WIDE
from node.ia32.eflags import iopl
from node.ia32.faults import general_protection, leave_for, try_again
from node.ia32.flags import string_step
from node.ia32.operands import check_segment, get_reg, in_v86, load_seg, mask_of, set_reg, store_seg
from node.ia32.privilege import fall_through
from node.ia32.rows import SIZE, Row
from node.ia32.state import (
    CR0_PE,
    EAX,
    ECX,
    EDI,
    EDX,
    ES,
    ESI,
    EXIT_IO,
    M16,
    M32,
    REP,
    REPNE,
    RF,
    SINK_BYTES,
    TR,
    Cpu,
    Machine,
    Op,
)
from node.ia32.timer_port import read_timer
from node.ia32.virtual_interrupts import IO_MAP
from node.jitted import inlined, jitted, peek16, poke8


@jitted
def check_port(c: Cpu, m: Machine, port: int, size: int) -> None:
    """#GP(0) unless CPL <= IOPL (never so in virtual-8086 mode), or the TSS's bitmap is clear for all of the ports."""
    if c.cr0 & CR0_PE == 0 or (c.cpl <= iopl(c) and in_v86(c) == 0):
        return
    denied = 1
    if c.attr[TR] & KIND & WIDE and c.limit[TR] >= IO_MAP + 1:
        at = load_system(c, m, c.base[TR] + IO_MAP, 2) + (port >> 3)
        if m.fault == 0 and at + 1 <= c.limit[TR]:
            bits = load_system(c, m, c.base[TR] + at, 2)
            denied = bits >> (port & 7) & ((1 << size) - 1)
    if denied:
        general_protection(m, 0)


@jitted
def _ask_host(m: Machine, port: int, size: int, write: int, value: int) -> None:
    m.io_port = port
    m.io_size = size
    m.io_write = write
    m.io_value = value
    leave_for(m, EXIT_IO)


@jitted
def read_port(c: Cpu, m: Machine, port: int, size: int) -> None:
    """IN: to AL, AX or EAX."""
    check_port(c, m, port, size)
    if m.fault:
        return
    if m.io_ready == 0:
        answer = peek16(m.port_answers + (port << 1)) if size == 1 else 0
        if size == 1 and port == m.timer_port:
            if m.reach != DIRECT:
                try_again(m)
                return
            answer = read_timer(c, m)
        elif answer == 0:
            _ask_host(m, port, size, 0, 0)
            return
        m.io_value = answer
    m.io_ready = 0
    set_reg(c, EAX, size, m.io_value & mask_of(size))
    observe_port(c, m, port, size)


@jitted
def write_port(c: Cpu, m: Machine, port: int, size: int) -> None:
    """OUT: from AL, AX or EAX."""
    check_port(c, m, port, size)
    if m.fault:
        return
    if m.io_ready == 0:
        if size != 1 or port != m.sink_port or m.sink_used >= SINK_BYTES:
            _ask_host(m, port, size, 1, get_reg(c, EAX, size))
            return
        poke8(m.sink + m.sink_used, get_reg(c, EAX, 1))
        m.sink_used += 1
    m.io_ready = 0
    observe_port(c, m, port, size)


@inlined
def in_immediate(c: Cpu, m: Machine, e: Op, size: int) -> None:
    read_port(c, m, int(e.imm), size)


@inlined
def in_dx(c: Cpu, m: Machine, e: Op, size: int) -> None:
    read_port(c, m, c.gpr[EDX] & M16, size)


@inlined
def out_immediate(c: Cpu, m: Machine, e: Op, size: int) -> None:
    write_port(c, m, int(e.imm), size)


@inlined
def out_dx(c: Cpu, m: Machine, e: Op, size: int) -> None:
    write_port(c, m, c.gpr[EDX] & M16, size)


@inlined
def _address_mask(e: Op) -> int:
    return M32 >> ((int(e.scale) & 4) << 2)


@inlined
def _repeats(e: Op) -> int:
    return int(e.seg) & (REP | REPNE)


@jitted
def ins(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """One iteration of [REP] INS: port DX to ES:(E)DI."""
    mask = _address_mask(e)
    port, at = c.gpr[EDX] & M16, c.gpr[EDI] & mask
    check_port(c, m, port, size)  # before the count: as processors do
    if m.fault:
        return
    if _repeats(e) and c.gpr[ECX] & mask == 0:
        fall_through(c, e)
        return
    if m.io_ready == 0:
        _probe_write(c, m, ES, at, size)
        if m.fault == 0:
            _ask_host(m, port, size, 0, 0)
        return
    store_seg(c, m, ES, at, size, m.io_value & mask_of(size))
    if m.fault:
        return
    m.io_ready = 0
    _iterate(c, e, EDI, size)
    observe_port(c, m, port, size)


@jitted
def outs(c: Cpu, m: Machine, e: Op, size: int) -> None:
    """One iteration of [REP] OUTS: DS:(E)SI (or another segment) to port DX."""
    mask = _address_mask(e)
    port = c.gpr[EDX] & M16
    check_port(c, m, port, size)  # before the count: as processors do
    if m.fault:
        return
    if _repeats(e) and c.gpr[ECX] & mask == 0:
        fall_through(c, e)
        return
    if m.io_ready == 0:
        value = load_seg(c, m, int(e.seg) & 7, c.gpr[ESI] & mask, size)
        if m.fault == 0:
            _ask_host(m, port, size, 1, value)
        return
    m.io_ready = 0
    _iterate(c, e, ESI, size)
    observe_port(c, m, port, size)


@jitted
def _probe_write(c: Cpu, m: Machine, seg: int, offset: int, size: int) -> None:
    check_segment(c, m, seg, offset, size, 1)
    if m.fault == 0:
        probe(c, m, (c.base[seg] + offset) & M32, size, 1)


@jitted
def _iterate(c: Cpu, e: Op, index: int, size: int) -> None:
    """Step the index, count down; EIP stays at the instruction while iterations are left."""
    mask = _address_mask(e)
    c.gpr[index] = (c.gpr[index] & ~mask) | ((c.gpr[index] + string_step(c, size)) & mask)
    if _repeats(e):
        left = (c.gpr[ECX] - 1) & mask
        c.gpr[ECX] = (c.gpr[ECX] & ~mask) | left
        if left:
            c.eip = (c.eip + int(e.at)) & M32
            c.flags |= RF  # as in strings.py: what comes between iterations pushes it, and no breakpoint stops again
            return
    fall_through(c, e)


ROWS = [
    Row("E4", "Ib", in_immediate, (1,), faults="always", oracle=False),
    Row("E5", "-v,Ib", in_immediate, (SIZE,), faults="always", oracle=False),
    Row("E6", "Ib", out_immediate, (1,), faults="always", oracle=False),
    Row("E7", "-v,Ib", out_immediate, (SIZE,), faults="always", oracle=False),
    Row("EC", "", in_dx, (1,), faults="always", oracle=False),
    Row("ED", "-v", in_dx, (SIZE,), faults="always", oracle=False),
    Row("EE", "", out_dx, (1,), faults="always", oracle=False),
    Row("EF", "-v", out_dx, (SIZE,), faults="always", oracle=False),
    Row("6C", "Yb,DX", ins, (1,), faults="always", ends="always", oracle=False),
    Row("6D", "Yv,DX", ins, (SIZE,), faults="always", ends="always", oracle=False),
    Row("6E", "DX,Xb", outs, (1,), faults="always", ends="always", oracle=False),
    Row("6F", "DX,Xv", outs, (SIZE,), faults="always", ends="always", oracle=False),
]
