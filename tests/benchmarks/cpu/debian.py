"""Stock Debian on both machines: from the command to the shell, then errands in the guest, whose results are checked.

Both boot the same uncompressed kernel (unpacked on the host, so that no machine is measured by xz), which QEMU enters
as a PVH guest; the same initramfs and command line; and no network, no disk.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.boot.linux import unpack_linux
from storage.local import LocalImage
from tests.benchmarks.cpu.machines import Guest, Limosa, Machine, on_core
from tests.benchmarks.cpu.measure import Failed, Run
from tests.benchmarks.cpu.moments import Moment, between, moment_of
from tests.benchmarks.cpu.turns import at_work, go_on, hold
from tests.support.foreground_guest import COMPILED_S, PROMPT
from tests.support.node_process import ROOT
from tests.support.scripted_guest import ScriptedGuest

MEMORY_MIB = 256
ERRAND_S = 600.0
AGAIN = 3
HASHED_MIB, LINES, AWK_TURNS, TURNS, FORKS = 32, 400_000, 300_000, 200_000, 300
SERIAL_BOOT = "first line to shell"
BOOT = "command to shell"


@dataclass(frozen=True, slots=True)
class Errand:
    """`command` is timed; afterwards `check` prints `expected()`, which the host computes."""

    name: str
    prepare: str
    command: str
    check: str
    expected: Callable[[], str]


def _hashed() -> str:
    return hashlib.sha256(bytes(HASHED_MIB << 20)).hexdigest()


def _lines() -> str:
    return hashlib.sha256("".join(f"{number}\n" for number in range(1, LINES + 1)).encode()).hexdigest()


def _awk() -> str:
    value = 0
    for i in range(AWK_TURNS):
        value = (value * 31 + i) % 65521
    return str(value)


ERRANDS = (
    Errand(
        "sha256sum",
        f"dd if=/dev/zero of=/tmp/z bs=1M count={HASHED_MIB} 2>/dev/null",
        "sha256sum </tmp/z >/tmp/result",
        "cut -d' ' -f1 /tmp/result; rm /tmp/z",
        _hashed,
    ),
    Errand(
        "gzip",
        f"seq 1 {LINES} >/tmp/lines",
        "gzip </tmp/lines >/tmp/packed",
        "gunzip </tmp/packed | sha256sum | cut -d' ' -f1",
        _lines,
    ),
    Errand(
        "awk",
        "true",
        f"awk 'BEGIN {{ for (i = 0; i < {AWK_TURNS}; i++) s = (s * 31 + i) % 65521; print s }}' >/tmp/result",
        "cat /tmp/result",
        _awk,
    ),
    Errand(
        "shell loop",
        "true",
        f"i=0; while [ $i -lt {TURNS} ]; do i=$((i+1)); done",
        "echo $i",
        lambda: str(TURNS),
    ),
    Errand(
        "fork and exec",
        "true",
        f"i=0; while [ $i -lt {FORKS} ]; do /bin/busybox expr $i + 1 >/tmp/result; i=$((i+1)); done",
        "cat /tmp/result",
        lambda: str(FORKS),
    ),
)


def again(errand: Errand) -> str:
    """Its row for the next times in a boot, when either machine has translated what it is going to."""
    return f"{errand.name}, again"


ROWS = (BOOT, SERIAL_BOOT, *(row for errand in ERRANDS for row in (errand.name, again(errand))))


def guest_of(image: LocalImage, directory: Path) -> Guest:
    """The image's kernel unpacked into `directory`, and what else it boots with."""
    kernel = directory / "vmlinux"
    kernel.write_bytes(unpack_linux(image.kernel.read_bytes()))
    return Guest(kernel, image.command_line, MEMORY_MIB, image.initrd)


def run_debian(machines: Sequence[Machine], guest: Guest, core: int) -> list[tuple[str, str, Run]]:
    """Row, machine and run, timed from outside: a boot of each machine, then each errand, once and AGAIN times, on each
    of them in turn.

    All but the one at work stand still, so that an errand is a second or two from the other machine's, and meets the
    same host: whole boots in turn, of a minute each, did not."""
    runs: list[tuple[str, str, Run]] = []
    shells: dict[str, ScriptedGuest] = {}
    with ExitStack() as stack:
        for machine in machines:
            shells[machine.name], to_shell = stack.enter_context(_booted(machine, guest, core))
            runs += [(row, machine.name, run) for row, run in to_shell.items()]
            hold(shells[machine.name].process.pid)
        for errand in ERRANDS:
            for row in (errand.name, *(AGAIN * (again(errand),))):
                for name, shell in shells.items():
                    with at_work(shell.process.pid):
                        runs.append((row, name, _run(errand, shell)))
        for machine in machines:
            if isinstance(machine, Limosa):  # so that it keeps what it has translated
                _switch_off(shells[machine.name])
    return runs


@contextmanager
def _booted(machine: Machine, guest: Guest, core: int) -> Iterator[tuple[ScriptedGuest, dict[str, Run]]]:
    began = Moment(time.monotonic(), 0.0)
    with on_core(core):
        shell = ScriptedGuest(machine.command(guest), cwd=ROOT)
    with shell:
        shell.wait_for("Linux version", COMPILED_S)
        first = moment_of(shell.process.pid)
        shell.wait_for(PROMPT, COMPILED_S)
        ready = moment_of(shell.process.pid)
        yield shell, {BOOT: Run(between(began, ready)), SERIAL_BOOT: Run(between(first, ready))}


def _switch_off(shell: ScriptedGuest) -> None:
    go_on(shell.process.pid)
    shell.type("poweroff -f\n")
    shell.exit_status(ERRAND_S)


def _run(errand: Errand, shell: ScriptedGuest) -> Run:
    shell.run(errand.prepare, ERRAND_S)
    shell.type(f"echo begin-of-'errand'; {errand.command}; echo end-of-'errand'\n")
    shell.wait_for("begin-of-errand\r\n", ERRAND_S)
    began = moment_of(shell.process.pid)
    shell.wait_for("end-of-errand\r\n", ERRAND_S)
    run = Run(between(began, moment_of(shell.process.pid)))
    found = shell.run(errand.check, ERRAND_S).strip()
    if found != errand.expected():
        raise Failed(f"{errand.name} printed {found[-300:]!r} instead of {errand.expected()!r}")
    return run
