"""The machines that are compared: `limosa boot`, and QEMU without KVM, each as a command line for the same guest.

Both get the same files, memory and kernel command line, one emulation thread (TCG's `thread=single`) and, by
`on_core`, one core of the host, which ours shares with whatever it compiles beside the guest.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.foreground_guest import boot_command
from tests.support.node_process import ROOT

QEMU = "qemu-system-i386"
EXIT_PORT = 0xF4
CPU = "pentium4"  # as QEMU's, with SSE2
GOOD = 0 << 1 | 1  # both end with this status when the guest writes 0 to the exit port


@dataclass(frozen=True, slots=True)
class Guest:
    """What a machine boots."""

    kernel: Path
    append: str
    memory_mib: int
    initrd: Path | None = None


@dataclass(frozen=True, slots=True)
class Limosa:
    """`limosa boot` with a state directory of its own, so that its first run finds no translated code."""

    state: Path
    flags: tuple[str, ...] = ()
    name: str = "limosa"

    def command(self, guest: Guest) -> list[str]:
        initrd = ("--initrd", str(guest.initrd)) if guest.initrd else ()
        return boot_command(
            self.state,
            *("--kernel", str(guest.kernel), *initrd, "--append", guest.append, "--memory", f"{guest.memory_mib}M"),
            *("--exit-port", hex(EXIT_PORT), "--cpu", CPU, "--stats", *self.flags),
        )


@dataclass(frozen=True, slots=True)
class Qemu:
    """The PC of QEMU with its 32-bit processor of all features, so that nothing of the guest's is left out."""

    name: str = "qemu"

    def command(self, guest: Guest) -> list[str]:
        initrd = ("-initrd", str(guest.initrd)) if guest.initrd else ()
        return [
            *(QEMU, "-accel", "tcg,thread=single", "-cpu", "qemu32", "-m", str(guest.memory_mib)),
            *("-nographic", "-nodefaults", "-no-reboot", "-serial", "stdio"),
            *("-device", f"isa-debug-exit,iobase={EXIT_PORT:#x},iosize=4"),
            *("-kernel", str(guest.kernel), *initrd, "-append", guest.append),
        ]


Machine = Limosa | Qemu


def qemu_version() -> str | None:
    """None where QEMU is not installed."""
    if shutil.which(QEMU) is None:
        return None
    said = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0]


def limosa_knows(flag: str, state: Path) -> bool:
    """Whether this `limosa boot` has the option."""
    said = subprocess.run(boot_command(state, "--help"), cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return flag in said.split()


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started inside runs on that core only, and this process on the others if there are any."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before - {core} or before)
