"""Kernels unpacked once: a bzImage's payload takes half a second of xz, so what comes out is kept.

The blob's name is its digest, and the unpacked file's too, so that it can never be stale; when another is kept, those
that nobody has booted for a while go. A directory that cannot be written costs the unpacking again, nothing else.
"""

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from node.boot.bzimage import is_bzimage
from node.boot.linux import unpack_linux

SUFFIX = ".elf"
UNUSED_S = 30 * 86_400.0


def kernel_bytes(blob: Path, directory: Path) -> bytes:
    """The kernel to load for a blob: the ELF inside if it is a bzImage, kept in `directory`, or else the file
    itself. Raises BootError."""
    kept = directory / (blob.name + SUFFIX)
    with suppress(OSError):
        elf = kept.read_bytes()
        with suppress(OSError):
            os.utime(kept)  # it is used
        return elf
    kernel = blob.read_bytes()
    if not is_bzimage(kernel):
        return kernel
    elf = unpack_linux(kernel)
    _keep(kept, elf)
    return elf


def _keep(path: Path, content: bytes) -> None:
    """Whole or not at all, however many domains do it at once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as aside:
            aside.write(content)
        os.replace(aside.name, path)
        for other in path.parent.glob(f"*{SUFFIX}"):
            if time.time() - other.stat().st_mtime > UNUSED_S:
                other.unlink()
    except OSError:
        return
