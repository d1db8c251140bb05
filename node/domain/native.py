"""The machinery of the product: real machines of `node.vmm`, booted by the loaders of `node.boot`.

The only file of a node in which hosting meets emulation. It is also where guest time gets its clock: a machine is
handed the host's monotonic clock here, and nothing below reads one.
"""

import ctypes
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from node.boot.entry import BootError
from node.devices.ports import NOBODY_LISTENS, Listeners
from node.domain.boot_files import BiosFiles, BootFiles, MultibootFiles, load
from node.domain.machinery import GuestMachine, GuestStopped, GuestThread, Progress, Refused
from node.domain.processors import DEFAULT_CPU
from node.guests.builtin import builtin_kernel
from node.jit import native
from node.jit.object_cache import CompileFailed
from node.jit.regions.settings import Settings
from node.migration import digest, snapshot
from node.vmm.machine import Machine, MachineConfig, MachineError
from node.vmm.thread import MachineThread
from protos.common_pb2 import VmSpec

SWITCH_S = 0.001  # the guest's thread, coming back from native code, waits no longer for the translator's
CLOCK_GETTIME, PPOLL = (
    ctypes.cast(function, ctypes.c_void_p).value or 0
    for function in (ctypes.CDLL(None).clock_gettime, ctypes.CDLL(None).ppoll)
)
REHEARSAL_BYTES = 8 << 20
REHEARSAL_INSTRUCTIONS = 10_000
VIRTUAL_EPOCH_UNIX_NS = 1_767_225_600 * 1_000_000_000  # 2026-01-01: what the RTC shows when a virtual clock begins


class NativeMachinery:
    def __init__(self, *, translate: bool) -> None:
        self._translate = translate
        self._engine: native.NativeEngine | None = None

    def load(self, cache: Path, progress: Progress) -> None:
        """Load the compiled interpreter from the cache; compile it first if it is not there."""
        self._begin_translating(self._loaded(cache, progress, None))

    def warm(self, cache: Path, progress: Progress, *, precompiled: Path | None = None) -> None:
        engine = self._loaded(cache, progress, precompiled)
        self._rehearse()  # without a translator: that has a thread, and memory that no fork may share
        self._begin_translating(engine)
        if self._translate:
            engine.unpack()

    def _loaded(self, cache: Path, progress: Progress, precompiled: Path | None) -> native.NativeEngine:
        try:
            self._engine = native.load(cache, progress, precompiled=precompiled)
        except CompileFailed as error:
            raise Refused("internal", str(error)) from error
        return self._engine

    def _begin_translating(self, engine: native.NativeEngine) -> None:
        if self._translate:
            engine.translate(Settings())
            sys.setswitchinterval(SWITCH_S)

    def _rehearse(self) -> None:
        """Build, run and save a machine once: what happens at a first time only (in Python, numpy, the linker) is then
        done before the fork, and in nobody's downtime."""
        spec = VmSpec(memory_bytes=REHEARSAL_BYTES, vmm="native", clock="virtual")
        boot = MultibootFiles(builtin_kernel(), "idle", ())
        machine = self.build(spec, boot, incoming=False)
        assert isinstance(machine, Machine)
        machine.run_until(REHEARSAL_INSTRUCTIONS)
        machine.start_tracking()
        machine.collect_dirty()
        state = snapshot.encode(machine.records())
        snapshot.decode(state, machine.records())
        digest.combine(machine.memory, digest.chunk_digests(machine.memory), state)
        machine.loaded()
        machine.memory.close()

    def build(
        self, spec: VmSpec, boot: BootFiles | None, *, incoming: bool, listeners: Listeners = NOBODY_LISTENS
    ) -> GuestMachine:
        assert self._engine is not None, "load or warm comes before build"
        self._engine.fork_compiler()
        config = MachineConfig(
            memory_bytes=spec.memory_bytes,
            vmm=spec.vmm,
            cpu=spec.cpu or DEFAULT_CPU,
            clock=spec.clock,
            exit_port=spec.exit_port or None,
            wall_clock_unix_ns=_wall_clock(spec.clock),
        )
        rom = boot.rom if isinstance(boot, BiosFiles) else b""
        try:
            machine = Machine(
                config,
                engine=self._engine,
                monotonic_ns=time.monotonic_ns,
                host_clock=CLOCK_GETTIME,
                host_wait=PPOLL,
                rom=rom,
                listeners=listeners,
            )
            if boot is not None and not incoming:
                machine.enter(load(machine.memory, boot))
        except (MachineError, BootError) as error:
            raise Refused("invalid-argument", str(error)) from error
        return machine

    def thread(
        self,
        machine: GuestMachine,
        on_stopped: Callable[[GuestStopped], None],
        on_first_instruction: Callable[[], None],
    ) -> GuestThread:
        return MachineThread(cast(Machine, machine), on_stopped, on_first_instruction)


def _wall_clock(clock: str) -> int:
    """Under the virtual clock a run is a function of its input, so it must not learn the host's date."""
    return VIRTUAL_EPOCH_UNIX_NS if clock == "virtual" else time.time_ns()


MACHINERY = NativeMachinery(translate=True)
INTERPRETER = NativeMachinery(translate=False)
