"""Has regions compiled by a process of its own (`compiler_process.py`), and outlives what happens to that one."""

import os
import signal
import subprocess
import sys
import threading
import weakref
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

from node.jit.regions import catalogue, compiler_process
from node.jit.regions.compiler_process import BETWEEN_TEXTS, Texts, attempt_of, used_ns_of
from node.jit.regions.shape import Shape
from node.jit.regions.translation import Attempt

COMMAND = (sys.executable, "-m", "node.jit.regions.compiler_process")  # given a connection's descriptor
ROOT = Path(__file__).resolve().parents[3]  # where `node` lies
PATIENCE_S = 60.0  # a region takes a tenth of a second


class CompilerOutside:
    """Any thread may ask; one is answered at a time. The process begins when it is asked, unless it has been forked; it
    ends when it has not been asked for a while, is replaced when it was lost, and never outlives this one."""

    def __init__(self, texts: Texts, patience_s: float = PATIENCE_S) -> None:
        self._texts, self.patience_s = texts, patience_s
        self._asking = threading.Lock()
        self._process: _Process | None = None

    @property
    def process_id(self) -> int | None:
        """None: there is none at the moment."""
        return self._process.id if self._process is not None else None

    def fork(self) -> None:
        """Begin as a copy of this process, if that has but one thread: in a millisecond instead of a third of a second,
        which is longer than many a guest runs."""
        if len(os.listdir("/proc/self/task")) == 1:
            self._process = _Process(*_forked(self._texts))

    def compile(self, shape: Shape) -> Attempt:
        with self._asking:
            if self._process is not None and self._process.is_gone():
                self._process.end()
                self._process = None
            process, beginning_ns = self._process, 0
            try:
                if process is None:
                    process = self._process = _Process(*_spawned())
                    beginning_ns = process.begin(BETWEEN_TEXTS.join(self._texts()).encode(), self.patience_s)
                attempt = process.asked(catalogue.encoded((shape,)), self.patience_s)
                return replace(attempt, beginning_ns=beginning_ns)
            except (EOFError, OSError):
                self._process = None
                return Attempt(None, process.end() if process is not None else 0, beginning_ns, lost=True)


class _Process:
    """One life of it."""

    def __init__(self, pid: int, connection: Connection) -> None:
        self.id, self._connection = pid, connection
        self._used_ns = 0  # as far as it has told
        self._end = weakref.finalize(self, _ended, pid, connection)
        self._end.atexit = False  # the translator's thread may still be asking; end of file ends the process, too

    def begin(self, library: bytes, patience_s: float) -> int:
        """CPU time, in nanoseconds. Like `asked`, raises EOFError or OSError if it is gone or does not answer."""
        self._used_ns = used_ns_of(self._answer(library, patience_s))
        return self._used_ns

    def is_gone(self) -> bool:
        """Without having been asked anything."""
        return self._connection.poll(0)

    def asked(self, request: bytes, patience_s: float) -> Attempt:
        attempt = attempt_of(self._answer(request, patience_s))
        self._used_ns += attempt.elsewhere_ns
        return attempt

    def _answer(self, message: bytes, patience_s: float) -> bytes:
        self._connection.send_bytes(message)
        if not self._connection.poll(patience_s):
            raise TimeoutError
        return self._connection.recv_bytes()

    def end(self) -> int:
        """CPU time, in nanoseconds, that it has used and not told of."""
        used_ns = self._end() or 0
        return max(0, used_ns - self._used_ns)


def _spawned() -> tuple[int, Connection]:
    """Its number, and the way to it."""
    ours, its = Pipe()
    with its:
        child = subprocess.Popen(
            [*COMMAND, str(its.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
            pass_fds=[its.fileno()],
            process_group=0,  # an interrupt from the terminal is not for it; of the session: see `become`
        )
    child.returncode = 0  # from here on it is `_ended` that waits
    return child.pid, ours


def _forked(texts: Texts) -> tuple[int, Connection]:
    ours, its = Pipe()
    pid = os.fork()
    if pid == 0:
        compiler_process.become(its, texts)
    its.close()
    return pid, ours


def _ended(pid: int, connection: Connection) -> int:
    connection.close()
    os.kill(pid, signal.SIGKILL)
    _, _, usage = os.wait4(pid, 0)
    return int((usage.ru_utime + usage.ru_stime) * 1e9)
