"""A real terminal for programs under test: a tmux server of its own, to type at, to look at and to resize."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BOUND_S = 60.0


@dataclass(frozen=True, slots=True)
class Terminal:
    """One window with a shell in it."""

    socket: Path

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self.socket), "-f", "/dev/null", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, check=True).stdout

    def type(self, text: str) -> None:
        """Keys as they are, without a newline."""
        self.tmux("send-keys", "-l", text)

    def press(self, name: str) -> None:
        """A key by tmux's name for it: Enter, C-c, C-z."""
        self.tmux("send-keys", name)

    def run(self, command: str) -> None:
        self.type(command)
        self.press("Enter")

    def screen(self) -> str:
        """What is to be seen."""
        return self.tmux("capture-pane", "-p")

    def resize(self, columns: int, lines: int) -> None:
        self.tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def alternate(self) -> bool:
        """Does a program have the screen to itself?"""
        return self.tmux("display-message", "-p", "#{alternate_on}").strip() == "1"

    def until(self, condition: Callable[[str], bool]) -> str:
        """Wait until the screen shows what is wanted; returns it."""
        deadline = time.monotonic() + BOUND_S
        while not condition(shown := self.screen()):
            assert time.monotonic() < deadline, f"the terminal does not show it:\n{shown}"
            time.sleep(0.1)
        return shown


@contextmanager
def terminal(
    directory: Path, environment: Mapping[str, str], *, columns: int = 120, lines: int = 30
) -> Iterator[Terminal]:
    """A terminal with a plain shell under this environment."""
    shown = Terminal(directory / "tmux")
    command = ["tmux", "-S", str(shown.socket), "-f", "/dev/null", "new-session", "-d"]
    subprocess.run(
        [*command, "-x", str(columns), "-y", str(lines), "env PS1='$ ' sh"],
        env={"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **environment},
        cwd=directory,
        timeout=BOUND_S,
        check=True,
    )
    try:
        yield shown
    finally:
        shown.tmux("kill-server")
