"""One machine's translator: takes the interpreter's notes of hot blocks, has regions made of them by a thread of its
own, and installs what comes out.

    guest thread    between stretches: notes → requests; finished translations → installed, if they still hold
    its own thread  request → shape → known already, on disk, or compiled → finished

The guest's thread never waits for the other.
"""

import ctypes
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from node.ia32.blocks import BLOCK, BLOCK_BYTES, NOTE_BYTES, PLACE, TRANSLATED_HEAT
from node.ia32.fetch import LIMITED_KEY, WIDE_KEY
from node.ia32.processor import Processor, Reach
from node.ia32.state import MODE_WATCHED, OP
from node.jit.regions.catalogue import HEAD_BYTES, Catalogue, Files, head_of
from node.jit.regions.expense import Expense
from node.jit.regions.formation import Former, pages_of
from node.jit.regions.guest_code import Decoder, EverythingIsWarm, GuestCode
from node.jit.regions.installation import Finished, Installation
from node.jit.regions.requests import Request, Requests
from node.jit.regions.settings import Figures, Settings
from node.jit.regions.shape import PAGE, Shape
from node.jit.regions.translation import Attempt, Translation
from node.jit.stencils.supply import Supply
from node.jitted import peek8, peek64

INSTALLING_NS = 1_000_000  # after so long, what is finished waits for the next time, so that the guest does not
NOTE = struct.Struct("<qqq")
KEY_AT, OPS_AT = (BLOCK.fields[name][1] for name in ("key", "ops"))  # type: ignore[index]
TIMES_AT = OP.fields["a"][1]  # type: ignore[index]


class Compiler(Protocol):
    def compile(self, shape: Shape) -> Attempt: ...


class Store(Files, Protocol):
    def get(self, key: str) -> Translation | None: ...
    def put(self, key: str, translation: Translation) -> None: ...


@dataclass(frozen=True, slots=True)
class Natives:
    """Entry points of the compiled interpreter."""

    lookup: Callable[[int, int], int]
    heat: Callable[[int, int], int]
    add_piece: Callable[[int, int, int, int], None]
    decode: Callable[[int, int, int, int, int], int]
    helpers: int


