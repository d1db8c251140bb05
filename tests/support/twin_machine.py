"""A machine without a processor: its memory, console and end are functions of how many instructions it has run.

The kernel file is its program, words on one line:

    tick=N      prints "tick K" each N instructions
    dirty=N     writes one word of a page each N instructions: page K mod `pages` of the second MiB gets K + 1
    pages=N     how many pages `dirty` goes round (default 16)
    rate=N      instructions a millisecond (default 1000)
    off=N       powers off at instruction N          exit=V@N    writes V to the debug-exit port at N
    fault=N     triple fault at N                    segv=N      takes its whole process down at N
    echo        prints what is typed, in angle brackets
    count       prints how many bytes were typed in all

All of its state is in its records, as a real machine's is: snapshot, migration and digest are over true data. It runs
in a thread of its own, in slices; `held` and `pause` take the same lock as a slice.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from node.devices.ports import NOBODY_LISTENS, Listeners
from node.domain.boot_files import BootFiles, LinuxFiles
from node.domain.machinery import GuestMachine, GuestStopped, Progress, Refused
from node.memory.ram import PAGE, GuestMemory, PageNumbers
from protos.common_pb2 import VmSpec

CPU = np.dtype([("instructions", "u8"), ("now", "u8"), ("program", "u1", (128,))])
CONSOLE = np.dtype([("total", "u8"), ("kept", "u1", (65536,))])
INPUT = np.dtype([("waiting", "u1", (256,)), ("count", "u8")])
WORK_AT = 1 << 20
SLICE_S = 0.001


def put(field: npt.NDArray[np.uint8], text: bytes) -> None:
    """Into a field of one record, zero-padded."""
    field[0] = np.frombuffer(text.ljust(field.shape[1], b"\0"), np.uint8)


def taken(field: npt.NDArray[np.uint8]) -> bytes:
    return bytes(field[0]).rstrip(b"\0")


@dataclass(frozen=True, slots=True)
class Stopped:
    kind: str
    text: str
    exit_status: int = 0


class TwinConsole:
    def __init__(self) -> None:
        self.record = np.zeros(1, CONSOLE)
        self.on_write: Callable[[], None] | None = None

    @property
    def total(self) -> int:
        return int(self.record[0]["total"])

    def write(self, data: bytes) -> None:
        size = self.record["kept"].shape[1]
        for byte in data:
            self.record["kept"][0, self.total % size] = byte
            self.record["total"][0] += 1
        if self.on_write is not None:
            self.on_write()

    def read(self, from_offset: int) -> tuple[int, bytes]:
        kept = self.record["kept"][0]
        first = max(from_offset, self.total - len(kept))
        return first, bytes(kept[np.arange(first, self.total) % len(kept)])


class TwinMachine:
    def __init__(self, memory_bytes: int, program: str) -> None:
        self.memory = GuestMemory(memory_bytes)
        self.console = TwinConsole()
        self.cpu = np.zeros(1, CPU)
        put(self.cpu["program"], program.encode())
        self.typed = np.zeros(1, INPUT)

    @property
    def instructions(self) -> int:
        return int(self.cpu[0]["instructions"])

    @property
    def now(self) -> int:
        return int(self.cpu[0]["now"])

    def records(self) -> dict[str, npt.NDArray[Any]]:
        return {"cpu": self.cpu, "console": self.console.record, "input": self.typed}

    def loaded(self) -> None:
        self.memory.code[:] = 0

    def start_tracking(self) -> None:
        self.memory.clear_dirty()
        self.memory.tracking = True

    def stop_tracking(self) -> None:
        self.memory.tracking = False

    def collect_dirty(self) -> PageNumbers:
        pages = self.memory.dirty_pages()
        self.memory.clear_dirty()
        return pages

    def stats(self) -> dict[str, int]:
        """It has no TLB, and leaves its guest for the console only: once a byte."""
        return {"instructions": self.instructions, "tlb_misses": 0, "exits_console": self.console.total}

    def take_input(self, data: bytes) -> None:
        """For `echo` the last bytes, for `count` their number."""
        self.typed["count"] += np.uint64(len(data))
        waiting = self.typed["waiting"]
        put(waiting, (taken(waiting) + data)[-waiting.shape[1] :])

    def step(self, instructions: int) -> Stopped | None:
        """Run that many; or fewer, to the one at which the guest stops."""
        program = Program.read(taken(self.cpu["program"]).decode())
        for _ in range(instructions):
            self.cpu["instructions"] += np.uint64(1)
            self.cpu["now"] += np.uint64(1000)
            stopped = program.act(self, self.instructions)
            if stopped is not None:
                return stopped
        return None


@dataclass(frozen=True, slots=True)
class Program:
    words: Mapping[str, str]

    @classmethod
    def read(cls, text: str) -> "Program":
        pairs = (word.partition("=") for word in text.split())
        return cls({word: value or "1" for word, _, value in pairs})

    def number(self, word: str, default: int = 0) -> int:
        return int(self.words.get(word, default))

    def act(self, machine: TwinMachine, n: int) -> Stopped | None:
        tick, dirty = self.number("tick"), self.number("dirty")
        if tick and n % tick == 0:
            machine.console.write(f"tick {n // tick}\n".encode())
        if dirty and n % dirty == 0:
            k = n // dirty
            at = WORK_AT + k % self.number("pages", 16) * PAGE
            machine.memory.write(at, (k + 1).to_bytes(8, "little"))
        if "echo" in self.words and (typed := taken(machine.typed["waiting"])):
            machine.console.write(b"<" + typed + b">\n")
            put(machine.typed["waiting"], b"")
        if "count" in self.words and n % 100 == 0:
            machine.console.write(f"{machine.typed[0]['count']}\n".encode())
        return self.end(n)

    def end(self, n: int) -> Stopped | None:
        value, _, when = self.words.get("exit", "0@0").partition("@")
        if n == self.number("segv"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if n == self.number("off"):
            return Stopped("halted", "powered off")
        if n == int(when):
            return Stopped("exit", f"debug exit {value}", int(value))
        if n == self.number("fault"):
            return Stopped("triple-fault", "triple fault")
        return None


class TwinThread:
    def __init__(
        self, machine: TwinMachine, on_stopped: Callable[[Stopped], None], on_first: Callable[[], None] | None
    ) -> None:
        self._machine = machine
        self._on_stopped = on_stopped
        self._on_first = on_first
        self._lock = threading.RLock()
        self._go = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._go.set()
        self._thread.start()

    def pause(self) -> None:
        self._go.clear()
        with self._lock:
            pass

    def resume(self) -> None:
        self._go.set()

    def stop(self) -> None:
        self._ending = True
        self._go.set()
        self._thread.join()

    def held(self) -> AbstractContextManager[Any]:
        return self._lock

    def serial_input(self, data: bytes) -> None:
        with self._lock:
            self._machine.take_input(data)

    def _run(self) -> None:
        rate = Program.read(taken(self._machine.cpu["program"]).decode()).number("rate", 1000)
        while True:
            self._go.wait()
            with self._lock:
                if self._ending:
                    return
                stopped = self._machine.step(rate) if self._go.is_set() else None
            if self._on_first is not None and self._machine.instructions:
                self._on_first()
                self._on_first = None
            if stopped is not None:
                self._on_stopped(stopped)
                return
            time.sleep(SLICE_S)


class TwinMachinery:
    """node.domain.machinery.Machinery over twins."""

    def load(self, cache: Path, progress: Progress) -> None:
        self.warm(cache, progress)

    def warm(self, cache: Path, progress: Progress, *, precompiled: Path | None = None) -> None:
        progress(1.0, "nothing to compile in a twin")

    def build(
        self, spec: VmSpec, boot: BootFiles | None, *, incoming: bool, listeners: Listeners = NOBODY_LISTENS
    ) -> TwinMachine:
        if incoming or boot is None:
            return TwinMachine(spec.memory_bytes, "")
        assert isinstance(boot, LinuxFiles)
        program = boot.kernel.decode()
        if program.startswith("bad"):
            raise Refused("invalid-argument", "the kernel is no program of the twin")
        return TwinMachine(spec.memory_bytes, program)

    def thread(
        self,
        machine: GuestMachine,
        on_stopped: Callable[[GuestStopped], None],
        on_first_instruction: Callable[[], None],
    ) -> TwinThread:
        assert isinstance(machine, TwinMachine)
        return TwinThread(machine, on_stopped, on_first_instruction)


MACHINERY = TwinMachinery()
