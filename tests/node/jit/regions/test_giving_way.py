"""A long computation gives way to whoever waits for its core."""

import os
import signal
import subprocess
import sys
import time
from hashlib import pbkdf2_hmac

from node.jit.regions.giving_way import TURN_S, giving_way

ROUNDS = 2_000_000  # half a second, in a call that Python cannot interrupt


def test_it_gives_way_at_many_of_its_turns_ends_to_one_that_never_rests() -> None:
    core = {min(os.sched_getaffinity(0))}
    spinning = f"import os; os.sched_setaffinity(0, {core}); print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", spinning], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline()
        try:
            used_s, left = _computation(core)
        finally:
            other.kill()
    print(f"left the core {left} times in {used_s:.2f} s of its own")
    assert left > 0.25 * used_s / TURN_S


def _computation(core: set[int]) -> tuple[float, int]:
    """CPU time, in seconds, and how often the core was left to another. In a process whose alarm clock is its own."""
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, core)
        with giving_way():
            pbkdf2_hmac("sha256", b"", b"", ROUNDS)
        time.sleep(20 * TURN_S)  # an alarm afterwards would be the end
        os._exit(signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0))
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime, usage.ru_nivcsw + usage.ru_nvcsw
