"""A guest under QEMU, on its serial console: another opinion on whether an image boots."""

import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

QEMU = shutil.which("qemu-system-i386")


class QemuGuest:
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
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.console = b""

    def wait_for(self, text: str, timeout_s: float = 90) -> str:
        """What the guest wrote up to and with `text`, and not before the last wait."""
        assert self._process.stdout is not None
        end = time.monotonic() + timeout_s
        while text.encode() not in self.console:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0, end - time.monotonic()))
            data = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            assert data, f"no {text!r} from the guest; it said …{self.console[-2000:].decode(errors='replace')}"
            self.console += data
        before, found, self.console = self.console.partition(text.encode())
        return (before + found).decode(errors="replace").replace("\r", "")

    def type(self, text: str) -> None:
        """Types on the console."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def run(self, command: str) -> str:
        """The output of a shell command."""
        self.type(f"{command}; echo end-of-'command'\n")
        return self.wait_for("end-of-command\r\n").split("\n", 1)[1].removesuffix("end-of-command\n")

    def exit_status(self, timeout_s: float = 60) -> int:
        """Waits for the machine to be switched off."""
        return self._process.wait(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
