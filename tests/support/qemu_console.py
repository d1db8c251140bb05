"""A guest under QEMU, on its serial console: another opinion on whether an image boots."""

import shutil
from pathlib import Path

from tests.support.scripted_guest import ScriptedGuest

QEMU = shutil.which("qemu-system-i386")


class QemuGuest(ScriptedGuest):
    """A Pentium II of `memory_mib`, its first serial port at our hands."""

    def __init__(self, kernel: Path, initrd: Path, command_line: str, memory_mib: int) -> None:
        assert QEMU is not None
        command = [
            QEMU,
            "-M",
            "pc",
            "-cpu",
            "pentium2",
            "-nographic",
            "-no-reboot",
            "-m",
            str(memory_mib),
            "-nodefaults",
        ]
        command += ["-serial", "stdio", "-kernel", str(kernel), "-initrd", str(initrd), "-append", command_line]
        super().__init__(command)
