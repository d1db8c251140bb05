"""`python -m node.jit.build CACHE [LEVEL]`: compile the interpreter into a cache directory, unless it is there.

LEVEL is one of node.jit.target's; without it, the highest that this host has. `LEVEL+checked` makes the build of
`checks.py`.

A process of its own, because compiling takes about 1 GiB of memory that the interpreter's user should not keep.
Progress goes to standard output, a line `share what` each. Afterwards what versions have left there that nobody uses
goes.
"""

import signal
import sys
import time
from pathlib import Path

from node.jit.former_versions import remove_unused
from node.jit.object_cache import object_path, store, verified
from node.jit.target import CHECKED, LEVELS, host_level


def build(cache: Path, level: str) -> None:
    """Raises OSError if the cache cannot be written."""
    path = object_path(cache, level)  # by the sources that this process has read, whatever they are when it is done
    if verified(path) is not None:
        return
    from node.jit.checks import Checked, Unchecked
    from node.jit.compose import compose  # numba: only when there is something to compile

    made_for = level.removesuffix(CHECKED)
    checks = Unchecked() if made_for == level else Checked()
    code = compose(made_for, checks, lambda share, what: print(f"{share:.3f} {what}", flush=True))
    store(path, code)
    for each in (cache, cache.with_name("regions")):
        remove_unused(each, time.time())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever types Ctrl+C wants no traceback, and not when LLVM is done
    level = sys.argv[2] if len(sys.argv) > 2 else host_level()
    if level.removesuffix(CHECKED) not in LEVELS:
        raise SystemExit(f"python -m node.jit.build: {level!r} is no level of x86-64; there are {', '.join(LEVELS)}")
    build(Path(sys.argv[1]), level)
