"""Child processes by pidfd: become the reaper of orphans, wait for an end, say in words how it was.

A pidfd names one process for good, so neither a signal nor a wait can hit a stranger with a reused number.
"""

import asyncio
import contextlib
import ctypes
import os
import signal

import psutil

PR_SET_CHILD_SUBREAPER = 36
REPARENTING_S = 1.0


def become_subreaper() -> None:
    """Orphans among our descendants become our children: the domains, whose forking parent ends at once."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


async def ended(pidfd: int) -> str:
    """Wait for the child's end and reap it; how it ended, e.g. "was killed by SIGSEGV"."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(pidfd, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(pidfd)
    deadline = loop.time() + REPARENTING_S
    while True:
        try:
            result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
            break
        except ChildProcessError:  # not our child yet: the process between the template and it has not ended
            if loop.time() > deadline:
                return "ended unseen"
            await asyncio.sleep(0.005)
    assert result is not None
    if result.si_code == os.CLD_EXITED:
        return f"exited with status {result.si_status}"
    return f"was killed by {signal.Signals(result.si_status).name}"


def kill(pidfd: int) -> None:
    """SIGKILL, unless it has ended already."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


async def strays_ended(known: set[int]) -> None:
    """Until they have, or for so long as it may take what has been killed."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + REPARENTING_S
    while reap_strays(known) and loop.time() < deadline:
        await asyncio.sleep(0.005)


def reap_strays(known: set[int]) -> int:
    """Reap ended children that nobody waits for: domains forked in the moment in which the template died, and the
    compilers of domains that have ended. Returns how many have not ended yet."""
    running = 0
    for child in psutil.Process().children():
        if child.pid not in known:
            with contextlib.suppress(ChildProcessError):
                running += os.waitpid(child.pid, os.WNOHANG)[0] == 0
    return running
