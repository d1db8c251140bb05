"""All the runs: for each program the machines take turns (A B A B …), so that a change in the host's load meets them
alike.

A wrong result is an error, not a figure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.cpu import debian
from tests.benchmarks.cpu.machines import Limosa, Machine, Qemu, limosa_knows, qemu_version
from tests.benchmarks.cpu.measure import Failed, NotAvailable, Run, run_program
from tests.benchmarks.cpu.programs import Program
from tests.benchmarks.cpu.summary import Row
from tests.support.debian import debian_image
from tests.support.native_cache import share_with

DEBIAN = "debian"
NO_JIT = "--no-jit"


@dataclass(frozen=True, slots=True)
class Campaign:
    """On which machines, how often, on which core of the host, and how much of each program."""

    machines: tuple[Machine, ...]
    repetitions: int
    core: int
    scale: float = 1.0

    def measure(self, program: Program) -> Row:
        rounds = max(1, round(program.rounds * self.scale))
        expected = program.checksum(rounds)
        row = self._row(program.name, program.kind)
        for _ in range(self.repetitions):
            for machine in self.machines:
                if machine.name in row.remarks:
                    continue
                try:
                    run = run_program(machine, program.name, rounds, self.core)
                except NotAvailable as lacks:
                    row.remarks[machine.name] = str(lacks)
                else:
                    row.runs[machine.name].append(_checked(run, expected, f"{program.name} on {machine.name}"))
        return row

    def measure_debian(self, scratch: Path, tell: Callable[[str], None]) -> list[Row]:
        """A row for the way to the shell and for each errand there; the machines take turns at every errand."""
        guest = debian.guest_of(debian_image(scratch / "image"), scratch)
        rows = {name: self._row(name, DEBIAN) for name in debian.ROWS}
        for repetition in range(self.repetitions):
            tell(f"{DEBIAN}: boot and errands, {repetition + 1} of {self.repetitions}")
            for name, machine, run in debian.run_debian(self.machines, guest, self.core):
                rows[name].runs[machine].append(run)
        return list(rows.values())

    def _row(self, name: str, kind: str) -> Row:
        return Row(name, kind, {machine.name: [] for machine in self.machines}, {})


def machines_here(scratch: Path) -> list[Machine]:
    """Ours first, with and without translation, each with a state directory of its own; QEMU where it is installed."""
    ours: list[Machine] = [Limosa(_state(scratch / "limosa"))]
    if limosa_knows(NO_JIT, scratch / "limosa"):
        ours.append(Limosa(_state(scratch / "no-jit"), (NO_JIT,), "no-jit"))
    return [*ours, Qemu()] if qemu_version() is not None else ours


def _state(directory: Path) -> Path:
    """It has the compiled interpreter and nothing else."""
    directory.mkdir(parents=True)
    share_with(directory)
    return directory


def _checked(run: Run, expected: int, what: str) -> Run:
    if run.checksum != expected:
        raise Failed(f"{what} computed {run.checksum:08x}; the host computed {expected:08x}")
    return run
