"""What answers where there is no memory: the local APIC, the host's devices, or nobody.

An instruction that gets here has done nothing yet and does nothing: as soon as one of its addresses is translated to
such a place, where it might also have met a page fault, it stops and is executed again by itself (`AGAIN`,
`m.alone`). Only then is it known exactly how many instructions came before it, and so what time it is. Then the local
APIC is read and written at once. For a device the processor stops and lets the host read, and the instruction begins
anew, with its registers as they were and with the answer; what it writes is posted, and the host makes the writes
when the instruction is complete. So an instruction may read and write as often as it likes, in any mixture with
memory, faults without having written to a device, and at every exit the machine is in a state from which any other
machine can go on. Reads of nothing give all ones and writes are lost.

    NOTHING   deliveries of exceptions and the second half of a task switch: cannot be done again, and reach nobody
    LATER     the usual state
    DIRECT    the instruction is executed alone
"""

from node.ia32.apic import read_apic, write_apic
from node.ia32.faults import try_again
from node.ia32.state import MOST_ON_BUS, Cpu, Machine
from node.jitted import inlined, jitted

NOTHING, LATER, DIRECT = 0, 1, 2


@inlined
def is_on_bus(m: Machine, gpa: int) -> bool:
    return gpa >> 12 == m.apic_page or m.devices_from <= gpa < m.devices_to


@jitted
def read_bus(c: Cpu, m: Machine, gpa: int, size: int) -> int:
    nothing = (1 << (size << 3)) - 1
    if m.reach != DIRECT or not is_on_bus(m, gpa) or m.answers == MOST_ON_BUS:
        return nothing
    if gpa >> 12 == m.apic_page:
        return read_apic(c, m, gpa & 0xFFF, size)
    if m.answers_used < m.answers:
        m.answers_used += 1
        return m.answer[m.answers_used - 1] & nothing
    if m.fault == 0:
        m.bus_address = gpa
        m.bus_size = size
        try_again(m)
    return 0


@jitted
def write_bus(c: Cpu, m: Machine, gpa: int, size: int, value: int) -> None:
    if m.reach != DIRECT or not is_on_bus(m, gpa):
        return
    if gpa >> 12 == m.apic_page:
        write_apic(c, m, gpa & 0xFFF, size, value)
    elif m.posted < MOST_ON_BUS:
        m.posted_address[m.posted] = gpa
        m.posted_size[m.posted] = size
        m.posted_value[m.posted] = value
        m.posted += 1
