"""The checked build as an engine: it tells `limosa_check` what each processor owns, and whom it has caught.

Translations call `limosa_check` by its address in this process, so they are kept nowhere.
"""

import ctypes
import gc
import os
import re
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path

from node.ia32.handlers import handlers
from node.ia32.joining import NUMBER_BYTES
from node.ia32.pairs import pairs
from node.ia32.processor import BoundEngine, Processor, Reach
from node.jit.checks import BAD_INDEX, CAPACITY, CHECK, RANGES, REPORT, USED, Checked
from node.jit.native import NativeEngine
from node.jit.object_cache import Progress, object_code, silent
from node.jit.regions.compiler import RegionCompiler
from node.jit.regions.compiler_process import Texts
from node.jit.regions.shape import Shape
from node.jit.regions.text import RegionText
from node.jit.regions.translation import Attempt, Translation
from node.jit.regions.translator import Compiler, Translator
from node.jit.target import CHECKED, host_level

_REPORT = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64)
_STDERR = 2


class Ranges:
    """What all processors of an engine own, in the table that `limosa_check` looks through, from its end."""

    def __init__(self, table: int, used: int) -> None:
        self._pairs = (ctypes.c_uint64 * (2 * CAPACITY)).from_address(table)
        self._used = ctypes.c_int64.from_address(used)
        self._names: list[str] = []

    def claim(self, owner: object, reach: Iterable[Reach]) -> None:
        """For as long as `owner` lives; the hottest comes first."""
        gc.collect()  # machines that are gone are so at once: their memory must be nobody's
        first = len(self._names)
        for name, address, size in reversed(list(reach)):
            at = 2 * len(self._names)
            self._pairs[at], self._pairs[at + 1] = address, address + size
            self._names.append(name)
        self._used.value = len(self._names)
        weakref.finalize(owner, self._release, range(first, len(self._names)))

    def _release(self, slots: Iterable[int]) -> None:
        for slot in slots:
            self._pairs[2 * slot] = self._pairs[2 * slot + 1] = 0
        while self._names and self._pairs[2 * len(self._names) - 1] == 0:
            self._names.pop()
        self._used.value = len(self._names)

    def place(self, address: int) -> str:
        """Where an address lies, seen from the nearest thing."""
        distances = []
        for slot, name in enumerate(self._names):
            first, end = self._pairs[2 * slot], self._pairs[2 * slot + 1]
            if address < first:
                distances.append((first - address, f"{first - address} bytes before {name}"))
            elif address >= end:
                distances.append((address - end, f"{address - end} bytes behind the end of {name}"))
            else:
                distances.append((0, f"{end - address} bytes before the end of {name}"))
        return min(distances, default=(0, "with nothing near"))[1]


class _Nowhere:
    """A store of translations that keeps none."""

    def get(self, key: str) -> Translation | None:
        return None

    def put(self, key: str, translation: Translation) -> None:
        pass

    def read(self, name: str) -> bytes | None:
        return None

    def write(self, name: str, content: bytes) -> None:
        pass


class _CheckedText(RegionCompiler):
    def _text(self, region: RegionText) -> str:
        return Checked().in_text(super()._text(region))


class _CompilerInside:
    """In this process, whose addresses the code holds."""

    def __init__(self, texts: list[str]) -> None:
        self._compiler, self._asking = _CheckedText(texts), threading.Lock()

    def compile(self, shape: Shape) -> Attempt:
        with self._asking:
            return Attempt(self._compiler.compile(shape))


class CheckedEngine(NativeEngine):
    """`packed`: of the checked build."""

    def __init__(self, packed: bytes, cache: Path) -> None:
        super().__init__(packed, cache)
        self._store = _Nowhere()
        self._ranges = Ranges(*map(self._engine.get_global_value_address, (RANGES, USED)))
        self._report = _REPORT(self._tell)
        place = ctypes.c_void_p.from_address(self._engine.get_global_value_address(REPORT))
        place.value = ctypes.cast(self._report, ctypes.c_void_p).value

    def bind(self, processor: Processor) -> BoundEngine:
        bound = super().bind(processor)
        self._ranges.claim(processor, [*processor.reach(), self._handlers()])
        return bound

    def _compiler_of(self, texts: Texts) -> Compiler:
        first, *others = texts()
        check = self._engine.get_function_address(CHECK)
        definition = (
            f"define internal void @{CHECK}(i64 %0, i64 %1) alwaysinline nounwind {{\n"
            f"  call void inttoptr (i64 {check} to ptr)(i64 %0, i64 %1)\n  ret void\n}}"
        )
        head = re.sub(rf"^declare void @{CHECK}\(.*$", definition, first, flags=re.MULTILINE)
        return _CompilerInside([head, *others])

    def translator_for(self, processor: Processor) -> Translator | None:
        translator = super().translator_for(processor)
        if translator is not None:
            self._ranges.claim(translator, [*translator.reach(), self._helpers(processor)])
        return translator

    def _handlers(self) -> Reach:
        """Their code, as far as the numbers in front of each are read."""
        table = ctypes.c_uint64 * (len(handlers()) + len(pairs()))
        addresses = table.from_address(self._engine.get_global_value_address("limosa_handlers"))
        first = min(addresses) - NUMBER_BYTES
        return "the handlers' code", first, max(addresses) - first

    def _helpers(self, processor: Processor) -> Reach:
        """In a checked build's table the check itself comes last."""
        first, check = int(processor.machine.helpers), self._engine.get_function_address(CHECK)
        table = ctypes.cast(first, ctypes.POINTER(ctypes.c_uint64))
        count = next(i for i in range(CAPACITY) if table[i] == check) + 1
        return "helpers", first, 8 * count

    def _tell(self, address: int, size: int) -> None:
        """In the thread that is about to die."""
        if size == BAD_INDEX & (1 << 64) - 1:
            what = f"index {address:#x} is none of its array's"
        else:
            what = f"{size} bytes at {address:#x} are no processor's: they lie {self._ranges.place(address)}"
        os.write(_STDERR, f"checked interpreter: {what}\n".encode())


def load_checked(cache: Path, progress: Progress = silent) -> CheckedEngine:
    return CheckedEngine(object_code(cache, progress, level=host_level() + CHECKED), cache)
