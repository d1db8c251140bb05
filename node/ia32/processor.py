"""One processor over one guest memory: the records, the tables they point to, and the engine that executes.

An *engine* is a set of entry points over (Cpu record, Machine record): plain Python here, native code from `node.jit`.
Derived tables (TLB, decoded code, fetch state) are rebuilt at will; `Cpu` alone is architectural.
"""

import ctypes
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from node.ia32 import apic_interrupts, exceptions, flags, interpreter, pairs, segments, slices, tlb
from node.ia32.blocks import (
    BLOCK_BYTES,
    BLOCKS_CAPACITY,
    JUMP_BYTES,
    JUMPS,
    NOTE_BYTES,
    NOTES_CAPACITY,
    OPS_CAPACITY,
    SCRATCH_OPS,
    SPAN_BYTES,
    SPANS,
    TABLE_BITS,
    forget_all,
)
from node.ia32.decoder_table import decoder_table
from node.ia32.handlers import handlers
from node.ia32.models import DEFAULT, CpuModel, install_model
from node.ia32.physical import MAP_READ, MAP_WRITE
from node.ia32.state import CPU, M32, MACHINE, NO_PORT, OP_BYTES, PORT_ANSWERS, PORTS, SINK_BYTES, Cpu, Machine
from node.ia32.tlb import FILLED_CAPACITY
from node.jitted import new_record
from node.memory.ram import PAGE, GuestMemory


class Engine(Protocol):
    """Entry points; `cpu` and `machine` are whatever `bind` made of the records."""

    def handler_table(self) -> int | None:
        """Address of the handlers' code by number; None: Op.handler holds the numbers themselves."""

    def bind(self, processor: "Processor") -> "BoundEngine": ...


class BoundEngine(Protocol):
    def run(self) -> None: ...
    def run_slices(self) -> None: ...
    def deliver_interrupt(self, vector: int) -> None: ...
    def refresh(self) -> None: ...
    def materialise(self) -> None: ...
    def flush_all(self) -> None: ...
    def protect_all(self) -> None: ...
    def forget_all(self) -> None: ...
    def stats(self) -> dict[str, int]:
        """Figures of the engine's own."""


class PlainEngine:
    """The oracle: the same functions, as Python. Some thousands of instructions a second."""

    def handler_table(self) -> int | None:
        return None

    def bind(self, processor: "Processor") -> BoundEngine:
        return _BoundPlain(processor.cpu, processor.machine)


class _BoundPlain:
    def __init__(self, cpu: Cpu, machine: Machine) -> None:
        self._c, self._m = cpu, machine

    def run(self) -> None:
        interpreter.run(self._c, self._m)

    def run_slices(self) -> None:
        slices.run_slices(self._c, self._m)

    def deliver_interrupt(self, vector: int) -> None:
        exceptions.deliver_interrupt(self._c, self._m, vector)

    def refresh(self) -> None:
        segments.refresh(self._c, self._m)

    def materialise(self) -> None:
        flags.materialise(self._c)

    def flush_all(self) -> None:
        tlb.flush_all(self._m)

    def protect_all(self) -> None:
        tlb.protect_all(self._m)

    def forget_all(self) -> None:
        forget_all(self._m)

    def stats(self) -> dict[str, int]:
        return {}


LINE = 64  # bytes of the host's cache


def _on_lines(size: int) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """`size` bytes, the first at the beginning of a line."""
    room = np.zeros(size + LINE, np.uint8)
    before = -room.ctypes.data % LINE
    return room[before : before + size]


Reach = tuple[str, int, int]  # name, address in this process, bytes
LOW_PAGES = 256
HOLE = range(0xA0, 0x100)  # pages of the legacy hole: not RAM unless mapped so
DEVICES = (0xFEC0_0000, 0xFEE0_0000)  # guest-physical: what the host answers for


