"""The compiled interpreter's file in a cache: found there, or made first.

The cache holds one directory for each key; a key is a hash of every source file that the object is made from, of
numba's and LLVM's versions and of the level of x86-64 that it is made for (node.jit.target). Writers write aside and
rename, and a checksum precedes the object, so any number of processes may share a cache, and a damaged file is compiled
anew; a cache that cannot be written costs the compile time again and nothing else.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from node.jit.target import host_level

NODE = Path(__file__).resolve().parent.parent
Progress = Callable[[float, str], None]
# What loads or orders the object, but is no part of it
USERS = frozenset({"native.py", "object_cache.py", "build.py", "arena.py", "checked_engine.py", "former_versions.py"})
# Given the cache directory and the level; tells its progress on standard output
BUILDER = (sys.executable, "-m", "node.jit.build")
READABLE = 0o644
DIGEST_BYTES = 16  # an object file in the cache is preceded by that much of its SHA-256


class CompileFailed(RuntimeError):
    """The interpreter could not be compiled on this host."""


def cache_key(level: str) -> str:
    digest = hashlib.sha256()
    composing = [p for p in sorted((NODE / "jit").glob("*.py")) if p.name not in USERS]
    composing += sorted((NODE / "jit" / "stencils").glob("*.py"))
    sources = [NODE / "jitted.py", *sorted((NODE / "ia32").rglob("*.py")), *composing]
    for source in sources:
        digest.update(source.relative_to(NODE).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    digest.update(f"{version('numba')} {version('llvmlite')} {level}".encode())
    return digest.hexdigest()[:32]


def region_cache_key(level: str) -> str:
    """Translations depend on the interpreter's sources as well."""
    digest = hashlib.sha256(cache_key(level).encode())
    for source in sorted((NODE / "jit" / "regions").glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def object_path(cache: Path, level: str | None = None) -> Path:
    """`level`: of x86-64; None: what this host has."""
    return cache / cache_key(level or host_level()) / "interpreter.o"


def verified(path: Path) -> bytes | None:
    """The object code, unless it is not there, or its checksum says that the file is not what was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, code = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest()[:DIGEST_BYTES] == digest else None


def store(path: Path, code: bytes) -> None:
    """Write aside and rename: readers see the whole file or none. Raises OSError if the cache cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as aside:
        aside.write(hashlib.sha256(code).digest()[:DIGEST_BYTES] + code)
        os.fchmod(aside.fileno(), READABLE)  # a temporary file is its maker's only; nodes run as somebody else
    os.replace(aside.name, path)


def object_code(cache: Path, progress: Progress, builder: Sequence[str] = BUILDER, level: str | None = None) -> bytes:
    """From the cache, or compiled now, by a process of its own. `level`: None: what this host has."""
    level = level or host_level()
    path = object_path(cache, level)
    code = verified(path)
    if code is not None:
        with suppress(OSError):
            os.utime(path)  # it is used: former_versions.py
        return code
    try:
        with _one_at_a_time(cache, progress):
            return verified(path) or _compiled(cache, progress, builder, level)
    except OSError as error:  # a cache that cannot be written: compile for this once
        progress(0.0, f"the cache cannot be written ({error}): compiling for this run only")
        with tempfile.TemporaryDirectory() as own:
            return _compiled(Path(own), progress, builder, level)


def precompiled_code(directory: Path, progress: Progress) -> bytes | None:
    """From a cache that came with the program; None, which is told, if it lacks what this host needs."""
    code = verified(object_path(directory))
    if code is None:
        progress(0.0, f"{directory} holds no interpreter of this version for {host_level()}, this host's level")
    return code


@contextmanager
def _one_at_a_time(cache: Path, progress: Progress) -> Iterator[None]:
    """Processes that start together compile once: the others wait, and find the result in the cache."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(0.0, "another process is compiling the interpreter; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compiled(cache: Path, progress: Progress, builder: Sequence[str], level: str) -> bytes:
    with tempfile.TemporaryFile(dir=cache):
        pass  # fails now rather than after a minute's work
    path = object_path(cache, level)
    with subprocess.Popen(
        [*builder, str(cache), level], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=NODE.parent, text=True
    ) as build:
        assert build.stdout is not None
        for line in build.stdout:
            share, _, what = line.strip().partition(" ")
            progress(float(share), what)
    code = verified(path)
    if code is None:
        raise CompileFailed(
            f"compiling the interpreter failed (exit status {build.returncode}); its messages stand above"
        )
    return code


def silent(_share: float, _what: str) -> None:
    """A Progress for those who do not want to know."""
