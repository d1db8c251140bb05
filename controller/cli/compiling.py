"""The interpreter, compiled before the first node asks for it, so that the user sees how the one long step goes.

The work is a process of `node`'s; what it writes, a line `share what` a step, is all that is known of it here.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

STEPS = 10  # how many times the user is told


class Compiling:
    """Begun at once; `finish` says how it goes until it has ended. Nothing is said if the cache has it already."""

    def __init__(self, cache: Path) -> None:
        command = [sys.executable, "-m", "node.jit.build", str(cache)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def finish(self, say: Callable[[str], None]) -> None:
        """A failure is not ours to report: the nodes will meet it, and say more."""
        assert self._process.stdout is not None
        told = -1
        for line in self._process.stdout:
            share, _, what = line.strip().partition(" ")
            step = int(float(share) * STEPS)
            if step > told:
                told = step
                say(f"compiling the interpreter, this once: {float(share):4.0%}  {what}")
        self._process.wait()

    def __enter__(self) -> "Compiling":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()
