"""A machine without a processor: the in-memory twin of both ends' machines, with a guest that is a writer.

It keeps the rules that a real machine keeps: memory is GuestMemory, every write marks its page, `collect_dirty` clears
before it returns, and state is numpy records. `Writer` is the guest's program: a number of random writes over a working
set at each tick of the clock, while the machine runs; it writes a counter, so a lost write shows. Misbehaviour can be
asked for: `forget` makes a page's writes go unmarked, which only the digest can notice.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from node.memory.ram import PAGE, GuestMemory, PageNumbers
from node.migration.link import Clock

CPU = np.dtype([("gpr", "<u4", (8,)), ("eip", "<u4"), ("eflags", "<u4"), ("tsc", "<u8"), ("halted", "?")])
TIMER = np.dtype([("count", "<u2"), ("latch", [("armed", "u1"), ("value", "<u2")]), ("period_ns", "<f8")])


class TwinMachine:
    """A source's or a target's machine."""

    def __init__(self, ram_bytes: int, rom: bytes = b"", *, running: bool = False) -> None:
        self.memory = GuestMemory(ram_bytes, rom)
        self.cpu = np.zeros(1, CPU)
        self.timer = np.zeros(1, TIMER)
        self.console = np.zeros(64, np.uint8)
        self.running = running
        self.tracking = False
        self.loads = 0
        self.forget: set[int] = set()

    def records(self) -> Mapping[str, npt.NDArray[Any]]:
        return {"cpu": self.cpu, "timer": self.timer, "console": self.console}

    def loaded(self) -> None:
        self.loads += 1

    def start_tracking(self) -> None:
        self.memory.clear_dirty()
        self.tracking = True

    def collect_dirty(self) -> PageNumbers:
        dirty = self.memory.dirty_pages()
        self.memory.clear_dirty()
        return dirty

    def stop_tracking(self) -> None:
        self.tracking = False

    def pause(self) -> None:
        self.running = False

    def resume(self) -> None:
        self.running = True

    def store(self, page: int, offset: int, data: bytes) -> None:
        """A write by the guest."""
        assert self.running, "the guest wrote while it was paused"
        before = int(self.memory.dirty[page])
        self.memory.write(page * PAGE + offset, data)
        if page in self.forget:
            self.memory.dirty[page] = before
        self.cpu["tsc"] += 1

    def fill(self, seed: int, share: float = 0.5) -> None:
        """Random content in some pages, zeros in the others, and some state."""
        rng = np.random.default_rng(seed)
        chosen = np.flatnonzero(rng.random(self.memory.pages) < share)
        self.memory.bytes.reshape(-1, PAGE)[chosen] = rng.integers(0, 256, (len(chosen), PAGE), np.uint8)
        self.cpu["gpr"] = rng.integers(0, 1 << 32, 8)
        self.timer["count"] = rng.integers(0, 1 << 16)
        self.timer["latch"]["value"] = rng.integers(0, 1 << 16)
        self.console[:] = rng.integers(0, 256, 64)


@dataclass(frozen=True, slots=True)
class Writes:
    """What a guest writes: `per_tick` pages of the first `pages`, each `tick_ns`."""

    pages: int
    per_tick: int
    tick_ns: int = 1_000_000


async def run_writer(machine: TwinMachine, writes: Writes, clock: Clock, seed: int) -> None:
    """The guest's program; it never ends, and stands still while the machine is paused."""
    rng = random.Random(seed)
    counter = 0
    while True:
        await clock.sleep_until(clock.now_ns() + writes.tick_ns)
        if not machine.running:
            continue
        for _ in range(writes.per_tick):
            counter += 1
            page, slot = rng.randrange(writes.pages), rng.randrange(PAGE // 8)
            machine.store(page, slot * 8, counter.to_bytes(8, "little"))
