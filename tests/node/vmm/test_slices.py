"""Slices end and begin without the host, and the guest sees what it would see if the host looked at its clock after
each of them."""

import ctypes
from typing import Any

import pytest

from node.boot.entry import Entry
from node.ia32.slices import GATHERING_NS, LONGEST_NS, GetTime
from node.ia32.state import EBX, ECX
from node.vmm.machine import Machine, MachineConfig, Stopped
from tests.support.engine import ENGINES, engine_named

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile

CODE, HANDLER, IDT, GDT, STACK = 0x10_0000, 0x10_0200, 0x2000, 0x3000, 0x9000
LVT_TIMER, INITIAL, DIVIDE, SVR, EOI = 0x320, 0x380, 0x3E0, 0x0F0, 0x0B0
PERIODIC, VECTOR = 1 << 17, 0x40
STEP_NS = 20_000
PERIOD_NS = STEP_NS  # a slice is a thousand instructions, which plain Python manages
TICKS = 8
LOOP, FOREVER = b"\x72\xfa", b"\xeb\xfe"
SECOND = 1_000_000_000


class Host:
    """A host whose clock goes on by STEP_NS each time that somebody looks at it."""

    def __init__(self) -> None:
        self.now = self.looks = 0
        self._native = GetTime(self._get_time)
        self.address = ctypes.cast(self._native, ctypes.c_void_p).value or 0

    def __call__(self) -> int:
        self.now += STEP_NS
        self.looks += 1
        return self.now

    def _get_time(self, _clock: int, time: Any) -> int:
        time.contents.seconds, time.contents.nanoseconds = divmod(self(), SECOND)
        return 0


def ticking(engine: str, host: Host, *, natively: bool = True) -> Machine:
    """A guest that counts its local APIC's ticks in EBX until there are TICKS, and instructions in ECX."""
    config = MachineConfig(16 << 20, cpu="pentium4", exit_port=0xF4)
    machine = Machine(
        config, engine=engine_named(engine), monotonic_ns=host, host_clock=host.address if natively else 0
    )
    stores = ((SVR, 0x1FF), (DIVIDE, 0xB), (LVT_TIMER, PERIODIC | VECTOR), (INITIAL, PERIOD_NS))
    setting = b"".join(_store(at, value) for at, value in stores)
    wait = bytes(
        (0xFB, 0x41, 0x83, 0xFB, TICKS, *LOOP, 0xFA, 0xE6, 0xF4, 0xF4)
    )  # sti; inc ecx; cmp ebx; jb; cli; out; hlt
    machine.memory.write(CODE, setting + wait)
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


@pytest.mark.parametrize("engine", ENGINES)
def test_the_timer_ticks_as_often_with_the_host_looking_on_as_without(engine: str) -> None:
    ended = {}
    for natively in (True, False):
        host = Host()
        machine = ticking(engine, host, natively=natively)
        assert run_to_end(machine).kind == "exit" and machine.processor.cpu.gpr[EBX] == TICKS
        assert TICKS * PERIOD_NS <= machine.now <= 4 * TICKS * PERIOD_NS
        ended[natively] = machine.stats()
    assert ended[True]["interrupts"] == ended[False]["interrupts"] == TICKS
    by_itself = ended[True].get("exits_budget", 0)  # when there is something for a translator to take
    assert by_itself <= 1 < TICKS - 1 <= ended[False]["exits_budget"]


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_every_engine_cuts_the_same_slices(engine: str) -> None:
    hosts = Host(), Host()
    machines = [ticking(e, host) for e, host in zip(("plain", engine), hosts, strict=True)]
    for machine in machines:
        run_to_end(machine)
    plain, native = machines
    assert (native.instructions, native.now) == (plain.instructions, plain.now)
    assert native.processor.cpu.gpr[ECX] == plain.processor.cpu.gpr[ECX]
    assert hosts[0].looks == hosts[1].looks


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_the_host_is_given_control_now_and_then_and_at_once_when_it_asks(engine: str) -> None:
    host = Host()
    machine = ticking(engine, host)
    code = bytes(machine.memory.view[CODE : CODE + 64])
    machine.memory.write(CODE + code.index(LOOP), FOREVER)
    for _ in range(3):  # a translator has nothing more to take the third time
        begun = host.now
        machine._run(machine.clock.tell(machine.instructions))
    assert LONGEST_NS <= host.now - begun < LONGEST_NS + 4 * STEP_NS
    looks = host.looks
    machine.ask()
    assert machine.advance() is None
    assert host.looks - looks < 4, "one slice, and what surrounds it"


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_bytes_that_native_code_keeps_do_not_wait_there_for_long(engine: str) -> None:
    host = Host()
    machine = ticking(engine, host)
    machine.memory.write(CODE, bytes.fromhex("66baf803 b041 ee ee ebfe"))  # mov dx, 3F8h; mov al, 'A'; out; out; jmp $
    machine._serve(machine._run(machine.clock.tell(machine.instructions)))  # the first is the host's, which then lends
    assert machine.console.total == 1
    begun = host.now
    machine._run(machine.clock.tell(machine.instructions))
    assert machine.console.total == 2 and GATHERING_NS <= host.now - begun < GATHERING_NS + 4 * STEP_NS
