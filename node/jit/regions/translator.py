"""One machine's translator: takes the interpreter's notes of hot blocks, has regions made of them by a thread of its
own, and installs what comes out.

    guest thread    between stretches: notes → requests; finished translations → installed, if they still hold
    its own thread  request → shape → known already, on disk, or compiled → finished

The guest's thread never waits for the other. What is installed is checked against memory first, byte for byte, and is
then as safe as any decoded block: a store to its bytes kills it.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from node.ia32.blocks import BLOCK, BLOCK_BYTES, BLOCKS_CAPACITY, NOTE_BYTES, OPS_CAPACITY, op_at
from node.ia32.fetch import LIMITED_KEY, WIDE_KEY
from node.ia32.processor import Processor
from node.ia32.state import MODE_WATCHED, OP_BYTES
from node.jit.regions.arena import CodeArena
from node.jit.regions.catalogue import HEAD_BYTES, Catalogue, Files, head_of
from node.jit.regions.compiler import Translation
from node.jit.regions.formation import Former, Limits, pages_of
from node.jit.regions.guest_code import Decoder, EverythingIsWarm, GuestCode
from node.jit.regions.object_code import NotSelfContained
from node.jit.regions.shape import PAGE, Shape
from node.jit.regions.text import OPERANDS_AT, operations_offset
from node.jitted import peek64, poke64, record_at

PLACE = (1 << 40) - 1  # of a block's key: the backing offset
PAUSE_S = 0.01  # between looks at whether there is time again
COOL_S = 0.05  # between looks at whether anything is hot
AT_ONCE = 8  # requests served between looks at all that wait
INSTALLED_AT_ONCE = 16  # translations, so that the guest does not wait for long


@dataclass(frozen=True, slots=True)
class Settings:
    """`glance`: executions after which a translation that exists already is looked for; `patience`: after which one is
    made. `forced`: translate at once all that can be reached, in the
    guest's thread, for tests."""

    glance: int = 100
    patience: int = 2000
    forced: bool = False
    stretch: int = 1 << 20  # instructions between looks at what is finished
    waiting: int = 1 << 14  # requests at most
    share: float = 0.33  # of the guest's own CPU time, what translating may take
    head_start_ns: int = 200_000_000  # that it may take before
    niceness: int = 0  # of the translator's thread
    code_bytes: int = 64 << 20
    limits: Limits = field(default_factory=Limits)


class Compiler(Protocol):
    def compile(self, shape: Shape) -> Translation: ...


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


@dataclass(frozen=True, slots=True)
class Request:
    key: int  # of the hot block
    linear: int
    mode: int


@dataclass(frozen=True, slots=True)
class Finished:
    request: Request
    shape: Shape
    pages: tuple[int, ...]  # backing offsets
    name: str
    translation: Translation


@dataclass(slots=True)
class Figures:
    compiled: int = 0
    loaded: int = 0  # from disk
    reused: int = 0  # from this process
    refused: int = 0
    installed: int = 0
    stale: int = 0
    dropped: int = 0  # requests, the queue being full
    emptied: int = 0
    compile_ns: int = 0
    code_bytes: int = 0


