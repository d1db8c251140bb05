"""One run of one program on one machine, timed from outside between its two lines on the serial port.

So neither the start of the machine nor the guest's own clock (which an emulator may bend) is part of the figure.
"""

import os
import re
import select
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

from tests.benchmarks.cpu.build import IMAGE
from tests.benchmarks.cpu.machines import GOOD, Guest, Machine, on_core
from tests.benchmarks.cpu.moments import Moment, Taken, between, moment_of
from tests.support.node_process import ROOT

MEMORY_MIB = 128
MOST_S = 900.0


class Failed(Exception):
    """The machine did not run the program, or ran it wrong."""


class NotAvailable(Exception):
    """The program says that this CPU lacks something."""


@dataclass(frozen=True, slots=True)
class Run:
    taken: Taken
    checksum: int = 0
    stats: dict[str, float] = field(default_factory=dict)  # of `limosa boot --stats`, for the whole run with its start

    @property
    def instructions_per_s(self) -> float | None:
        """The guest's start is in the count and not in the time: some hundred thousand of a thousand million."""
        executed = self.stats.get("instructions")
        return executed / self.taken.wall_s if executed else None


def run_program(machine: Machine, name: str, rounds: int, core: int) -> Run:
    guest = Guest(IMAGE, f"{name} n={rounds} exit=0", MEMORY_MIB)
    with tempfile.TemporaryFile() as errors:
        with on_core(core):
            process = subprocess.Popen(
                machine.command(guest), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT
            )
        console = _Console(process)
        try:
            began = console.wait_for(f"begin {name}\n")
            ended = console.wait_for(f"end {name} ")
            process.wait(console.time_left())
            rest = console.read_rest()
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    found = re.match(r"([0-9a-f]{8}) \d+\n", rest)
    if process.returncode != GOOD or found is None:
        raise Failed(f"{name} on {machine.name} ended with status {process.returncode}: {rest[-500:]}{said[-1500:]}")
    return Run(between(began, ended), int(found[1], 16), stats_in(said))


def stats_in(said: str) -> dict[str, float]:
    """The figures among what `limosa boot --stats` says: lines of a name and a number."""
    return {name: float(value) for name, value in re.findall(r"^(\w+) +([0-9.]+)$", said, re.MULTILINE)}


class _Console:
    """The serial output of a process; every wait has the same bound."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process, self._text = process, ""
        self._deadline = time.monotonic() + MOST_S

    def time_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def wait_for(self, text: str) -> Moment:
        """When `text` had arrived; what came before it is dropped."""
        while text not in self._text:
            if not self._read():
                raise self._ended()
        now = moment_of(self._process.pid)
        self._text = self._text.partition(text)[2]
        return now

    def read_rest(self) -> str:
        while self._read():
            pass
        return self._text

    def _read(self) -> bool:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], self.time_left())
        data = os.read(self._process.stdout.fileno(), 65536) if ready else b""
        self._text += data.decode(errors="replace").replace("\r", "")
        return bool(data)

    def _ended(self) -> Exception:
        absent = re.search(r"^\S+ not available: (.*)$", self._text, re.MULTILINE)
        if absent is not None:
            return NotAvailable(absent[1])
        return Failed(f"the guest ended or hung: {self._text[-500:]!r}")
