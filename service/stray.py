"""What is printed past every log: by libraries, and by Python itself of what nobody caught.

gRPC, for one, prints a traceback beside what it logs, when an error cannot be told to a client that has gone away.
Others are wsgiref, of a scrape that failed, and the hooks for uncaught exceptions of the process, its threads and its
destructors. All of them write to `sys.stderr`, piece by piece; whoever reads a log wants whole sentences.
"""

import io
import threading
from collections.abc import Callable
from typing import TextIO

TRACEBACK = "Traceback (most recent call last):"


def facts(sentence: str) -> dict[str, str]:
    """As an event has them: of a traceback, `text` is the line that says what it is about."""
    if sentence.startswith(TRACEBACK):
        return {"text": sentence.splitlines()[-1], "exception": sentence}
    return {"text": sentence}


class Sentences:
    """Pieces of text in, whole ones out: a line, or a traceback with the exception that it ends in."""

    def __init__(self) -> None:
        self._line = ""  # its end has not come yet
        self._traceback: list[str] = []

    def add(self, text: str) -> list[str]:
        """What is whole now."""
        *lines, self._line = (self._line + text).split("\n")
        return [whole for line in lines for whole in self._after(line)]

    def rest(self) -> list[str]:
        """What there is, whole or not: nothing will follow."""
        rest = [*self._traceback, self._line]
        self._line, self._traceback = "", []
        return ["\n".join(rest).rstrip()] if any(rest) else []

    def _after(self, line: str) -> list[str]:
        """A traceback's lines are indented, but for its first and its last."""
        if line == TRACEBACK:
            before, self._traceback = self._traceback, [line]
            return ["\n".join(before)] if before else []
        if not self._traceback:
            return [line] if line.strip() else []
        self._traceback.append(line)
        if line.startswith(" "):
            return []
        whole, self._traceback = "\n".join(self._traceback), []
        return [whole.rstrip()]


class Listening(io.TextIOBase):
    """Stands for `sys.stderr`: what is written is handed to `say`, sentence by sentence, from whichever thread."""

    def __init__(self, say: Callable[[str], None], beneath: TextIO) -> None:
        self._say = say
        self._beneath = beneath
        self._sentences = Sentences()
        self._lock = threading.RLock()  # a signal's handler may write while its thread is writing

    def write(self, text: str) -> int:
        with self._lock:
            for sentence in self._sentences.add(text):
                self._say(sentence)
        return len(text)

    def flush(self) -> None:
        """Python's last act is one; its hooks do it after a traceback, never within."""
        with self._lock:
            for sentence in self._sentences.rest():
                self._say(sentence)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """For what writes without Python: a child's stderr, the interpreter's own death."""
        return self._beneath.fileno()
