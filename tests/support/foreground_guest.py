"""`limosa boot` as a user runs it, its standard input and output in a script's hands."""

import subprocess
import sys
from pathlib import Path

from storage.local import LocalImage
from tests.support import native_cache
from tests.support.debian import debian_image
from tests.support.node_process import ROOT
from tests.support.scripted_guest import ScriptedGuest

PROMPT = "limosa:/# "
READY_S = 300.0  # on a loaded machine, the interpreter perhaps not compiled yet
COMPILED_S = 500.0


def boot_command(state: Path, *options: str) -> list[str]:
    # `limosa boot` takes its state directory from the environment; env(1) makes that part of the command.
    limosa = [sys.executable, "-m", "controller.cli.entry", "boot"]
    return ["env", f"LIMOSA_STATE_DIR={state}", *limosa, *options]


class ForegroundGuest(ScriptedGuest):
    """A guest under `limosa boot`; what the command says itself lies in `said`."""

    def __init__(self, state: Path, *options: str) -> None:
        self._said = state / "stderr"
        with self._said.open("wb") as errors:
            super().__init__(boot_command(state, *options), cwd=ROOT, errors=errors.fileno())

    def said(self) -> str:
        return self._said.read_text()


def boot_to_end(state: Path, *options: str, timeout_s: float = COMPILED_S) -> subprocess.CompletedProcess[bytes]:
    """Boot a guest that nobody types at, until it ends."""
    command = boot_command(state, *options)
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, cwd=ROOT, check=False
    )


def state_with_image(path: Path, name: str) -> tuple[Path, LocalImage]:
    """A state directory that has the image and the compiled interpreter."""
    state = path / "state"
    native_cache.share_with(state)
    return state, debian_image(state, name)
