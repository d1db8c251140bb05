"""A virtual machine small enough to be understood: a counter that writes pages and prints lines.

Step i writes i into page (i * 7919) mod pages and, each tenth step, prints "tick i". So a page that was lost, stale or
repeated shows in `intact`, and a gap or repetition shows in the console, whatever way the machine took.
"""

import hashlib
import json
from dataclasses import dataclass, field

from protos import common_pb2

PAGES = 64
STRIDE = 7919
LINE_EVERY = 10


@dataclass(slots=True)
class TwinVm:
    """One copy of one VM on one host."""

    spec: common_pb2.VmSpec
    state: common_pb2.VmState = common_pb2.VM_STATE_CREATED
    reason: str = ""
    steps: int = 0
    memory: list[int] = field(default_factory=lambda: [0] * PAGES)
    console: bytearray = field(default_factory=bytearray)
    typed: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=lambda: set(range(PAGES)))
    migration_id: str = ""

    def run(self, steps: int) -> None:
        """Execute, if it may."""
        if self.state != common_pb2.VM_STATE_RUNNING:
            return
        for _ in range(steps):
            self.steps += 1
            page = self.steps * STRIDE % PAGES
            self.memory[page] = self.steps
            self.dirty.add(page)
            if self.steps % LINE_EVERY == 0:
                self.console += f"tick {self.steps}\n".encode()

    def type(self, data: bytes) -> None:
        """Serial input: echoed, and part of the state."""
        self.typed += data
        self.console += data

    def boot(self) -> None:
        """Power on afresh: memory and counter start again, the console goes on."""
        self.steps, self.memory, self.reason = 0, [0] * PAGES, ""
        self.dirty = set(range(PAGES))

    def intact(self) -> bool:
        """Does every page hold exactly what the executed steps wrote?"""
        expected = [0] * PAGES
        for i in range(max(1, self.steps - PAGES + 1), self.steps + 1):
            expected[i * STRIDE % PAGES] = i
        return self.memory == expected

    def take_dirty(self) -> dict[int, int]:
        """The pages written since last asked, with their contents."""
        pages = {page: self.memory[page] for page in sorted(self.dirty)}
        self.dirty.clear()
        return pages

    def registers(self) -> str:
        """Everything but memory, to be carried over at the pause."""
        return json.dumps({"steps": self.steps, "console": self.console.decode(), "typed": self.typed.decode()})

    def load(self, registers: str) -> None:
        state = json.loads(registers)
        self.steps = int(state["steps"])
        self.console = bytearray(state["console"].encode())
        self.typed = bytearray(state["typed"].encode())

    def digest(self) -> str:
        whole = json.dumps([self.memory, self.registers()])
        return "sha256:" + hashlib.sha256(whole.encode()).hexdigest()