class Translator:
    def __init__(self, processor: Processor, natives: Natives, compiler: Compiler, store: Store, settings: Settings):
        self._processor, self._machine = processor, processor.machine
        self._natives, self._compiler, self._store, self._settings = natives, compiler, store, settings
        self._decoder = Decoder(natives.decode, processor.machine.encodings)
        self._catalogue = Catalogue(store)
        self._arena = CodeArena(settings.code_bytes)
        self._addresses: dict[str, int] = {}  # of code in the arena, by the name of the translation
        self._known: dict[str, Translation] = {}
        self._fresh: deque[Request] = deque()  # not looked for yet
        self._requests: dict[int, Request] = {}  # for which there is no translation yet, by key
        self._hottest: list[int] = []  # their keys, as far as they are sorted
        self._wanted = threading.Condition()
        self._guest_ns = 0  # CPU time of the guest's thread
        self._finished: deque[Finished] = deque()
        self._thread: threading.Thread | None = None
        self.figures = Figures()
        self._machine.helpers = natives.helpers
        self._machine.patience = settings.patience if settings.forced else settings.glance

    @property
    def stretch(self) -> int:
        return self._settings.stretch

    def between_stretches(self) -> None:
        """In the guest's thread, while no guest instruction executes."""
        self._guest_ns = time.thread_time_ns()
        if self._machine.notes_used:
            for request in self._take_notes():
                self._order(request)
        for _ in range(min(len(self._finished), INSTALLED_AT_ONCE)):
            self._install(self._finished.popleft())

    def stats(self) -> dict[str, int]:
        f = self.figures
        return {
            "instructions_translated": int(self._machine.translated),
            "regions_compiled": f.compiled,
            "regions_from_disk": f.loaded,
            "regions_reused": f.reused,
            "regions_refused": f.refused,
            "regions_installed": f.installed,
            "regions_stale": f.stale,
            "translation_requests_dropped": f.dropped,
            "translation_ms": f.compile_ns // 1_000_000,
            "code_cache_bytes": self._arena.used,
            "code_cache_emptied": f.emptied,
        }

    def _take_notes(self) -> list[Request]:
        m = self._machine
        taken = []
        for i in range(m.notes_used):
            at = m.notes + i * NOTE_BYTES
            number, linear, mode = peek64(at), peek64(at + 8), peek64(at + 16)
            block = record_at(m.blocks + (number - 1) * BLOCK_BYTES, BLOCK)
            if block.key & WIDE_KEY and not block.key & LIMITED_KEY and not mode & MODE_WATCHED:
                taken.append(Request(block.key, linear, mode))
        m.notes_used = 0
        return taken

    def _order(self, request: Request) -> None:
        if self._settings.forced:
            self._serve(request)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="translator", daemon=True)
            self._thread.start()
        with self._wanted:
            if len(self._requests) + len(self._fresh) < self._settings.waiting:
                self._fresh.append(request)
                self._wanted.notify()
            else:
                self.figures.dropped += 1

    # In the translator's thread

    def _work(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._settings.niceness)
        while True:
            with self._wanted:
                while not self._fresh and not self._requests:
                    self._wanted.wait()
                if not self._fresh and self._is_spent():
                    self._wanted.wait(PAUSE_S)
            try:
                if self._fresh:
                    self._look_for(self._fresh.popleft())
                elif not self._is_spent():
                    self._serve_hottest()
            except ValueError:  # a view of memory that has been released: the machine is gone
                return

    def _look_for(self, request: Request) -> None:
        """Take what was translated before, or let it wait."""
        code = self._code(request, GuestCode)
        found = self._found(request, code)
        translation = self._known.get(found[0].key()) or self._stored(found[0].key()) if found else None
        if found and translation:
            self._finished.append(Finished(request, *found, found[0].key(), translation))
        else:
            self._requests[request.key] = request

    def _serve_hottest(self) -> None:
        """One of those that have been hottest for a while, if any is hot."""
        if not self._hottest:
            heats = sorted((self._heat(key), key) for key in list(self._requests))
            self._hottest = [key for heat, key in heats[-AT_ONCE:] if heat >= self._settings.patience]
        if not self._hottest:
            time.sleep(COOL_S)
            return
        request = self._requests.pop(self._hottest.pop(), None)
        if request is not None and self._heat(request.key):  # the block has not died
            self._serve(request)

    def _heat(self, key: int) -> int:
        return self._natives.heat(self._processor.machine_address, key)

    def _is_spent(self) -> bool:
        """Whether translating has had its share of time for now."""
        allowed = self._settings.head_start_ns + int(self._guest_ns * self._settings.share)
        return self.figures.compile_ns > allowed

    def _serve(self, request: Request) -> None:
        begun = time.thread_time_ns()
        formed = self._form(request)
        if formed is not None:
            shape, pages = formed
            name = shape.key()
            translation = self._translation(name, shape)
            if translation is not None:
                self._finished.append(Finished(request, shape, pages, name, translation))
        self.figures.compile_ns += time.thread_time_ns() - begun

    def _code(self, request: Request, kind: type[GuestCode]) -> GuestCode:
        return kind(
            self._processor, self._decoder, self._natives.heat, mode=request.mode, patience=self._settings.patience
        )

    def _found(self, request: Request, code: GuestCode) -> tuple[Shape, tuple[int, ...]] | None:
        """A shape from the catalogue that lies there now, and its pages' backing offsets."""
        for shape in self._catalogue.shapes(self._head(request)):
            pages = pages_of(shape, code, request.linear, request.key & PLACE)
            if pages is not None:
                return shape, pages
        return None

    def _head(self, request: Request) -> str:
        at = request.key & PLACE
        end = min(at + HEAD_BYTES, (at | PAGE - 1) + 1)
        return head_of(request.mode, at & PAGE - 1, bytes(self._processor.memory.view[at:end]))

    def _form(self, request: Request) -> tuple[Shape, tuple[int, ...]] | None:
        """Anew. For tests as if nothing had been before."""
        code = self._code(request, EverythingIsWarm if self._settings.forced else GuestCode)
        formed = Former(code, self._settings.limits, request.linear, request.key & PLACE, request.mode).form()
        if formed is not None and not self._settings.forced:
            self._catalogue.add(self._head(request), formed[0])
        return formed

    def _translation(self, name: str, shape: Shape) -> Translation | None:
        known = self._known.get(name)
        if known is not None:
            self.figures.reused += 1
            return known
        known = self._stored(name)
        if known is not None:
            return known
        try:
            known = self._compiler.compile(shape)
        except NotSelfContained:
            self.figures.refused += 1
            return None
        self.figures.compiled += 1
        self._store.put(name, known)
        self._known[name] = known
        return known

    def _stored(self, name: str) -> Translation | None:
        known = self._store.get(name)
        if known is not None:
            self.figures.loaded += 1
            self._known[name] = known
        return known

    # Installation, in the guest's thread

    def _install(self, finished: Finished) -> None:
        m = self._machine
        number = self._natives.lookup(self._processor.machine_address, finished.request.key)
        data_ops = -(-self._data_bytes(finished) // OP_BYTES)
        room = m.ops_used + data_ops < OPS_CAPACITY and m.blocks_used + len(finished.shape.pieces) < BLOCKS_CAPACITY - 1
        if not number or not room or not self._still_holds(finished):
            self.figures.stale += 1
            return
        address = self._code_address(finished)
        if address is None:
            return
        data = m.ops + m.ops_used * OP_BYTES
        m.ops_used += data_ops
        self._fill_data(data, finished)
        for piece in finished.shape.pieces:
            offset = finished.pages[piece.page] + piece.offset
            self._natives.add_piece(self._processor.machine_address, number, offset, len(piece.code))
        block = record_at(m.blocks + (number - 1) * BLOCK_BYTES, BLOCK)
        entry = op_at(block.ops)
        entry.link = data
        entry.handler = address
        self.figures.installed += 1

    def _still_holds(self, finished: Finished) -> bool:
        view = self._processor.memory.view
        for piece in finished.shape.pieces:
            at = finished.pages[piece.page] + piece.offset
            if view[at : at + len(piece.code)] != piece.code:
                return False
        return True

    def _code_address(self, finished: Finished) -> int | None:
        """Where its code lies, put there now if it is new. When the memory for code is full, everything decoded and
        translated is forgotten, as when the block cache is full."""
        known = self._addresses.get(finished.name)
        if known is not None:
            return known
        at = self._arena.add(finished.translation.code)
        if at is None:
            self._processor.engine.forget_all()
            self._arena.clear()
            self._addresses.clear()
            self._known.clear()
            self.figures.emptied += 1
            return None
        self._addresses[finished.name] = at + finished.translation.entry
        return at + finished.translation.entry

    def _data_bytes(self, finished: Finished) -> int:
        return operations_offset(finished.shape) + OP_BYTES * len(finished.translation.operations)

    def _fill_data(self, data: int, finished: Finished) -> None:
        at = data + operations_offset(finished.shape)
        for place in range(data, at, 8):
            poke64(place, 0)
        for i, backing in enumerate(finished.pages):
            poke64(data + 8 * i, backing)
        content = b"".join(bytes(OPERANDS_AT) + operands for operands in finished.translation.operations)
        for i in range(0, len(content), 8):
            poke64(at + i, int.from_bytes(content[i : i + 8], "little", signed=True))