class Translator:
    def __init__(
        self,
        processor: Processor,
        natives: Natives,
        compiler: Compiler,
        store: Store,
        stencils: bytes,
        settings: Settings,
    ) -> None:
        self._processor, self._machine, self._natives = processor, processor.machine, natives
        self._compiler, self._store, self._settings = compiler, store, settings
        self.figures = Figures()
        self._decoder = Decoder(natives.decode, processor.machine.encodings)
        self._catalogue = Catalogue(store)
        self._known: dict[str, Translation] = {}
        self._refused: set[str] = set()
        self._expense = Expense()
        self._requests = Requests(
            settings, self.figures, lambda key: natives.heat(processor.machine_address, key), time.monotonic_ns
        )
        self._finished: deque[Finished] = deque()
        self._installation = Installation(
            processor, natives.lookup, natives.add_piece, settings.code_bytes, self.figures
        )
        self._thread: threading.Thread | None = None
        self._machine.helpers = natives.helpers
        self._machine.glance = settings.patience if settings.forced else settings.glance
        self._machine.patience = settings.patience
        self._machine.look_mask = settings.look_every - 1
        self._machine.copy_within, self._machine.note_within = settings.copy_within, settings.note_within
        self._supply = Supply(processor, stencils, settings.copies_bytes)

    def reach(self) -> Iterator[Reach]:
        """Memory that native code touches on its behalf."""
        yield from self._supply.reach()
        yield from self._decoder.reach()

    @property
    def stretch(self) -> int:
        return self._settings.stretch

    def between_stretches(self) -> None:
        """In the guest's thread, while no guest instruction executes."""
        begun = time.monotonic_ns()
        if self._machine.notes_used:
            self._order(self._take_notes())
        if self._requests.are_hot:  # or nobody asks how much time the guest has used
            self._requests.guest_at(time.thread_time_ns())
        while self._finished and time.monotonic_ns() - begun < INSTALLING_NS:
            if not self._installation.install(self._finished.popleft()):
                self._known.clear()
        self.figures.longest_pause_ns = max(self.figures.longest_pause_ns, time.monotonic_ns() - begun)

    def stats(self) -> dict[str, int]:
        f = self.figures
        found = f.loaded + f.reused
        return {
            "instructions_translated": int(self._machine.translated),
            "regions_compiled": f.compiled,
            "regions_from_disk": f.loaded,
            "regions_reused": f.reused,
            "regions_found_percent": 100 * found // max(1, found + f.compiled),
            "regions_refused": f.refused,
            "region_compilers_lost": f.lost,
            "regions_installed": f.installed,
            "regions_stale": f.stale,
            "translation_requests_dropped": f.dropped,
            "translation_ms": (f.translating_ns + f.beginning_ns) // 1_000_000,
            "translation_longest_pause_us": f.longest_pause_ns // 1000,
            "code_cache_bytes": self._installation.bytes_used,
            "code_cache_emptied": f.emptied,
            "copied_bytes": self._supply.bytes_used,
        }

    def _take_notes(self) -> list[Request]:
        m = self._machine
        taken = []
        notes = ctypes.string_at(m.notes, m.notes_used * NOTE_BYTES)
        for number, linear, mode in NOTE.iter_unpack(notes):
            block = m.blocks + (number - 1) * BLOCK_BYTES
            key = peek64(block + KEY_AT)
            if key & WIDE_KEY and not key & LIMITED_KEY and not mode & MODE_WATCHED:
                times = peek8(peek64(block + OPS_AT) + TIMES_AT)
                taken.append(Request(key, linear, mode, hot=times > 1))
        m.notes_used = 0
        return taken

    def _order(self, requests: list[Request]) -> None:
        if self._settings.forced:
            for request in requests:
                self._make(request)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="translator", daemon=True)
            self._thread.start()
        self._requests.add(requests)

    # In the translator's thread

    def _work(self) -> None:
        while True:
            request = self._requests.wait()
            begun = time.thread_time_ns()
            try:
                if self._natives.heat(self._processor.machine_address, request.key) in (0, TRANSLATED_HEAT):
                    continue  # dead or done in the meantime
                if request.hot:
                    self._make(request)
                else:
                    self._look_for(request)
            except ValueError:  # a view of memory that has been released: the machine is gone
                return
            self.figures.translating_ns += time.thread_time_ns() - begun

    def _look_for(self, request: Request) -> None:
        """Take what was translated before, if anything was."""
        code = self._code(request, GuestCode)
        for shape in self._catalogue.shapes(self._head(request)):
            pages = pages_of(shape, code, request.linear, request.key & PLACE)
            if pages is not None:
                name = shape.key()
                translation = self._existing(name)
                if translation is not None:
                    self._hand_over(Finished(request.key, shape, pages, name, translation))
                    return

    def _make(self, request: Request) -> None:
        """Form a region. For tests (`forced`) as if nothing had been before."""
        code = self._code(request, EverythingIsWarm if self._settings.forced else GuestCode)
        formed = Former(code, self._settings.limits, request.linear, request.key & PLACE, request.mode).form()
        if formed is None:
            return
        shape, pages = formed
        name = shape.key()
        translation = self._existing(name) or self._made(request, name, shape)
        if translation is None:
            return
        if not self._settings.forced:
            self._catalogue.add(self._head(request), shape)
        self._hand_over(Finished(request.key, shape, pages, name, translation))

    def _hand_over(self, finished: Finished) -> None:
        self._finished.append(finished)
        self._machine.wanted = 1

    def _code(self, request: Request, kind: type[GuestCode]) -> GuestCode:
        return kind(
            self._processor, self._decoder, self._natives.heat, mode=request.mode, patience=self._settings.patience
        )

    def _head(self, request: Request) -> str:
        at = request.key & PLACE
        end = min(at + HEAD_BYTES, (at | PAGE - 1) + 1)
        return head_of(request.mode, at & PAGE - 1, bytes(self._processor.memory.view[at:end]))

    def _existing(self, name: str) -> Translation | None:
        known = self._known.get(name)
        if known is not None:
            self.figures.reused += 1
            return known
        known = self._store.get(name)
        if known is not None:
            self.figures.loaded += 1
            self._known[name] = known
        return known

    def _made(self, request: Request, name: str, shape: Shape) -> Translation | None:
        """None: it cannot be compiled, or not yet."""
        if name in self._refused:
            return None
        cost_ns = self._expense.expected_ns(shape.instructions)
        if not self._settings.forced and not self._requests.affords(cost_ns):
            self._requests.put_back(request, cost_ns)  # and formed again, since its code may be another by then
            return None
        return self._compiled(name, shape)

    def _compiled(self, name: str, shape: Shape) -> Translation | None:
        attempt = self._compiler.compile(shape)
        self._expense.was(shape.instructions, attempt.elsewhere_ns)
        self.figures.translating_ns += attempt.elsewhere_ns
        self.figures.beginning_ns += attempt.beginning_ns
        self.figures.lost += attempt.lost
        made = attempt.translation
        if made is None:
            self.figures.refused += 1
            self._refused.add(name)
            return None
        self.figures.compiled += 1
        self._store.put(name, made)
        self._known[name] = made
        return made