class Processor:
    """`cpu` and `machine` are attribute views of `cpu_array` and the private machine record."""

    def __init__(self, memory: GuestMemory, engine: Engine, model: CpuModel = DEFAULT) -> None:
        self.memory = memory
        self.model = model
        self.cpu_array, self.cpu = new_record(CPU)
        self._machine_array, self.machine = new_record(MACHINE)
        self._tables = self._allocate(memory, engine)
        self._wire(memory)
        self.engine = engine.bind(self)

    def _allocate(self, memory: GuestMemory, engine: Engine) -> dict[str, Any]:
        return {
            "low_map": self._low_map(memory),
            "tlb": np.zeros(1 << 20, np.int64),
            "tlb_filled": np.zeros(FILLED_CAPACITY, np.uint32),
            "code_chunks": np.zeros(memory.pages, np.uint32),
            "page_blocks": np.zeros(memory.pages, np.uint32),
            "ops": np.zeros(OPS_CAPACITY * OP_BYTES, np.uint8),
            "blocks": np.zeros(BLOCKS_CAPACITY * BLOCK_BYTES, np.uint8),
            "block_table": np.zeros(1 << TABLE_BITS, np.uint32),
            "decode_buffer": np.zeros(16, np.uint8),
            "spans": np.zeros(SPANS * SPAN_BYTES, np.uint8),
            "cpu_copy": np.zeros(1, CPU),
            "encodings": decoder_table(self.model.features),
            **self._handlers(engine),
            "jumps": _on_lines(JUMPS * JUMP_BYTES),
            "notes": np.zeros(NOTES_CAPACITY * NOTE_BYTES, np.uint8),
            "port_answers": np.zeros(PORTS, np.uint16),
            "sink": np.zeros(SINK_BYTES, np.uint8),
            "dirty": memory.dirty,
            "code": memory.code,
        }

    @staticmethod
    def _handlers(engine: Engine) -> dict[str, Any]:
        native, count = engine.handler_table(), len(handlers())
        if native is None:
            return {"handlers": np.arange(count, dtype=np.int64)}
        addresses = ctypes.c_int64 * (count + len(pairs.pairs()))
        return {"handlers": np.ctypeslib.as_array(addresses.from_address(native)), "pairs": pairs.table()}

    @staticmethod
    def _low_map(memory: GuestMemory) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """RAM below 640 KiB; behind a ROM its last 128 KiB at 0xE0000; nothing else in the hole."""
        low = np.zeros(LOW_PAGES, np.int64)
        for page in range(min(LOW_PAGES, memory.ram_bytes // PAGE)):
            if page not in HOLE:
                low[page] = page * PAGE | MAP_READ | MAP_WRITE
        rom_pages = min(memory.rom_bytes // PAGE, 32)
        for i in range(rom_pages):
            low[LOW_PAGES - rom_pages + i] = memory.ram_bytes + memory.rom_bytes - (rom_pages - i) * PAGE | MAP_READ
        return low

    def _wire(self, memory: GuestMemory) -> None:
        m = self.machine
        for name, table in self._tables.items():
            setattr(m, name, table.ctypes.data)
        m.cpu_address = self.cpu_array.ctypes.data
        m.ram = memory.bytes.ctypes.data
        m.ram_bytes = memory.ram_bytes
        m.rom_gpa = (1 << 32) - memory.rom_bytes
        m.ops_used = SCRATCH_OPS
        self.cpu.a20_mask = 0xFFFF_FFFF
        install_model(m, self.model)
        m.devices_from, m.devices_to = DEVICES
        m.timer_port = NO_PORT
        m.look_mask = M32
        apic_interrupts.refresh(self.cpu, m)

    def map_shadow(self, first: int, pages: bytes) -> None:
        """For each page from `first`, below 1 MiB: MAP_READ, RAM is there; MAP_WRITE, writable; 0: what was wired."""
        low = self._low_map(self.memory)
        for page, attributes in enumerate(pages, first):
            if attributes & MAP_READ:
                low[page] = page * PAGE | attributes
        self._tables["low_map"][:] = low
        self.engine.flush_all()

    def reach(self) -> Iterator[Reach]:
        """All memory that executing a guest's code may touch, the hottest first."""
        yield "guest memory", self.machine.ram, self.memory.bytes.nbytes
        yield "machine", self.machine_address, MACHINE.itemsize
        yield "cpu", self.machine.cpu_address, CPU.itemsize
        for name, table in self._tables.items():
            yield name, table.ctypes.data, table.nbytes

    @property
    def machine_address(self) -> int:
        return int(self._machine_array.ctypes.data)

    def answer_port(self, port: int, answer: int | None) -> None:
        """What reads of a byte at `port` give from now on; None: the host is asked."""
        self._tables["port_answers"][port] = 0 if answer is None else PORT_ANSWERS | answer

    def lend_timer(self, port: int, hz: int, start: int, count: int, half: int) -> None:
        """Reads of a byte at `port`, which may be NO_PORT, show a counter that falls (timer_port.py)."""
        m = self.machine
        m.timer_port, m.timer_hz, m.timer_start, m.timer_count, m.timer_half = port, hz, start, count, half

    def keep_bytes(self, port: int | None) -> None:
        """Bytes written to `port` are kept, until an interrupt is taken or the local APIC is written to."""
        self.machine.sink_port = NO_PORT if port is None else port

    def take_bytes(self) -> bytes:
        """What has been kept."""
        used, self.machine.sink_used = self.machine.sink_used, 0
        return bytes(self._tables["sink"][:used].data)

    def run(self, budget: int) -> int:
        """Execute at most `budget` instructions; returns the exit reason (EXIT_NONE: the budget is spent)."""
        self.machine.left = budget
        self.engine.run()
        return int(self.machine.exit)

    def run_slices(self, budget: int) -> int:
        """Execute slices, the first of at most `budget` instructions, by `machine.host_clock`; the exit reason of the
        last."""
        self.machine.left = budget
        self.engine.run_slices()
        return int(self.machine.exit)

    def drop_derived(self) -> None:
        """After the Cpu record or memory was overwritten from outside: forget everything computed from them."""
        self.engine.forget_all()
        self.engine.flush_all()
        self.memory.code_written = False
        self.machine.alone = self.machine.answers = 0
        apic_interrupts.refresh(self.cpu, self.machine)
        self.engine.refresh()

    def protect_memory(self) -> None:
        """Make every page's next write visible in `memory.dirty`."""
        self.engine.protect_all()

    def host_wrote_code(self) -> None:
        """A device or loader wrote to pages with decoded code."""
        self.engine.forget_all()
        self.memory.code_written = False
