"""The machinery of the product: real machines of `node.vmm`, booted by the loaders of `node.boot`.

The only file of a node in which hosting meets emulation. It is also where guest time gets its clock: a machine is
handed the host's monotonic clock here, and nothing below reads one.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from node.boot.entry import BootError
from node.domain.boot_files import BiosFiles, BootFiles, load
from node.domain.machinery import GuestMachine, GuestStopped, GuestThread, Refused
from node.vmm.machine import Machine, MachineConfig, MachineError
from node.vmm.thread import MachineThread
from protos.common_pb2 import VmSpec


class NativeMachinery:
    def warm(self, cache: Path, progress: Callable[[str], None]) -> None:
        """Compile the interpreter, or load it from the cache."""

    def build(self, spec: VmSpec, boot: BootFiles | None, *, incoming: bool) -> GuestMachine:
        config = MachineConfig(
            memory_bytes=spec.memory_bytes,
            vmm=spec.vmm,
            clock=spec.clock,
            exit_port=spec.exit_port or None,
            wall_clock_unix_ns=time.time_ns(),
        )
        rom = boot.rom if isinstance(boot, BiosFiles) else b""
        try:
            machine = Machine(config, monotonic_ns=time.monotonic_ns, rom=rom)
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


MACHINERY = NativeMachinery()
