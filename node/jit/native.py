"""The compiled interpreter as an engine, loaded into this process."""

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from node.ia32.processor import BoundEngine, Processor
from node.ia32.state import EXIT_NONE
from node.jit.object_cache import Progress, object_code, precompiled_code, region_cache_key, silent
from node.jit.packed import object_of, stencils_of, texts_of
from node.jit.regions.compiler_process import Texts
from node.jit.regions.outside import CompilerOutside
from node.jit.regions.settings import Settings
from node.jit.regions.store import DiskStore
from node.jit.regions.translator import Compiler, Natives, Store, Translator
from node.jit.target import host_level


class NativeEngine:
    """Object code loaded into this process. It interprets, until `translate` is called."""

    def __init__(self, packed: bytes, cache: Path) -> None:
        self._settings: Settings | None = None
        self._store: Store = DiskStore(cache.with_name("regions") / region_cache_key(host_level()))
        self._packed = packed
        # Eight megabytes, which this process seldom reads itself
        self._texts = functools.cache(functools.partial(texts_of, packed))
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


def load(cache: Path, progress: Progress = silent, *, precompiled: Path | None = None) -> NativeEngine:
    """`precompiled`: a cache that came with the program and is only read; if it lacks what this host needs, that is
    told as progress."""
    code = precompiled_code(precompiled, progress) if precompiled is not None else None
    return NativeEngine(code or object_code(cache, progress), cache)
