"""The compiled interpreter as an engine: load its object code from the cache, or compile it first.

The cache holds one directory for each key; a key is a hash of every source file that the object is made from, of
numba's and LLVM's versions and of the level of x86-64 that it is made for (node.jit.target). Writers write aside and
rename, and a checksum precedes the object, so any number of processes may share a cache, and a damaged file is compiled
anew; a cache that cannot be written costs the compile time again and nothing else.
"""

import ctypes
import fcntl
import functools
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from node.ia32.processor import BoundEngine, Processor
from node.ia32.state import EXIT_NONE
from node.jit.packed import object_of, stencils_of, texts_of
from node.jit.regions.outside import CompilerOutside, Texts
from node.jit.regions.settings import Settings
from node.jit.regions.store import DiskStore
from node.jit.regions.translator import Compiler, Natives, Store, Translator
from node.jit.target import host_level

NODE = Path(__file__).resolve().parent.parent
Progress = Callable[[float, str], None]
# What loads or orders the object, but is no part of it
USERS = frozenset({"native.py", "build.py", "arena.py", "checked_engine.py", "former_versions.py"})
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


class NativeEngine:
    """Object code loaded into this process. It interprets, until `translate` is called."""

    def __init__(self, packed: bytes, cache: Path) -> None:
        self._settings: Settings | None = None
        self._store: Store = DiskStore(cache.with_name("regions") / region_cache_key(host_level()))
        self._packed = packed
        self._texts = functools.cache(
            functools.partial(texts_of, packed)
        )  # eight megabytes, which seldom this process reads itself
        self._compiler: Compiler | None = None
        self._stencils = b""
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_default_triple().create_target_machine(jit=True)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(object_of(packed)))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        return int(self._engine.get_function_address(f"limosa_{name}"))

    def handler_table(self) -> int | None:
        return int(self._engine.get_global_value_address("limosa_handlers"))

    def bind(self, processor: Processor) -> BoundEngine:
        return _BoundNative(self, processor)

    def translate(self, settings: Settings) -> None:
        """Processors bound from now on have their hot code translated; translations are kept beside the interpreter."""
        self._settings = settings
        self._compiler = self._compiler or self._compiler_of(self._texts)
        self._stencils = self._stencils or stencils_of(self._packed)

    def unpack(self) -> None:
        """Make now what each compiler that is forked from this process, or from a fork, would else make for itself."""
        self._texts()

    def translator_for(self, processor: Processor) -> Translator | None:
        if self._settings is None or self._compiler is None:
            return None
        return Translator(processor, self._natives(), self._compiler, self._store, self._stencils, self._settings)

    def _compiler_of(self, texts: Texts) -> Compiler:
        return CompilerOutside(texts)

    def fork_compiler(self) -> None:
        """Before a machine is made that will want one, while this process is small; see `CompilerOutside.fork`."""
        if isinstance(self._compiler, CompilerOutside):
            self._compiler.fork()

    def _natives(self) -> Natives:
        def native(name: str, arguments: int, result: Any = ctypes.c_int64) -> Callable[..., Any]:
            return ctypes.CFUNCTYPE(result, *(ctypes.c_int64,) * arguments)(self.address(name))

        return Natives(
            lookup=native("lookup", 2),
            heat=native("heat", 2),
            add_piece=native("add_piece", 4, None),
            decode=native("decode", 5),
            helpers=int(self._engine.get_global_value_address("limosa_helpers")),
        )


class _BoundNative:
    """Calls release the GIL: the guest runs beside this process's other threads."""

    def __init__(self, engine: NativeEngine, processor: Processor) -> None:
        self._cpu = processor.cpu_array.ctypes.data
        self._machine = processor.machine_address
        self._keep = (engine, processor)
        two, one = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64), ctypes.CFUNCTYPE(None, ctypes.c_int64)
        three = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        self._run, self._refresh = two(engine.address("run")), two(engine.address("refresh"))
        self._run_slices = two(engine.address("run_slices"))
        self._materialise = one(engine.address("materialise"))
        self._flush, self._protect, self._forget = (
            one(engine.address(n)) for n in ("flush_all", "protect_all", "forget_all")
        )
        self._interrupt = three(engine.address("deliver_interrupt"))
        self._record = processor.machine
        self._translator = engine.translator_for(processor)

    def run(self) -> None:
        if self._translator is None or self._record.left == 1:  # the rest of an instruction that a device has answered
            self._run(self._cpu, self._machine)
        else:
            self._run_translating(self._translator)

    def run_slices(self) -> None:
        if self._translator is not None:
            self._translator.between_stretches()
        self._run_slices(self._cpu, self._machine)

    def _run_translating(self, translator: Translator) -> None:
        """The same in stretches, between which translations are ordered and installed."""
        m = self._record
        budget = m.left
        while True:
            translator.between_stretches()
            stretch = min(budget, translator.stretch)
            m.left = stretch
            self._run(self._cpu, self._machine)
            budget -= stretch - m.left
            if m.exit != EXIT_NONE or budget <= 0:
                m.left = budget
                return

    def stats(self) -> dict[str, int]:
        return self._translator.stats() if self._translator is not None else {}

    def deliver_interrupt(self, vector: int) -> None:
        self._interrupt(self._cpu, self._machine, vector)

    def refresh(self) -> None:
        self._refresh(self._cpu, self._machine)

    def materialise(self) -> None:
        self._materialise(self._cpu)

    def flush_all(self) -> None:
        self._flush(self._machine)

    def protect_all(self) -> None:
        self._protect(self._machine)

    def forget_all(self) -> None:
        self._forget(self._machine)


def silent(_share: float, _what: str) -> None:
    """A Progress for those who do not want to know."""


def load(cache: Path, progress: Progress = silent, *, precompiled: Path | None = None) -> NativeEngine:
    """`precompiled`: a cache that came with the program and is only read; if it lacks what this host needs, that is
    told as progress."""
    if precompiled is not None:
        code = verified(object_path(precompiled))
        if code is not None:
            return NativeEngine(code, cache)
        progress(0.0, f"{precompiled} holds no interpreter of this version for {host_level()}, this host's level")
    return NativeEngine(object_code(cache, progress), cache)
