"""Many iterations of a forward MOVS, STOS, SCAS or CMPS with REP at once: those that touch one page each side, which
the TLB knows. Each function returns how many it has done; 0 if the next must be done by itself. ECX is the caller's.
"""

import ctypes

from node.ia32.access import peek, poke
from node.ia32.operands import get_reg
from node.ia32.semantics.alu import CMP_, combine
from node.ia32.state import DF, EAX, EDI, ES, ESI, M32, Cpu, Machine, Op
from node.ia32.tlb import entry_of, host_of
from node.jitted import Touch, inlined, jitted, primitive

NOWHERE = 0  # no address of this process


@primitive(
    arguments=("i64", "i64", "i64"),
    result="void",
    llvm="%d = inttoptr i64 %0 to ptr\n%s = inttoptr i64 %1 to ptr\n"
    "call void @llvm.memmove.p0.p0.i64(ptr %d, ptr %s, i64 %2, i1 false)\nret void",
    touches=(Touch("%0", "%2"), Touch("%1", "%2")),
)
def move_bytes(target: int, source: int, count: int) -> None:
    """memmove between addresses of this process."""
    ctypes.memmove(int(target), int(source), int(count))


@inlined
def on_page(linear: int, size: int) -> int:
    """Elements from here to the page's end."""
    return (4096 - (linear & 0xFFF)) // size


@inlined
def readable(c: Cpu, m: Machine, seg: int, register: int) -> int:
    """Where seg:[register] lies in this process, if it may be read without a second look."""
    linear = (c.base[seg] + c.gpr[register]) & M32
    entry = entry_of(m, linear)
    if m.seg_ok[seg] & 1 == 0 or entry & m.need_read == 0:
        return NOWHERE
    return host_of(entry, linear)


@inlined
def writable(c: Cpu, m: Machine) -> int:
    """The same of ES:[EDI] and writing."""
    linear = (c.base[ES] + c.gpr[EDI]) & M32
    entry = entry_of(m, linear)
    if m.seg_ok[ES] & 2 == 0 or entry & m.need_write == 0:
        return NOWHERE
    return host_of(entry, linear)


@inlined
def is_single(c: Cpu, e: Op) -> bool:
    """Backwards, or with 16-bit addresses that wrap."""
    return c.flags & DF != 0 or int(e.scale) & 4 != 0


@inlined
def left_on_page(c: Cpu, seg: int, register: int, size: int) -> int:
    return on_page((c.base[seg] + c.gpr[register]) & M32, size)


@inlined
def step(c: Cpu, register: int, bytes_done: int) -> None:
    c.gpr[register] = (c.gpr[register] + bytes_done) & M32


@jitted
def copy_bulk(c: Cpu, m: Machine, e: Op, size: int, most: int) -> int:
    seg = int(e.seg) & 7
    source, target = readable(c, m, seg, ESI), writable(c, m)
    if is_single(c, e) or source == NOWHERE or target == NOWHERE:
        return 0
    count = min(most, left_on_page(c, ES, EDI, size), left_on_page(c, seg, ESI, size))
    if target <= source or target >= source + count * size:
        move_bytes(target, source, count * size)
    else:  # overlapping upwards: each iteration sees what the ones before it wrote
        for i in range(count):
            poke(target + i * size, size, peek(source + i * size, size))
    step(c, ESI, count * size)
    step(c, EDI, count * size)
    return count


@jitted
def fill_bulk(c: Cpu, m: Machine, e: Op, size: int, most: int) -> int:
    target = writable(c, m)
    if is_single(c, e) or target == NOWHERE:
        return 0
    count = min(most, left_on_page(c, ES, EDI, size))
    value = get_reg(c, EAX, size)
    for i in range(count):
        poke(target + i * size, size, value)
    step(c, EDI, count * size)
    return count


@jitted
def scan_bulk(c: Cpu, m: Machine, e: Op, size: int, until: int, most: int) -> int:
    """Up to and with the first element of which ZF says `until`."""
    target = readable(c, m, ES, EDI)
    count = min(most, left_on_page(c, ES, EDI, size))
    if is_single(c, e) or target == NOWHERE or count == 0:
        return 0
    value = get_reg(c, EAX, size)
    done, other = 0, 0
    while done < count:
        other = peek(target + done * size, size)
        done += 1
        if (1 if value == other else 0) == until:
            break
    combine(c, CMP_, size, value, other)
    step(c, EDI, done * size)
    return done


@jitted
def compare_bulk(c: Cpu, m: Machine, e: Op, size: int, until: int, most: int) -> int:
    """Up to and with the first pair of which ZF says `until`."""
    seg = int(e.seg) & 7
    source, target = readable(c, m, seg, ESI), readable(c, m, ES, EDI)
    count = min(most, left_on_page(c, ES, EDI, size), left_on_page(c, seg, ESI, size))
    if is_single(c, e) or source == NOWHERE or target == NOWHERE or count == 0:
        return 0
    done, one, other = 0, 0, 0
    while done < count:
        one, other = peek(source + done * size, size), peek(target + done * size, size)
        done += 1
        if (1 if one == other else 0) == until:
            break
    combine(c, CMP_, size, one, other)
    step(c, ESI, done * size)
    step(c, EDI, done * size)
    return done
