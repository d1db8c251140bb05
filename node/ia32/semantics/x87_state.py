"""The vocabulary of x87 semantics: the register stack, its exceptions, and memory operands of up to ten bytes.

Values are Intel's 80-bit extended, in physical registers R0-R7 of `Cpu.fpu`; ST(i) is R((TOP + i) & 7). They are
handled by address only: a significand does not fit the core's non-negative integers. `ftw` holds one bit a register
(1: not empty); the two-bit tags of the manual are derived when an environment is stored.

An instruction asks `begin` first (#NM, and #MF for an exception left pending by an earlier one), fetches its memory
operand, computes, delivers its memory result, and only then changes state. ES and B are kept equal to "some flag is
unmasked". With CR0.NE clear nothing faults: ES is the FERR# line, which the host forwards to IRQ 13 at the exit that
ES causes (the next waiting instruction then goes on, as with IGNNE# active, where a real one would freeze until the
interrupt).
"""

from node.ia32.access import load, probe, store
from node.ia32.debug import check_alignment
from node.ia32.faults import NO_ERROR, leave_after, raise_fault
from node.ia32.host_fpu import host_x87
from node.ia32.operands import check_segment, offset_of
from node.ia32.rows import Row
from node.ia32.state import CPU, CR0_EM, CR0_NE, CR0_TS, CS, EXIT_TIME, M32, MF, NM, Cpu, Machine, Op
from node.ia32.tlb import entry_at, host_of, is_on_one_page, place_of
from node.jitted import folding, inlined, jitted, peek16, peek32, peek64, poke16, poke32, poke64

# Status word
IE, DE, ZE, OE, UE, PE, STACK, ES, BUSY = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x80, 0x8000
C0, C1, C2, C3, TOP = 0x100, 0x200, 0x400, 0x4000, 0x3800
EXCEPTIONS, CONDITIONS = 0x3F, C0 | C1 | C2 | C3
PRECLUDES = IE | DE | ZE  # unmasked, these stop an operation before it changes its destination

REGISTERS: int = CPU.fields["fpu"][1]  # type: ignore[index]  # offset of R0 in the Cpu record


@inlined
def physical(c: Cpu, i: int) -> int:
    return ((c.fsw >> 11) + i) & 7


@inlined
def st(c: Cpu, m: Machine, i: int) -> int:
    """Address of ST(i)."""
    return m.cpu_address + REGISTERS + (physical(c, i) << 4)


@inlined
def filled(c: Cpu, i: int) -> int:
    return (c.ftw >> physical(c, i)) & 1


@inlined
def fill(c: Cpu, i: int) -> None:
    c.ftw = c.ftw | (1 << physical(c, i))


@inlined
def vacate(c: Cpu, i: int) -> None:
    c.ftw = c.ftw & ~(1 << physical(c, i))


@inlined
def turn(c: Cpu, by: int) -> None:
    """TOP += by (7 is one down), modulo 8; tags stay with their registers."""
    c.fsw = (c.fsw & ~TOP) | (((c.fsw >> 11) + by & 7) << 11)


@inlined
def push(c: Cpu) -> None:
    turn(c, 7)
    fill(c, 0)


@inlined
def pop(c: Cpu, count: int) -> None:
    """None, one or two."""
    if count > 0:
        vacate(c, 0)
        turn(c, 1)
    if count > 1:
        vacate(c, 0)
        turn(c, 1)


@inlined
def copy(target: int, source: int) -> None:
    poke64(target, peek64(source))
    poke16(target + 8, peek16(source + 8))


@inlined
def _copy_part(target: int, source: int, size: int) -> None:
    """2, 4, 8 or 10 bytes."""
    if size == 2:
        poke16(target, peek16(source))
    elif size == 4:
        poke32(target, peek32(source))
    elif size == 8:
        poke64(target, peek64(source))
    else:
        copy(target, source)


@jitted
def set_extended(target: int, sign_exponent: int, high: int, low: int) -> None:
    poke32(target, low)
    poke32(target + 4, high)
    poke16(target + 8, sign_exponent)


@jitted
def set_indefinite(target: int) -> None:
    """The QNaN that masked invalid operations give (SDM 1, 4.2.2)."""
    set_extended(target, 0xFFFF, 0xC000_0000, 0)


@folding
def begin(c: Cpu, m: Machine) -> int:
    """1 if a waiting x87 instruction may proceed."""
    if c.cr0 & (CR0_EM | CR0_TS):
        raise_fault(m, NM, NO_ERROR)
        return 0
    if c.fsw & ES and c.cr0 & CR0_NE:
        raise_fault(m, MF, NO_ERROR)
        return 0
    return 1


@inlined
def begin_control(c: Cpu, m: Machine) -> int:
    """1 if a control instruction that does not wait for pending exceptions may proceed."""
    if c.cr0 & (CR0_EM | CR0_TS):
        raise_fault(m, NM, NO_ERROR)
        return 0
    return 1


@folding
def remember(c: Cpu, e: Op) -> None:
    """Point FIP, FCS and FOP at this instruction; the decoder leaves the opcode's 11 bits in `imm`."""
    c.fip = (c.eip + int(e.at)) & M32
    c.fcs = c.selector[CS]
    c.fop = int(e.imm) & 0x7FF


