"""`python -m node.jit.build CACHE`: compile the interpreter into a cache directory, unless it is there.

A process of its own, because compiling takes about 1 GiB of memory that the interpreter's user should not keep.
Progress goes to standard output, a line `share what` each.
"""

import sys
from pathlib import Path

from node.jit.native import object_path, store, verified


def build(cache: Path) -> None:
    """Raises OSError if the cache cannot be written."""
    path = object_path(cache)  # by the sources that this process has read, whatever they are when it is done
    if verified(path) is not None:
        return
    from node.jit.compose import compose  # numba: only when there is something to compile

    code = compose(lambda share, what: print(f"{share:.3f} {what}", flush=True))
    store(path, code)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
