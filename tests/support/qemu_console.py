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
        """What the guest wrote since the last wait, up to and with `text`."""
        end = time.monotonic() + timeout_s
        while text.encode() not in self.console:
            assert self._read(end - time.monotonic()), f"no {text!r}; the guest said …{self.console[-2000:]!r}"
        before, found, self.console = self.console.partition(text.encode())
        return (before + found).decode(errors="replace").replace("\r", "")

    def heard(self, text: str, within_s: float = 0.5) -> bool:
        """Whether the guest writes `text` within a moment."""
        end = time.monotonic() + within_s
        while text.encode() not in self.console and self._read(end - time.monotonic()):
            pass
        return text.encode() in self.console

    def _read(self, timeout_s: float) -> bool:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, timeout_s))
        data = os.read(self._process.stdout.fileno(), 65536) if ready else b""
        self.console += data
        return bool(data)

    def type(self, text: str) -> None:
        """Types on the console."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def run(self, command: str) -> str:
        """The output of a shell command."""
        self.type(f"echo begin-of-'output'; {command}; echo end-of-'output'\n")
        self.wait_for("begin-of-output\r\n")
        return self.wait_for("end-of-output\r\n").removesuffix("end-of-output\n")

    def exit_status(self, timeout_s: float = 60) -> int:
        """Waits for the machine to be switched off."""
        return self._process.wait(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
