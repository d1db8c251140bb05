"""The APICs in a machine: a guest that uses them can be saved and restored at any instruction, also in the middle of a
countdown, and what it waits for is what the host waits for."""

from pathlib import Path

import pytest
import xxhash

from node.boot.entry import Entry
from node.boot.multiboot import load_multiboot
from node.ia32.state import EAX, EBX, EDI, ESI, IF
from node.migration import snapshot
from node.vmm.machine import Idle, Machine, MachineConfig, Stopped
from tests.support import guest_programs
from tests.support.engine import ENGINES, engine_named
from tests.support.seeds import random_for

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile

LVT_TIMER, INITIAL, CURRENT, DIVIDE, SVR = 0x320, 0x380, 0x390, 0x3E0, 0x0F0
CODE = 0x10_0000
HLT = b"\xf4"


def digest(machine: Machine) -> str:
    return xxhash.xxh3_128(bytes(machine.memory.view) + snapshot.encode(machine.records())).hexdigest()


class Host:
    """A host's clock that stands where the test puts it."""

    now = 0

    def __call__(self) -> int:
        return self.now


def machine_of(clock: str, host: Host | None = None, *, engine: str = "native") -> Machine:
    config = MachineConfig(16 << 20, cpu="pentium4", clock=clock, exit_port=0xF4)
    return Machine(config, engine=engine_named(engine), monotonic_ns=host or Host())


def copied(original: Machine, clock: str, host: Host | None = None) -> Machine:
    copy = machine_of(clock, host)
    copy.memory.view[:] = original.memory.view
    snapshot.decode(snapshot.encode(original.records()), copy.records())
    copy.loaded()
    return copy


def run_to_end(machine: Machine) -> Stopped:
    for _ in range(100_000):
        outcome = machine.advance()
        if isinstance(outcome, Stopped):
            return outcome
    raise AssertionError("it does not come to an end")


def test_a_guest_restored_at_any_instruction_ends_as_the_one_that_went_on(tmp_path: Path) -> None:
    guest_programs.require_assembler()
    kernel = guest_programs.assemble("apic", tmp_path)
    rng = random_for("apic restored")
    whole = machine_of("virtual")
    whole.enter(load_multiboot(whole.memory, kernel, "", []))
    assert run_to_end(whole).exit_status == 1
    moving = machine_of("virtual")
    moving.enter(load_multiboot(moving.memory, kernel, "", []))
    for moment in sorted(rng.sample(range(whole.instructions), 40)):
        assert moving.run_until(moment) is None
        if moving.instructions == moment:  # not once the guest has nothing left to do
            restored = copied(moving, "virtual")
            assert digest(restored) == digest(moving)
            moving = restored
    assert run_to_end(moving).exit_status == 1
    assert moving.instructions == whole.instructions and digest(moving) == digest(whole)


def waiting(clock: str, host: Host, *, engine: str) -> Machine:
    """A guest that has set the timer to a million nanoseconds, and halts."""
    machine = machine_of(clock, host, engine=engine)
    stores = ((SVR, 0x1FF), (DIVIDE, 0xB), (LVT_TIMER, 0x40), (INITIAL, 1_000_000))
    code = b"".join(b"\xc7\x83" + at.to_bytes(4, "little") + value.to_bytes(4, "little") for at, value in stores)
    machine.memory.write(CODE, code + b"\xfb" + HLT + b"\x8b\x83" + CURRENT.to_bytes(4, "little") + b"\xfa" + HLT)
    machine.memory.write(0x2000 + 8 * 0x40, (0x0010_8E00 << 32 | 0x0008_0000 + 0x200).to_bytes(8, "little"))
    machine.memory.write(CODE + 0x200, b"\xcf")
    machine.memory.write(0x3008, bytes.fromhex("ffff0000009bcf00"))
    machine.enter(_entry())
    c = machine.processor.cpu
    c.gpr[EBX], c.idt_base, c.idt_limit, c.gpr[4] = 0xFEE0_0000, 0x2000, 0x7FF, 0x9000
    return machine


def _entry() -> Entry:
    return Entry(mode="flat32", eip=CODE, cs=8, data_selector=16, gdt_base=0x3000, gdt_limit=0xF)


def test_the_time_stamp_counter_runs_on_within_a_stretch_with_the_timer() -> None:
    """A kernel that measures one by the other gets one and the same."""
    machine = waiting("virtual", Host(), engine="native")
    stores = b"\xc7\x83" + DIVIDE.to_bytes(4, "little") + b"\x0b\0\0\0\xc7\x83" + INITIAL.to_bytes(4, "little")
    read = b"\x8b\xb3" + CURRENT.to_bytes(4, "little")  # mov esi, [ebx + CURRENT]
    machine.memory.write(CODE, stores + b"\xff\xff\xff\x7f\x0f\x31\x89\xc7" + b"\x90" * 50 + b"\x0f\x31" + read + HLT)
    while not isinstance(machine.advance(), Stopped):
        pass
    c = machine.processor.cpu
    assert c.gpr[EAX] - c.gpr[EDI] == 520 and 0x7FFF_FFFF - c.gpr[ESI] == 540


@pytest.mark.parametrize("engine", ENGINES)
def test_a_halted_guest_waits_on_the_host_for_its_timer_and_for_nothing_else(engine: str) -> None:
    host = Host()
    machine = waiting("real", host, engine=engine)
    machine.release()
    outcome = machine.advance()
    while outcome is None:
        outcome = machine.advance()
    assert isinstance(outcome, Idle) and outcome.wait_ns == 1_000_000
    host.now = 999_999
    outcome = machine.advance()
    assert isinstance(outcome, Idle) and outcome.wait_ns == 1 and machine.processor.cpu.halted
    host.now = 1_000_000
    assert isinstance(machine.advance(), Stopped)  # woken, it reads the count and halts for good
    assert (machine.processor.cpu.gpr[EAX], machine.processor.machine.interrupts) == (0, 1)
    assert "exits_interrupt" not in machine.stats(), "the host had no part in it"


def test_moved_in_the_middle_of_a_countdown_the_rest_passes_on_the_other_host() -> None:
    here, there = Host(), Host()
    source = waiting("real", here, engine="native")
    source.release()
    while source.advance() is None:
        pass
    here.now = 400_000
    source.hold()
    there.now = 77_000_000_000
    target = copied(source, "real", there)
    target.release()
    outcome = target.advance()
    assert isinstance(outcome, Idle) and outcome.wait_ns == 600_000
    there.now += 600_000
    assert isinstance(target.advance(), Stopped)
    assert not target.processor.cpu.flags & IF and target.processor.machine.interrupts == 1


def test_under_the_virtual_clock_idle_time_is_skipped_to_the_nanosecond() -> None:
    machine = waiting("virtual", Host(), engine="native")
    armed_at = 30  # three stores come before the fourth
    while not isinstance(machine.advance(), Stopped):
        pass
    assert machine.now - 1_000_000 - armed_at == 10 * 4, "IRET, MOV, CLI and HLT came after"
