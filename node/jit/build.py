"""`python -m node.jit.build CACHE`: compile the interpreter into a cache directory, unless it is there.

A process of its own, because compiling takes about 1 GiB of memory that the interpreter's user should not keep.
Progress
goes to standard output, a line `share what` each.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from node.jit.native import DIGEST_BYTES, object_path, verified


def build(cache: Path) -> None:
    """Write aside and rename: readers see the whole file or none. Raises OSError if the cache cannot be written."""
    path = object_path(cache)  # by the sources that this process has read, whatever they are when it is done
    if verified(path) is not None:
        return
    from node.jit.compose import compose  # numba: only when there is something to compile

    code = compose(lambda share, what: print(f"{share:.3f} {what}", flush=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as aside:
        aside.write(hashlib.sha256(code).digest()[:DIGEST_BYTES] + code)
    os.replace(aside.name, path)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
