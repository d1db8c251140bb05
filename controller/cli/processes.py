"""The processes of a cluster: starting them, recognising them, ending them. Linux's /proc is the only witness.

A process is ours if it is the recorded one (pid and start time agree) or carries our mark in its environment: the
cluster's id, or the state directory, which children inherit. Nothing else is ever signalled. A zombie counts as dead.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.cli.foreground import package_root

ID_MARK = "LIMOSA_CLUSTER_ID"
STATE_MARK = "LIMOSA_CLUSTER_STATE"
STATE_FIELD, START_FIELD = 0, 19  # of /proc/PID/stat, counted after the command's name
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """One process, unmistakable."""

    pid: int
    start_ticks: int


def spawn(module: str, arguments: Sequence[str], *, log: Path, cluster_id: str, state: Path) -> Process:
    """Start `python -m module` in a session of its own, its output in `log`."""
    environment = dict(os.environ)
    environment |= {ID_MARK: cluster_id, STATE_MARK: str(state), "GRPC_ENABLE_FORK_SUPPORT": "0"}
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=package_root(),
            env=environment,
            start_new_session=True,
        )
    child.returncode = 0  # the child outlives this object: `reap` asks for it by pid
    start = start_ticks(child.pid)
    return Process(child.pid, start if start is not None else -1)


def alive(process: Process) -> bool:
    """Is it still this very process?"""
    reap(process.pid)
    return start_ticks(process.pid) == process.start_ticks


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if there is none, or only its zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[STATE_FIELD] in "ZX" else int(fields[START_FIELD])


def marked(*, cluster_id: str, state: Path) -> list[Process]:
    """Every process of ours, whatever became of its parents: found by the marks in its environment."""
    marks = {f"{STATE_MARK}={state}".encode()}
    if cluster_id:
        marks.add(f"{ID_MARK}={cluster_id}".encode())
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            environment = Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        start = start_ticks(int(entry))
        if start is not None and marks & set(environment):
            found.append(Process(int(entry), start))
    return found


def end(processes: Iterable[Process], *, number: signal.Signals, within_s: float) -> list[Process]:
    """Signal them, wait; returns those that are still there after the bound."""
    left = [process for process in processes if _signal(process, number)]
    until = time.monotonic() + within_s
    while (left := [process for process in left if alive(process)]) and time.monotonic() < until:
        time.sleep(POLL_S)
    return left


def reap(pid: int) -> None:
    """If it is a dead child of ours, let it go."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _signal(process: Process, number: signal.Signals) -> bool:
    """Signal exactly this process: the descriptor pins the pid while its start time is compared."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        if not alive(process):
            return False
        signal.pidfd_send_signal(descriptor, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


def tail(path: Path, lines: int) -> str:
    """The last lines of a log."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip("\n").splitlines()[-lines:])
