"""The local APIC's timer (SDM 3A 10.5.4), as exact functions of guest time.

Its clock is guest time, one tick a nanosecond, which the divide configuration slows down. Nothing counts: the counter
held `apic_count` at `apic_since`, and what it holds at any later time, and when it next reaches zero, follow. So the
timer and the time-stamp counter are one clock, which is what a kernel that measures one by the other relies on.
"""

from node.ia32.apic_interrupts import accept
from node.ia32.apic_registers import DIVIDE, INITIAL_COUNT, LVT_TIMER, MASKED, NEVER, PERIODIC, VECTOR
from node.ia32.state import EXIT_TIME, Cpu, Machine
from node.jitted import inlined, jitted


@inlined
def _shift(c: Cpu) -> int:
    """log2 of the divisor: bits 3, 1 and 0 of the divide configuration, in which all ones are 1."""
    value = c.apic[DIVIDE]
    return ((value >> 1 & 4 | value & 3) + 1) & 7


@inlined
def _repeats(c: Cpu) -> bool:
    return c.apic[LVT_TIMER] & PERIODIC != 0 and c.apic[INITIAL_COUNT] != 0


@jitted
def current_count(c: Cpu, now: int) -> int:
    ticks = (now - c.apic_since) >> _shift(c)
    if ticks < c.apic_count:
        return c.apic_count - ticks
    if c.apic_count == 0 or not _repeats(c):
        return 0
    return c.apic[INITIAL_COUNT] - (ticks - c.apic_count) % c.apic[INITIAL_COUNT]


@jitted
def _next_zero(c: Cpu, now: int) -> int:
    """The first time after `now` at which the counter reaches zero."""
    ticks = (now - c.apic_since) >> _shift(c)
    if ticks < c.apic_count:
        return c.apic_since + (c.apic_count << _shift(c))
    if c.apic_count == 0 or not _repeats(c):
        return NEVER
    periods = (ticks - c.apic_count) // c.apic[INITIAL_COUNT] + 1
    return c.apic_since + ((c.apic_count + periods * c.apic[INITIAL_COUNT]) << _shift(c))


@jitted
def plan(c: Cpu, now: int) -> None:
    """What decides about the next interrupt has changed."""
    c.apic_due = NEVER if c.apic[LVT_TIMER] & MASKED else _next_zero(c, now)


@jitted
def start_timer(c: Cpu, m: Machine, initial: int, now: int) -> None:
    c.apic[INITIAL_COUNT] = initial
    c.apic_count = initial
    c.apic_since = now
    _look_again(c, m, now)


@jitted
def write_timer_entry(c: Cpu, m: Machine, entry: int, now: int) -> None:
    """The counter goes on from where it is, in the new mode; in the middle of a tick stays in the middle."""
    count = current_count(c, now)
    c.apic_since = now - (now - c.apic_since & (1 << _shift(c)) - 1)
    c.apic_count = count
    c.apic[LVT_TIMER] = entry
    _look_again(c, m, now)


@jitted
def write_divide(c: Cpu, m: Machine, value: int, now: int) -> None:
    """The counter goes on from where it is, at the new pace."""
    c.apic_count = current_count(c, now)
    c.apic_since = now
    c.apic[DIVIDE] = value & 0xB
    _look_again(c, m, now)


@jitted
def _look_again(c: Cpu, m: Machine, now: int) -> None:
    due = c.apic_due
    plan(c, now)
    if c.apic_due < due:
        m.exit = EXIT_TIME  # this stretch of execution was to end later


@jitted
def expire(c: Cpu, m: Machine, now: int) -> None:
    """Guest time has come to `apic_due`. Periods that nobody saw are one interrupt: there is one bit for it."""
    accept(c, m, c.apic[LVT_TIMER] & VECTOR, 0)
    plan(c, now)
