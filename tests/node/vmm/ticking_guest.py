"""A guest whose local APIC's timer ticks, on a host whose clock is the test's."""

import ctypes
import select
from typing import Any

from node.boot.entry import Entry
from node.ia32.resting import Wait
from node.ia32.slices import GetTime
from node.vmm.machine import Machine, MachineConfig, Stopped
from tests.support.engine import engine_named

CODE, HANDLER, IDT, GDT, STACK = 0x10_0000, 0x10_0200, 0x2000, 0x3000, 0x9000
LVT_TIMER, INITIAL, DIVIDE, SVR, EOI = 0x320, 0x380, 0x3E0, 0x0F0, 0x0B0
PERIODIC, VECTOR = 1 << 17, 0x40
STEP_NS = 20_000
PERIOD_NS = STEP_NS  # a slice is a thousand instructions, which plain Python manages
TICKS = 8
BUSY = bytes((0xFB, 0x41, 0x83, 0xFB, TICKS, 0x72, 0xFA))  # sti; inc ecx; cmp ebx, TICKS; jb to inc
HALTING = bytes((0xFB, 0xF4, 0x41, 0x83, 0xFB, TICKS, 0x72, 0xF9))  # the same with a HLT before inc
SECOND = 1_000_000_000


class Host:
    """A host whose clock goes on by STEP_NS each time that somebody looks at it, and on which waiting takes nobody's
    time but its clock's."""

    def __init__(self) -> None:
        self.now = self.looks = 0
        self.waits: list[int] = []  # nanoseconds
        self._functions = GetTime(self._get_time), Wait(self._wait)
        self.clock, self.wait = (ctypes.cast(function, ctypes.c_void_p).value or 0 for function in self._functions)

    def __call__(self) -> int:
        self.now += STEP_NS
        self.looks += 1
        return self.now

    def _get_time(self, _clock: int, time: Any) -> int:
        time.contents.seconds, time.contents.nanoseconds = divmod(self(), SECOND)
        return 0

    def _wait(self, bell: Any, _count: int, time: Any, _mask: Any) -> int:
        if select.select([bell.contents.descriptor], [], [], 0)[0]:
            return 1
        self.waits.append(time.contents.seconds * SECOND + time.contents.nanoseconds)
        self.now += self.waits[-1]
        return 0


def ticking(
    engine: str, host: Host, *, natively: bool = True, loop: bytes = BUSY, period_ns: int = PERIOD_NS
) -> Machine:
    """A guest that counts its local APIC's ticks in EBX until there are TICKS, and turns of its `loop` in ECX."""
    config = MachineConfig(16 << 20, cpu="pentium4", exit_port=0xF4)
    functions = {"host_clock": host.clock, "host_wait": host.wait} if natively else {}
    machine = Machine(config, engine=engine_named(engine), monotonic_ns=host, **functions)
    stores = ((SVR, 0x1FF), (DIVIDE, 0xB), (LVT_TIMER, PERIODIC | VECTOR), (INITIAL, period_ns))
    setting = b"".join(_store(at, value) for at, value in stores)
    machine.memory.write(CODE, setting + loop + b"\xfa\xe6\xf4\xf4")  # cli; out 0F4h, al; hlt
    machine.memory.write(HANDLER, b"\x43" + _store(EOI, 0) + b"\xcf")  # inc ebx; EOI; iret
    machine.memory.write(IDT + 8 * VECTOR, (0x0010_8E00 << 32 | 0x0008_0000 + 0x200).to_bytes(8, "little"))
    machine.memory.write(GDT + 8, bytes.fromhex("ffff0000009bcf00"))
    machine.enter(Entry(mode="flat32", eip=CODE, cs=8, data_selector=16, gdt_base=GDT, gdt_limit=0xF))
    c = machine.processor.cpu
    c.idt_base, c.idt_limit, c.gpr[4] = IDT, 0x7FF, STACK
    machine.release()
    return machine


def _store(register: int, value: int) -> bytes:
    return b"\xc7\x05" + (0xFEE0_0000 | register).to_bytes(4, "little") + value.to_bytes(4, "little")


def run_to_end(machine: Machine) -> Stopped:
    for _ in range(10_000):
        outcome = machine.advance()
        if isinstance(outcome, Stopped):
            return outcome
    raise AssertionError("it does not come to an end")
