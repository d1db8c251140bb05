"""A guest in a process whose standard input and output are its serial console: typed at, read, and run commands in."""

import os
import select
import subprocess
import time
from pathlib import Path
from typing import Self

COMMAND_S = 90.0


class ScriptedGuest:
    """Its console at our hands; every wait has a bound. Leaving the context ends the process."""

    def __init__(self, command: list[str], *, cwd: Path | None = None, errors: int = subprocess.STDOUT) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=cwd)
        self.console = b""

    def wait_for(self, text: str, timeout_s: float = COMMAND_S) -> str:
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
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, timeout_s))
        data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
        self.console += data
        return bool(data)

    def type(self, text: str) -> None:
        """Types on the console."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end_input(self) -> None:
        """As a user's Ctrl+D at an empty line of his own terminal."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def run(self, command: str, timeout_s: float = COMMAND_S) -> str:
        """The output of a shell command."""
        self.type(f"echo begin-of-'output'; {command}; echo end-of-'output'\n")
        self.wait_for("begin-of-output\r\n")
        return self.wait_for("end-of-output\r\n", timeout_s).removesuffix("end-of-output\n")

    def exit_status(self, timeout_s: float = 60) -> int:
        """Waits for the machine to be switched off."""
        return self.process.wait(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        with self.process:  # closes the pipes, and waits
            pass
