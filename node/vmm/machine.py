"""CPU, memory, devices, clock and console assembled from a frozen configuration; and the loop that lets them meet.

`advance` runs one stretch of guest execution: bring the devices to guest time, run up to the next deadline, serve
exits.
Nothing here waits, reads a clock or starts a thread (see `thread.py`).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from node.boot.entry import Entry
from node.devices.io_apic import Message
from node.devices.platform import Platform, PlatformConfig
from node.devices.ports import NOBODY_LISTENS, Listeners
from node.devices.requests import Exit, Reset
from node.ia32 import apic_interrupts, apic_messages, apic_timer
from node.ia32 import reset as ia32_reset
from node.ia32.apic_registers import NEVER, version_of
from node.ia32.memory_types import set_as_firmware_does
from node.ia32.models import DEFAULT, MODELS
from node.ia32.processor import Engine, Processor
from node.ia32.semantics.x87_state import ferr
from node.ia32.state import (
    EAX,
    EBX,
    ESI,
    ESP,
    EXIT_EOI,
    EXIT_HALT,
    EXIT_INIT,
    EXIT_INTERRUPT,
    EXIT_IO,
    EXIT_MEMORY,
    EXIT_NAMES,
    EXIT_NONE,
    EXIT_SHUTDOWN,
    IF,
    M32,
)
from node.memory.ram import PAGE, GuestMemory, PageNumbers
from node.vmm.bell import Bell
from node.vmm.clock import clock_named
from node.vmm.console import ConsoleLog
from node.vmm.mode import MODES
from node.vmm.mp_table import put_mp_table
from node.vmm.shadow_ram import FIRST_PAGE, page_attributes

MIB = 1 << 20
MEMORY_BYTES_MIN, MEMORY_BYTES_MAX = 1 * MIB, 3072 * MIB
EXITS_A_STRETCH = 256  # so that whoever waits for the machine need not wait long
LINT0 = 0  # the local APIC's pin to which the PIC's INTR leads
A20_OPEN, A20_CLOSED = M32, 0xFFEF_FFFF


class MachineError(ValueError):
    """A configuration that makes no machine; one sentence for the user."""


@dataclass(frozen=True, slots=True)
class MachineConfig:
    memory_bytes: int
    vmm: str = "native"
    cpu: str = DEFAULT.name
    clock: str = "real"
    exit_port: int | None = None
    wall_clock_unix_ns: int = 0

    def check(self) -> None:
        if self.memory_bytes % PAGE or not MEMORY_BYTES_MIN <= self.memory_bytes <= MEMORY_BYTES_MAX:
            raise MachineError(
                f"memory size {self.memory_bytes} bytes: a machine has 1 MiB to 3072 MiB, in whole pages"
            )
        if self.vmm not in MODES:
            raise MachineError(f"unknown VMM mode {self.vmm!r}: there is {', '.join(sorted(MODES))}")
        if self.cpu not in MODELS:
            raise MachineError(f"unknown processor model {self.cpu!r}: there is {', '.join(MODELS)}")
        if self.clock not in ("real", "virtual"):
            raise MachineError(f"unknown clock {self.clock!r}: there is real and virtual")
        if self.exit_port is not None and not 0 < self.exit_port <= 0xFFFC:
            raise MachineError(f"exit port {self.exit_port:#x} is not an I/O port with four more behind it")


@dataclass(frozen=True, slots=True)
class Stopped:
    """The guest will not run on. `kind`: halted, exit, reset, triple-fault, error."""

    kind: str
    text: str
    exit_status: int = 0


SHUT_DOWN = Stopped("triple-fault", "the guest's processor shut down: a fault while a double fault was being delivered")


@dataclass(frozen=True, slots=True)
class Idle:
    """Halted until a device has something to say: wait this long, or until input arrives."""

    wait_ns: int


class Machine:
    """One machine. Not thread-safe: `thread.MachineThread` decides who may touch it when."""

    def __init__(
        self,
        config: MachineConfig,
        *,
        engine: Engine,
        monotonic_ns: Callable[[], int],
        host_clock: int = 0,
        host_wait: int = 0,
        rom: bytes = b"",
        listeners: Listeners = NOBODY_LISTENS,
    ) -> None:
        """`host_clock`: address of a function like clock_gettime(2) that tells what `monotonic_ns` does, for native
        code; 0: it is asked here, after each slice. `host_wait`: of one like ppoll(2), by which native code waits when
        the guest halts; 0: `advance` tells how long. `listeners` are called in the thread that runs the machine."""
        config.check()
        self.config = config
        self.memory = GuestMemory(config.memory_bytes, rom)
        self.console = ConsoleLog()
        self.mode = MODES[config.vmm]()
        self.processor = Processor(self.memory, engine, MODELS[config.cpu])
        self.clock = clock_named(config.clock, monotonic_ns, self.processor.machine)
        self._bell = Bell()
        if not self.clock.exact:
            self.processor.machine.host_clock = host_clock
            self.processor.machine.host_wait = host_wait
            self.processor.machine.bell = self._bell.descriptor
        self.processor.machine.tsc_per_instruction = self.clock.tsc_per_instruction
        settings = PlatformConfig(config.memory_bytes, config.exit_port, config.wall_clock_unix_ns)
        self.platform = Platform(
            settings, self.memory, self.console.write, send=self._interrupt_message, listeners=listeners
        )
        self.exits: Counter[str] = Counter()
        self._asked_for = False
        self._input = bytearray()
        ia32_reset.reset(self.processor.cpu, self.processor.machine)
        self._follow_a20()

    def enter(self, entry: Entry) -> None:
        """Take the state that a loader prepared, once, before the machine runs."""
        c, m = self.processor.cpu, self.processor.machine
        if entry.mode == "flat32":
            self.platform.write(0x92, 1, 2, 0)  # fast A20: the boot protocols promise it open
            set_as_firmware_does(c, m)
            put_mp_table(self.memory, self.processor.model, version_of(m))
            ia32_reset.enter_flat32(c, m, entry.cs, entry.data_selector, entry.eip)
            c.gpr[EAX], c.gpr[EBX], c.gpr[ESI], c.gpr[ESP] = entry.eax, entry.ebx, entry.esi, entry.esp
            c.gdt_base, c.gdt_limit = entry.gdt_base, entry.gdt_limit
        self._follow_a20()
        self.processor.drop_derived()

    @property
    def instructions(self) -> int:
        return int(self.processor.cpu.instructions)

    @property
    def now(self) -> int:
        return self.clock.now(self.instructions)

    def release(self) -> None:
        self.clock.release(self.instructions)

    def hold(self) -> None:
        self.clock.hold(self.instructions)

    def ask(self) -> None:
        """Somebody wants the machine: end the stretch at the next exit. Callable while the guest executes."""
        self._asked_for = True
        self.processor.machine.wanted = 1
        self._bell.ring()

    def answer(self) -> None:
        """Nobody does any longer."""
        if self._asked_for:
            self._asked_for = False
            self._bell.silence()

    def serial_input(self, data: bytes) -> None:
        """Bytes for COM1; what the UART's queue cannot take yet waits here for the next stretch."""
        self._input += data

    def advance(self) -> Stopped | Idle | None:
        """One stretch of execution; None: there is more to do at once."""
        for _ in range(EXITS_A_STRETCH):
            now = self.clock.tell(self.instructions)
            if self._input:
                del self._input[: self.platform.serial_input(bytes(self._input), now)]
            self._tick(now)
            outcome = self._serve(self._run(now))
            if outcome is not None or self._asked_for:
                return outcome
        return None

    def run_until(self, instructions: int) -> Stopped | None:
        """Virtual clock only: until exactly so many instructions have been executed since reset, or none will come."""
        while self.instructions < instructions:
            now = self.clock.tell(self.instructions)
            self._tick(now)
            outcome = self._serve(self._run(now, instructions - self.instructions))
            if outcome is not None:  # stopped, or idle with nothing planned: no instruction will come
                return outcome if isinstance(outcome, Stopped) else None
        return None

    def _tick(self, now: int) -> None:
        """Bring every interrupt line to `now`."""
        self.platform.tick(now)
        c = self.processor.cpu
        if now >= c.apic_due:
            apic_timer.expire(c, self.processor.machine, now)

    def _deadline(self) -> int:
        """The earliest guest time at which `_tick` has something to do."""
        return min(self._devices_due(), int(self.processor.cpu.apic_due))

    def _devices_due(self) -> int:
        due = self.platform.deadline()
        return NEVER if due is None else due

    def _interrupt_message(self, message: Message) -> bool:
        c, m = self.processor.cpu, self.processor.machine
        if not apic_messages.is_addressed(c, m, message.destination, message.logical):
            return False
        return bool(apic_messages.receive(c, m, message.mode, message.vector, message.level))

    def _run(self, now: int, most: int = 1 << 40) -> int:
        """Native code up to the next deadline; returns the exit reason."""
        m = self.processor.machine
        m.ferr = ferr(self.processor.cpu)
        self.platform.ferr(bool(m.ferr))
        intr = 1 if self.platform.intr else 0
        if self.processor.cpu.apic_pins & 1 != intr:
            apic_interrupts.drive(self.processor.cpu, m, LINT0, intr)
        m.tsc_start = self.processor.cpu.instructions
        m.tsc_now = now
        budget = self.clock.budget(now, self._deadline(), self.instructions)
        self.mode.lend_ports(self.processor, self.platform, exact=self.clock.exact)
        exit_reason = self._execute(min(most, budget))
        self.mode.collect_ports(self.processor, self.platform)
        return exit_reason

    def _execute(self, budget: int) -> int:
        m = self.processor.machine
        if m.host_clock == 0:
            return self.processor.run(budget)
        m.devices_due = self._devices_due()
        m.wanted = 0
        if self._asked_for:  # looked at afterwards, so that nobody is missed who asks at this moment
            m.wanted = 1
        return self.processor.run_slices(budget)

    def _serve(self, exit_reason: int) -> Stopped | Idle | None:
        self.exits[EXIT_NAMES[exit_reason]] += 1
        if exit_reason == EXIT_IO:
            return self._port_access()
        if exit_reason == EXIT_MEMORY:
            return self._memory_access()
        if exit_reason == EXIT_INTERRUPT:
            self.processor.engine.deliver_interrupt(self.platform.acknowledge())
            if self.processor.machine.exit == EXIT_SHUTDOWN:  # no handler could be entered, not even #DF's
                return SHUT_DOWN
        elif exit_reason == EXIT_HALT:
            return self._halted()
        elif exit_reason == EXIT_EOI:
            self.platform.end_of_interrupt(self.processor.machine.eoi_vector)
        elif exit_reason == EXIT_SHUTDOWN:
            return SHUT_DOWN
        elif exit_reason == EXIT_INIT:
            return Stopped("reset", "the guest reset the machine (INIT by its local APIC)")
        return None

    def _port_access(self) -> Stopped | None:
        self.mode.port_access(self.processor, self.platform, self.clock.tell(self.instructions))
        ended = self.processor.run(1)  # finish the instruction now: its answer is not part of the machine's state
        if self.memory.code_written:
            self.processor.host_wrote_code()
        self._follow_a20()
        if self.platform.pam_written():
            self._follow_pam()
        request = self.platform.take_request()
        if isinstance(request, Exit):
            return Stopped(
                "exit", f"the guest wrote {request.value:#x} to the debug-exit port", (request.value << 1 | 1) & 0xFF
            )
        if isinstance(request, Reset):
            return Stopped("reset", f"the guest reset the machine ({request.reason})")
        return self._finish(ended)

    def _memory_access(self) -> Stopped | None:
        """A read is answered at once, for the reason above; the instruction may go on to another one."""
        again = self.processor.machine.posted == 0
        self.mode.memory_access(self.processor, self.platform, self.clock.tell(self.instructions))
        return self._finish(self.processor.run(1)) if again else None

    def _finish(self, ended: int) -> Stopped | None:
        """After the second half of an access: whatever the rest of the instruction asks for."""
        if ended == EXIT_NONE:
            return None
        outcome = self._serve(ended)
        assert not isinstance(outcome, Idle), "an instruction that accesses a device does not halt"
        return outcome

    def _halted(self) -> Stopped | Idle | None:
        """HLT ends with an interrupt; with interrupts disabled nothing can end it: the guest has switched itself
        off."""
        if not self.processor.cpu.flags & IF:
            return Stopped("halted", "the guest halted with interrupts disabled: it is switched off")
        if self.processor.machine.host_wait:
            return None  # it rests in native code, next time that it runs
        self.processor.machine.halts += 1
        deadline = self._deadline()
        if deadline == NEVER:
            return Idle(1_000_000_000)
        wait_ns = self.clock.idle_until(deadline, self.instructions)
        return Idle(wait_ns) if wait_ns else None

    def _follow_a20(self) -> None:
        mask = A20_OPEN if self.platform.a20 else A20_CLOSED
        if self.processor.cpu.a20_mask != mask:
            self.processor.cpu.a20_mask = mask
            self.processor.engine.flush_all()

    def _follow_pam(self) -> None:
        self.processor.map_shadow(FIRST_PAGE, page_attributes(self.platform.pam))

    # What migration needs

    def records(self) -> dict[str, npt.NDArray[Any]]:
        """Every bit of state outside memory, live, in its canonical form; the guest must not be executing."""
        self.processor.engine.materialise()
        devices = self.platform.records()
        return {"cpu": self.processor.cpu_array, "clock": self.clock.array, "console": self.console.array, **devices}

    def loaded(self) -> None:
        """The records or memory were overwritten."""
        self._follow_pam()
        self.platform.overwritten()
        self.processor.drop_derived()

    def start_tracking(self) -> None:
        self.memory.clear_dirty()
        self.processor.protect_memory()

    def stop_tracking(self) -> None:
        """Marking goes on: it costs one slow store a page after each flush, and nobody looks."""

    def collect_dirty(self) -> PageNumbers:
        """Backing pages written since the last collection (or `start_tracking`); the guest must not be executing."""
        pages = self.memory.dirty_pages()
        self.start_tracking()
        return pages

    def stats(self) -> dict[str, int]:
        """What has been counted since this machine was built; callable while the guest executes."""
        m = self.processor.machine
        return {
            "instructions": self.instructions,
            "tlb_misses": int(m.tlb_misses),
            "blocks_decoded": int(m.blocks_decoded),
            "code_writes": int(m.code_writes),
            "exceptions": int(m.exceptions),
            "interrupts": int(m.interrupts),
            "halts": int(m.halts),
            **self.processor.engine.stats(),
            **{f"exits_{name}": count for name, count in sorted(dict(self.exits).items())},
        }