@folding
def remember_operand(c: Cpu, e: Op) -> None:
    remember(c, e)
    c.fdp = offset_of(c, e)
    c.fds = c.selector[int(e.seg) & 7]


@jitted
def ferr(c: Cpu) -> int:
    """The pin FERR#: an unmasked exception is pending, and it is the board that shall tell of it (SDM 3A 2.5, NE)."""
    return 1 if c.fsw & ES and c.cr0 & CR0_NE == 0 else 0


@folding
def set_status(c: Cpu, m: Machine, flags: int) -> None:
    """The status word: `flags`, with ES and B as flags and masks have them; the host must see each change of FERR#."""
    word = flags & ~(ES | BUSY)
    if flags & EXCEPTIONS & ~c.fcw:
        word |= ES | BUSY
    changed = (c.fsw ^ word) & ES
    c.fsw = word
    if changed and c.cr0 & CR0_NE == 0:
        leave_after(m)
        m.exit = EXIT_TIME


@folding
def settle(c: Cpu, m: Machine, status: int, conditions: int) -> None:
    """Take over what the operation raised, C1, and those of C0, C2, C3 that `conditions` names, from a status word."""
    kept = c.fsw & ~(C1 | conditions)
    set_status(c, m, kept | (status & (EXCEPTIONS | STACK | C1 | conditions)))


@inlined
def precluded(c: Cpu, status: int, by: int) -> int:
    """Non-zero if one of the exceptions `by` was raised and is unmasked."""
    return status & ~c.fcw & by


@jitted
def stack_fault(c: Cpu, m: Machine, direction: int, conditions: int) -> int:
    """Overflow (direction C1) or underflow (0) of the register stack; `conditions` are cleared.

    Non-zero if masked: the instruction goes on with indefinites."""
    settle(c, m, IE | STACK | direction, conditions)
    return c.fcw & IE


@folding
def operate(c: Cpu, operation: int, first: int, second: int, result: int) -> int:
    """The one way to the host's unit; flags that are pending unmasked are not sticky to it (host_fpu.py)."""
    sticky = c.fsw & EXCEPTIONS & c.fcw
    return host_x87(operation, c.fcw, sticky, first, second, result)


@inlined
def buffer(m: Machine) -> int:
    """Sixteen bytes of scratch: the decoder's, which is idle while an instruction executes."""
    return m.decode_buffer


@inlined
def operand_linear(c: Cpu, m: Machine, e: Op, size: int, write: int) -> int:
    """The linear address of a memory operand whose whole extent passed the segment's checks."""
    seg = int(e.seg) & 7
    offset = offset_of(c, e)
    if m.seg_ok[seg] & (1 + write) == 0:
        check_segment(c, m, seg, offset, size, write)
    return (c.base[seg] + offset) & M32


@jitted
def _fetch_slow(c: Cpu, m: Machine, linear: int, size: int) -> None:
    if size >= 8:
        check_alignment(c, m, linear, 8)
    fetch_bytes(c, m, linear, size, buffer(m))


@jitted
def _deliver_slow(c: Cpu, m: Machine, linear: int, size: int, source: int) -> None:
    if size >= 8:
        check_alignment(c, m, linear, 8)
    if m.fault == 0:
        deliver_bytes(c, m, linear, size, source)


@jitted
def fetch_bytes(c: Cpu, m: Machine, linear: int, size: int, target: int) -> None:
    """Copy an even number of guest bytes to `target`; stops at a fault."""
    at = 0
    while size - at >= 4 and m.fault == 0:
        poke32(target + at, load(c, m, (linear + at) & M32, 4))
        at += 4
    if size - at >= 2 and m.fault == 0:
        poke16(target + at, load(c, m, (linear + at) & M32, 2))


@jitted
def deliver_bytes(c: Cpu, m: Machine, linear: int, size: int, source: int) -> None:
    """Copy to guest memory all or nothing."""
    if not is_on_one_page(place_of(linear), size):
        probe(c, m, linear, size, 1)
    at = 0
    while size - at >= 4 and m.fault == 0:
        store(c, m, (linear + at) & M32, 4, peek32(source + at))
        at += 4
    if size - at >= 2 and m.fault == 0:
        store(c, m, (linear + at) & M32, 2, peek16(source + at))


@folding
def fetched(c: Cpu, m: Machine, e: Op, size: int) -> int:
    """Where, in this process, a memory operand is: in the guest's memory or in the buffer; 0: that faulted."""
    linear = operand_linear(c, m, e, size, 0)
    if m.fault:
        return 0
    place = place_of(linear)
    if is_on_one_page(place, size):
        entry = entry_at(m, place)
        if entry & m.need_read:
            return host_of(entry, linear)
    _fetch_slow(c, m, linear, size)
    return buffer(m) if m.fault == 0 else 0


@folding
def deliver(c: Cpu, m: Machine, e: Op, size: int, source: int) -> int:
    """Write the memory operand; 1 if that did not fault."""
    linear = operand_linear(c, m, e, size, 1)
    if m.fault:
        return 0
    place = place_of(linear)
    if is_on_one_page(place, size):
        entry = entry_at(m, place)
        if entry & m.need_write:
            _copy_part(host_of(entry, linear), source, size)
            return 1
    _deliver_slow(c, m, linear, size, source)
    return 1 if m.fault == 0 else 0


ROWS: list[Row] = []
