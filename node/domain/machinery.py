"""What a domain process needs of a machine, and where it gets one: the seam between hosting and emulation.

The template process is told on its command line which `Machinery` to load (`module:attribute`); the product's is
`node.domain.native:MACHINERY`, which is the only one that knows `node.vmm` and `node.boot`. Everything else in
`node.domain` works through these interfaces, so that a domain's protocol, lifecycle and migration are tested over an
in-memory twin within milliseconds.

Threads: `GuestThread` runs the guest in a thread of its own and calls `on_stopped`, `on_first_instruction` and
`console.subscribe` there; every method here is called from the domain's event loop.
"""

import importlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, cast

import numpy.typing as npt

from node.devices.ports import NOBODY_LISTENS, Listeners
from node.domain.boot_files import BootFiles
from node.memory.ram import GuestMemory, PageNumbers
from protos.common_pb2 import VmSpec

Progress = Callable[[float, str], None]  # share done, from 0 to 1; what is being done
Records = Mapping[str, npt.NDArray[Any]]


class Refused(Exception):
    """The domain will not do what it was asked; `kind` is that of protos/domain.proto's Error."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Console(Protocol):
    """What the guest wrote to its first serial port: the last 64 KiB, at absolute offsets."""

    on_write: Callable[[], None] | None

    @property
    def total(self) -> int: ...
    def read(self, from_offset: int) -> tuple[int, bytes]: ...


class GuestMachine(Protocol):
    """A machine as its host sees it; nothing here executes guest code."""

    @property
    def memory(self) -> GuestMemory: ...
    @property
    def console(self) -> Console: ...
    @property
    def instructions(self) -> int: ...
    @property
    def now(self) -> int: ...
    def records(self) -> Records: ...
    def loaded(self) -> None: ...
    def start_tracking(self) -> None: ...
    def stop_tracking(self) -> None: ...
    def collect_dirty(self) -> PageNumbers: ...
    def stats(self) -> dict[str, int]: ...


class GuestStopped(Protocol):
    """Why the guest will not run on: "halted", "exit", "reset", "triple-fault" or "error"."""

    @property
    def kind(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def exit_status(self) -> int: ...


class GuestThread(Protocol):
    """The one thread in which the guest's instructions are executed."""

    def start(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def stop(self) -> None: ...
    def held(self) -> AbstractContextManager[object]: ...
    def serial_input(self, data: bytes) -> None: ...


class Machinery(Protocol):
    """Makes machines."""

    def load(self, cache: Path, progress: Progress) -> None:
        """Do whatever takes long, and keep its result in `cache`."""
        ...

    def warm(self, cache: Path, progress: Progress, *, precompiled: Path | None = None) -> None:
        """The same once for many machines, before any fork, with all that only a first machine would take time for;
        start no thread.

        `precompiled`: results that came with the program, only read."""
        ...

    def build(
        self, spec: VmSpec, boot: BootFiles | None, *, incoming: bool, listeners: Listeners = NOBODY_LISTENS
    ) -> GuestMachine:
        """A machine of that spec; unless `incoming`, booted: ready to execute its first instruction. `listeners` are
        told in the guest's thread what it writes to ports.

        Raises Refused with a sentence for a specification or a file that makes no machine."""
        ...

    def thread(
        self,
        machine: GuestMachine,
        on_stopped: Callable[[GuestStopped], None],
        on_first_instruction: Callable[[], None],
    ) -> GuestThread: ...


def load(name: str) -> Machinery:
    """The machinery called `module:attribute`."""
    module, _, attribute = name.partition(":")
    return cast(Machinery, getattr(importlib.import_module(module), attribute))
